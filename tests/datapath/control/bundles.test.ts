import { expect, test } from 'vitest'
import { applyChanges, ChangeRefused } from '../../../datapath/control/handlers/changes.ts'
import type { Switch } from '../../../datapath/switch.ts'
import type { BundledMessage, PortType } from '../../../protocols/control/messages.ts'
import type { Random } from '../../../runtime/random.ts'
import { seeded } from '../../../runtime/random.ts'
import { controlledSwitch } from '../../support/controlled-switch.ts'
import { oneOf } from '../../support/frames.ts'
import { flowMod, portConfig } from '../../support/test-switch.ts'
import { seeds } from '../../support/seeds.ts'

/** Few names and numbers, so that changes meet. */
function randomChange(random: Random): BundledMessage {
  const commands = ['add', 'add', 'modify', 'delete'] as const
  const roll = random.below(4)
  if (roll === 0) return randomPortMod(random)
  if (roll === 1) {
    const bands = [{ type: 'drop', rate: BigInt(random.below(20)), burst: 1n }] as const
    return { type: 'meterMod', command: oneOf(random, commands), meter: 1 + random.below(3), bands: [...bands] }
  }
  const metered = random.below(3) === 0 ? { meter: 1 + random.below(3) } : {}
  return flowMod({
    command: oneOf(random, commands),
    table: random.below(2),
    priority: random.below(3),
    cookie: BigInt(random.below(3)),
    flags: { checkOverlap: random.below(8) === 0 },
    match: random.below(2) === 0 ? [] : [{ field: 'eth_src', value: BigInt(random.below(2)) }],
    instructions: { apply: [{ type: 'output', port: 1 + random.below(3) }], clear: false, write: [], ...metered },
  })
}

function randomPortMod(random: Random): BundledMessage {
  const type = oneOf<PortType>(random, ['vnic', 'uplink', 'tunnel'])
  const tunnel = { localIp: 1, remoteIp: 2 + random.below(2), key: 'flow' as const }
  const port = portConfig({
    number: 1 + random.below(3),
    name: oneOf(random, ['a', 'b', 'c']),
    type,
    state: oneOf(random, ['closed', 'hold', 'open']),
    ...(type === 'tunnel' ? { tunnel } : {}),
  })
  return { type: 'portMod', command: oneOf(random, ['add', 'add', 'modify', 'delete']), port }
}

const stateOf = (device: Switch) => ({
  flows: [...device.tables.statistics({ table: 255, match: [], cookie: 0n, cookieMask: 0n })]
    .map((flow) => JSON.stringify(flow, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value)))
    .sort(),
  ports: [...device.ports].map((port) => device.ports.describe(port)),
  meters: [1, 2, 3].map((meter) => device.meters.get(meter)),
})

/** Carries out the changes one after the other; false where one is refused. */
function oneByOne(device: Switch, changes: readonly BundledMessage[]): boolean {
  return changes.every((change) => !isRefused(device, [change]))
}

function isRefused(device: Switch, changes: readonly BundledMessage[]): boolean {
  try {
    applyChanges(device, changes)
    return false
  } catch (error) {
    if (error instanceof ChangeRefused) return true
    throw error
  }
}

/** A meter that goes and comes back takes its flows along only where these are two steps. */
const deletesMeter = (change: BundledMessage) => change.type === 'meterMod' && change.command === 'delete'

test.each(seeds(3))('a bundle does what its changes do one by one, or nothing (seed %i)', (seed) => {
  const random = seeded(seed)
  const together = controlledSwitch()
  const apart = controlledSwitch()
  let carriedOut = 0
  for (let round = 0; round < 400; round++) {
    const changes = Array.from({ length: 1 + random.below(4) }, () => randomChange(random))
    if (changes.length > 1 && changes.some(deletesMeter)) continue
    const refused = isRefused(together.device, changes)
    if (!refused) carriedOut++
    const applied = refused || oneByOne(apart.device, changes)
    expect({ applied, ...stateOf(together.device) }).toEqual({ applied: true, ...stateOf(apart.device) })
  }
  expect(carriedOut).toBeGreaterThan(50)
})

test.each([1, 2])('a bundle is refused only where one of its changes is (seed %i)', (seed) => {
  const random = seeded(seed)
  for (let round = 0; round < 100; round++) {
    const together = controlledSwitch()
    const apart = controlledSwitch()
    const changes = Array.from({ length: 6 }, () => randomChange(random)).filter((change) => !deletesMeter(change))
    expect(isRefused(together.device, changes)).toBe(!oneByOne(apart.device, changes))
  }
})

test.each([
  ['openflow', [6]],
  ['control', [5, 6, 8]],
] as const)('a group made anew in one bundle (%s): which flows stay', (dialect, priorities) => {
  const { device } = controlledSwitch()
  const actions = [{ type: 'group', group: 1 } as const]
  const using = (priority: number) => flowMod({ priority, instructions: { apply: actions, clear: false, write: [] } })
  const group = (command: 'add' | 'delete'): BundledMessage => ({
    type: 'groupMod',
    command,
    group: 1,
    groupType: 'all',
    buckets: [],
  })
  const by = { owner: {}, xid: 1, dialect }
  applyChanges(device, [group('add'), using(5)], by)
  applyChanges(device, [using(8), group('delete'), group('add'), using(6)], by)
  expect([...device.tables].map(({ spec }) => spec.priority).sort((a, b) => a - b)).toEqual(priorities)
})
