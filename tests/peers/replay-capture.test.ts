// What Wireshark makes of the capture that a replay writes: our pcapng, our VXLAN, our checksums.

import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { replay } from '../../lab/replay.ts'
import { pcapObserver } from '../../lab/report/pcap.ts'
import type { Verdict } from '../../lab/verdict.ts'
import { loadScenario } from '../../topologies/load.ts'
import { tsharkCount, tsharkFields } from './support/tshark.ts'

const examples = fileURLToPath(new URL('../../topologies/examples/', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'signalbox-replay-'))
afterAll(() => rmSync(folder, { recursive: true }))

async function replayInto(path: string, example: string): Promise<Verdict> {
  const file = openSync(path, 'w')
  const observer = pcapObserver((bytes) => writeSync(file, bytes))
  const { verdict } = await replay(await loadScenario(join(examples, example)), { observer })
  closeSync(file)
  return verdict
}

describe.each([
  { example: 'overlay.json', vnis: ['5001', '5002'] },
  { example: 'migration-under-load.json', vnis: ['5001', '5002'] },
])('the capture of $example', ({ example, vnis }) => {
  const path = join(folder, `${example}.pcapng`)
  let verdict: Verdict
  beforeAll(async () => {
    verdict = await replayInto(path, example)
  })

  test('has an interface for each vNIC and uplink, and a comment on each frame', () => {
    const rows = tsharkFields(path, 'frame', ['frame.interface_name', 'frame.comment'])
    const names = new Set(rows.map(([name]) => name))
    for (const name of ['h1/uplink', 'h3/uplink']) expect(names).toContain(name)
    expect([...names].filter((name) => name!.endsWith(':eth0')).length).toBeGreaterThanOrEqual(5)
    expect(rows.every(([, comment]) => comment !== '')).toBe(true)
  })

  test('shows what the verdict counts', () => {
    expect(tsharkCount(path, 'frame.comment contains "sent"')).toBe(verdict.frames.injected + verdict.made.injected)
  })

  test('carries each network in its own VXLAN segment, from host to host', () => {
    const rows = tsharkFields(path, 'vxlan && frame.interface_name contains "uplink"', ['vxlan.vni', 'udp.dstport'])
    expect(rows.length).toBeGreaterThan(100)
    expect(new Set(rows.map(([vni]) => vni))).toEqual(new Set(vnis))
    for (const [, ports] of rows) expect(ports!.split(',')[0]).toBe('4789')
  })

  test('spreads flows over UDP source ports, one port to a flow', () => {
    const streams = new Map<string, Set<string>>()
    const fields = ['frame.interface_name', 'ip.src', 'ip.dst', 'udp.srcport', 'tcp.srcport', 'tcp.dstport']
    for (const [uplink, source, target, outer, ...ports] of tsharkFields(path, 'vxlan && tcp', fields)) {
      const stream = [uplink, source, target, ...ports].join(' ')
      streams.set(stream, (streams.get(stream) ?? new Set()).add(outer!))
    }
    expect(streams.size).toBeGreaterThan(1)
    for (const outer of streams.values()) expect(outer.size).toBe(1)
    expect(new Set([...streams.values()].flatMap((outer) => [...outer])).size).toBeGreaterThan(1)
  })

  test('holds nothing malformed and no wrong checksum', () => {
    const wrong = '_ws.malformed || ip.checksum.status == 0 || udp.checksum.status == 0 || tcp.checksum.status == 0'
    expect(tsharkCount(path, wrong)).toBe(0)
  })
})
