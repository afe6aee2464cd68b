// What Wireshark's programs say of a replay of captures of real stacks: as many frames as capinfos counts, also where
// none of them maps to a vNIC, and an account of the run that tshark and capinfos accept.

import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { replay } from '../../lab/replay.ts'
import { pcapObserver } from '../../lab/report/pcap.ts'
import type { FrameCounts } from '../../lab/verdict.ts'
import { parseTopology } from '../../topologies/load.ts'
import type { Scenario } from '../../topologies/scenario.ts'
import { captures } from './support/captures.ts'
import { tsharkFields } from './support/tshark.ts'

const folder = mkdtempSync(join(tmpdir(), 'signalbox-captures-'))
afterAll(() => rmSync(folder, { recursive: true }))

const NOBODY = '02:fe:fe:fe:fe:fe'

/** A VM on each of two hosts, in two networks. The first owns `mac`. */
function scenarioOf(capture: string, mac: string): Scenario {
  const vm = (name: string, host: string, network: string, own?: string) => ({
    name,
    host,
    nics: [{ name: 'eth0', network, ...(own !== undefined && { mac: own }), policy: { portSecurity: false } }],
  })
  const written = {
    version: 1,
    name: 'foreign',
    hosts: [1, 2].map((number) => ({ name: `h${number}`, vtep: `192.0.2.${number}` })),
    networks: [
      { name: 'blue', type: 'vlan', segment: 10 },
      { name: 'green', type: 'vxlan', segment: 5001 },
    ],
    vms: [vm('web1', 'h1', 'green', mac), vm('db1', 'h2', 'green'), vm('web2', 'h1', 'blue'), vm('db2', 'h2', 'blue')],
  }
  const topology = parseTopology(JSON.stringify(written), 'foreign.json')
  const step = { type: 'replay', capture, map: 'source-mac', speed: 1 } as const
  return { name: 'foreign', topology, folder, seed: 1, timeline: [{ at: 0, step }], expect: [] }
}

const numberOfPackets = (path: string) =>
  Number(
    /Number of packets = (\d+)|Number of packets: +(\d+)/
      .exec(capinfos('-c', '-M', path))!
      .slice(1)
      .join(''),
  )

const capinfos = (...words: string[]) => execFileSync('capinfos', words, { encoding: 'utf8' })

/** The unicast address that sends most frames. */
function busiestSender(path: string): string {
  const counts = new Map<string, number>()
  for (const [addresses] of tsharkFields(path, 'eth', ['eth.src'])) {
    const outer = addresses!.split(',')[0]!
    if ((Number.parseInt(outer.slice(0, 2), 16) & 1) === 0) counts.set(outer, (counts.get(outer) ?? 0) + 1)
  }
  return [...counts].toSorted(([, a], [, b]) => b - a)[0]?.[0] ?? NOBODY
}

const ended = ({ delivered, answered, held, lost, unmapped, dropped }: FrameCounts) =>
  Object.values(dropped).reduce((total, count) => total + count, delivered + answered + held + lost + unmapped)

describe('captures of real stacks', () => {
  test.each([...captures])('%s: every frame that capinfos counts ends once, mapped or not', async (_name, path) => {
    const packets = numberOfPackets(path)
    const { verdict: strangers } = await replay(scenarioOf(path, NOBODY))
    expect(strangers.frames).toMatchObject({ injected: packets, unmapped: packets, delivered: 0, leaked: 0 })
    const { verdict } = await replay(scenarioOf(path, busiestSender(path)))
    expect(verdict.frames.injected).toBe(packets)
    expect(ended(verdict.frames)).toBe(packets)
  })

  test.each([...captures])('%s: capinfos and tshark accept the capture of its replay', async (name, path) => {
    const told = join(folder, `${name}.pcapng`)
    const file = openSync(told, 'w')
    const observer = pcapObserver((bytes) => writeSync(file, bytes))
    const { verdict } = await replay(scenarioOf(path, busiestSender(path)), { observer })
    closeSync(file)
    const rows = tsharkFields(told, 'frame', ['frame.interface_name', 'frame.comment'])
    expect(numberOfPackets(told)).toBe(rows.length)
    const mapped = verdict.frames.injected - verdict.frames.unmapped
    expect(rows.filter(([from, comment]) => from === 'web1:eth0' && comment!.endsWith('sent'))).toHaveLength(mapped)
    const names = new Set(rows.map(([from]) => from))
    for (const vm of ['web2:eth0', 'db2:eth0']) expect(names).not.toContain(vm)
    // The other VM of the network is on the other host; what is tagged gets no further than the vNIC, which is not.
    expect(names.has('h1/uplink')).toBe(verdict.frames.delivered > 0)
    expect(capinfos(told)).toContain('web1:eth0')
  })
})
