// A lab that runs without end counts what goes wrong, and keeps no list of it that would grow with it.

import { expect, test } from 'vitest'
import { Lab } from '../../lab/lab.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { parseTopology } from '../../topologies/load.ts'

const nic = (network: string) => [{ name: 'eth0', network }]
const topology = parseTopology(
  JSON.stringify({
    version: 1,
    name: 'endless',
    hosts: [{ name: 'h1' }],
    networks: ['blue', 'green'].map((name, index) => ({ name, type: 'vlan', segment: 10 + index })),
    vms: ['blue', 'green'].map((name) => ({ name, host: 'h1', nics: nic(name) })),
  }),
  'endless.json',
)

test.each([
  { endless: true, kept: 0 },
  { endless: false, kept: 50 },
])('keeps $kept of 50 mishaps where endless is $endless', async ({ endless, kept }) => {
  const { judge } = await Lab.start(topology, { clock: new VirtualClock(), seed: 1, endless })
  for (let id = 1; id <= 50; id++) {
    judge.sent(id, 'blue:eth0', id, new Uint8Array(60), { source: 'test', number: id, made: false })
    judge.heard(id, 'green:eth0', id, new Uint8Array(60))
  }
  expect(judge.frames.leaked).toBe(50)
  expect([...judge.mishaps].length).toBe(kept)
})
