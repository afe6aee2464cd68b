// What ports keep for a VM that moves: what the move says, then what the host says, then what the topology says, then what is usual.

import { expect, test } from 'vitest'
import { DEFAULT_HOLD, type HoldLimits } from '../../../protocols/control/messages.ts'
import { SECOND } from '../../../runtime/clock.ts'
import { parseTopology } from '../../../topologies/load.ts'
import { topologyToJson } from '../../../topologies/write.ts'
import { controlledFleet } from '../../support/controlled-fleet.ts'

const written = (moves?: object) => ({
  version: 1,
  name: 'x',
  hosts: [
    { name: 'h1', hold: { bytes: 1000 } },
    { name: 'h2', hold: { time: '7s' } },
  ],
  networks: [{ name: 'blue', type: 'vlan', segment: 10 }],
  vms: [{ name: 'web', host: 'h1', nics: [{ name: 'eth0', network: 'blue' }] }],
  ...(moves && { moves }),
})

const USUAL = { bytes: 5000, time: '9s' }

test.each<[string, object | undefined, { bytes?: number; time?: number } | undefined, HoldLimits[]]>([
  [
    'the hosts say',
    undefined,
    undefined,
    [
      { ...DEFAULT_HOLD, bytes: 1000 },
      { ...DEFAULT_HOLD, time: 7 * SECOND },
    ],
  ],
  [
    'the topology says, and hosts say otherwise',
    { hold: USUAL },
    undefined,
    [
      { bytes: 1000, time: 9 * SECOND },
      { bytes: 5000, time: 7 * SECOND },
    ],
  ],
  [
    'the move says of one, and not of the other',
    { hold: USUAL },
    { bytes: 300 },
    [
      { bytes: 300, time: 9 * SECOND },
      { bytes: 300, time: 7 * SECOND },
    ],
  ],
])('%s', async (_, moves, hold, expected) => {
  const topology = parseTopology(JSON.stringify(written(moves)), 'x')
  expect(parseTopology(JSON.stringify(topologyToJson(topology)), 'x')).toEqual(topology)
  const { controller, switches, settle } = await controlledFleet(topology)
  const seen = new Map<string, HoldLimits | undefined>()
  for (const [name, device] of switches)
    device.onChange = (change) => {
      if (change.type === 'portMod' && change.port.name === 'web:eth0' && change.port.state === 'hold')
        seen.set(name, change.port.hold)
    }
  const { id } = controller.migrate({ vm: 'web', to: 'h2', ...(hold && { hold }) })
  expect((await settle(controller.migrationDone(id))).state).toBe('done')
  expect(['h1', 'h2'].map((host) => seen.get(`${host}/br-int`))).toEqual(expected)
  expect([...switches.values()].map(({ ports }) => ports.get('web:eth0')?.hold)).toEqual([undefined, undefined])
})
