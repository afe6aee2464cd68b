// Captures that nobody here made, replayed through networks made to measure: each frame ends once, whatever is in it.

import { createReadStream } from 'node:fs'
import { basename, dirname } from 'node:path'
import { describe, expect, test } from 'vitest'
import { replay } from '../../lab/replay.ts'
import type { FrameCounts } from '../../lab/verdict.ts'
import { parseTopology } from '../../topologies/load.ts'
import type { Scenario } from '../../topologies/scenario.ts'
import { readAll } from '../support/capture-reading.ts'
import { captures } from './support/captures.ts'

const networks = {
  flat: { type: 'flat' },
  vlan: { type: 'vlan', segment: 51 },
  vxlan: { type: 'vxlan', segment: 5001 },
} as const

/** Two hosts with a VM for each unicast address that sends in the capture. */
async function scenarioFor(path: string, type: keyof typeof networks, portSecurity: boolean): Promise<Scenario> {
  const macs = await sendersIn(path)
  const written = {
    version: 1,
    name: basename(path),
    hosts: [1, 2].map((number) => ({ name: `h${number}`, vtep: `192.0.2.${number}` })),
    networks: [{ name: 'net', ...networks[type] }],
    vms: macs.map((mac, index) => ({
      name: `vm${index}`,
      host: `h${1 + (index % 2)}`,
      nics: [{ name: 'eth0', network: 'net', mac, policy: { portSecurity } }],
    })),
  }
  const topology = parseTopology(JSON.stringify(written), path)
  const step = { type: 'replay', capture: path, map: 'source-mac', speed: 1 } as const
  return { name: topology.name, topology, folder: dirname(path), seed: 1, timeline: [{ at: 0, step }], expect: [] }
}

async function sendersIn(path: string): Promise<string[]> {
  const { frames } = await readAll(createReadStream(path))
  const senders = frames.filter(({ bytes }) => bytes.length >= 14).map(({ bytes }) => bytes.subarray(6, 12))
  const unicast = senders.filter((mac) => (mac[0]! & 1) === 0 && mac.some((octet) => octet !== 0))
  return [...new Set(unicast.map((mac) => [...mac].map((octet) => octet.toString(16).padStart(2, '0')).join(':')))]
}

const ended = (frames: FrameCounts) =>
  [
    frames.delivered,
    frames.answered,
    frames.held,
    frames.lost,
    frames.unmapped,
    ...Object.values(frames.dropped),
  ].reduce((total, count) => total + count, 0)

describe('captures of real stacks', () => {
  describe.each([...captures])('%s', (_name, path) => {
    test.each([
      ['flat', false],
      ['vlan', false],
      ['vxlan', false],
      ['vlan', true],
    ] as const)('through a %s network, port security %s: each frame ends once, none leaks', async (type, secure) => {
      const { frames: captured } = await readAll(createReadStream(path))
      const { verdict } = await replay(await scenarioFor(path, type, secure))
      expect(verdict.frames.injected).toBe(captured.length)
      expect(ended(verdict.frames)).toBe(captured.length)
      expect(verdict.frames).toMatchObject({ leaked: 0, duplicated: 0, lost: 0 })
      expect(verdict.problems).toEqual([])
    })
  })
})
