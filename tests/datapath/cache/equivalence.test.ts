// The law of the flow cache: with it or without, with room for all or for next to nothing, frames meet the same fate, and every
// counter is the same. Pipelines of every kind, which change while frames pass; each from a seed. To try more:
//
//   CASES=1000 FRAMES=1000 npx vitest run --project unit tests/datapath/cache/equivalence.test.ts

import { expect, test } from 'vitest'
import { ChangeRefused, applyChanges } from '../../../datapath/control/handlers/changes.ts'
import type { Port } from '../../../datapath/port.ts'
import type { BundledMessage, PortConfig } from '../../../protocols/control/messages.ts'
import { udpFrame, vxlanFrame } from '../../../protocols/packet/compose.ts'
import { ALL_TABLES } from '../../../protocols/control/messages.ts'
import type { Random } from '../../../runtime/random.ts'
import { seeded } from '../../../runtime/random.ts'
import { livelyChange } from '../../support/lively-changes.ts'
import { chance, pick } from '../../support/random-flows.ts'
import { damagedFrame, randomFrame } from '../../support/random-frames.ts'
import type { TestSwitch } from '../../support/test-switch.ts'
import { flowMod, portConfig, testSwitch } from '../../support/test-switch.ts'
import { seeds } from '../../support/seeds.ts'
import { expectEqual } from '../../support/expect-equal.ts'

const FRAMES = Number(process.env['FRAMES'] ?? 250)
const SEEDS = seeds(6)

const PORTS: Partial<PortConfig>[] = [
  { vlanMode: 'access', tag: 10 },
  { vlanMode: 'trunk' },
  { vlanMode: 'trunk', trunks: [10, 20] },
  { type: 'tunnel', tunnel: { localIp: 1, remoteIp: 'flow', key: 'flow', tos: 'inherit', ttl: 'inherit' } },
  { vlanMode: 'dot1q-tunnel', tag: 20 },
  { mtu: 60, maxRate: 1e6 },
]

/** What a port may be when it comes back: there is one tunnel to an endpoint. */
const OTHER_PORTS = PORTS.filter(({ type }) => type !== 'tunnel')

const CACHES = {
  off: { megaflows: 0 },
  tiny: { megaflows: 3, microflows: 4, steps: 1 },
  small: { megaflows: 40, microflows: 16, steps: 10 },
  on: {},
}

let found = 0

test.each(SEEDS)(
  'with the cache or without, frames meet the same fate (seed %i)',
  async (seed) => {
    const random = seeded(seed)
    const sides = Object.values(CACHES).map((cache) => testSwitch(PORTS, { maxFlows: 300, cache }))
    for (let made = random.below(80); made >= 0; made--) changeAll(random, sides)
    if (chance(random, 0.5)) for (const { sw } of sides) sw.tables.applyBundle([normal])
    const frames = Array.from({ length: 4 + random.below(20) }, () => anyFrame(random))
    for (let round = 0; round < FRAMES; round++) {
      await disturb(random, sides)
      const vector = someFrames(random, frames)
      const port = pick(random, [1, 1, 1, 2, 3, 5])
      const [expected, ...others] = sides.map((side) => fateOf(side, vector, port))
      for (const other of others) expectEqual(other, expected)
      if (round % 50 === 49) compareState(sides)
    }
    compareState(sides)
    const { only, microflow, megaflow } = sides.at(-1)!.sw.cache.statistics
    found += only + microflow + megaflow
    for (const { sw } of sides) sw.close()
  },
  // Now and then flows send each frame on and on, as far as they may.
  600_000,
)

test('of these frames, the cache knew many', () => {
  expect(found).toBeGreaterThan((SEEDS.length * FRAMES) / 4)
})

const normal = flowMod({
  priority: 1,
  instructions: { apply: [{ type: 'output', port: 0xfffffffa }], clear: false, write: [] },
})

interface AnyFrame {
  bytes: Uint8Array
  tunnelled: boolean
}

function anyFrame(random: Random): AnyFrame {
  const bytes = chance(random, 0.85) ? randomFrame(random) : damagedFrame(random)
  return chance(random, 0.2) ? { bytes: encapsulated(random, bytes), tunnelled: true } : { bytes, tunnelled: false }
}

/** One of many that have little in common, so that each has an answer of its own, and many have a mask of their own. */
const scanningFrame = (random: Random): AnyFrame => ({
  bytes: udpFrame({
    ethSrc: BigInt(2 * random.below(2 ** 32)),
    ethDst: BigInt(random.below(2 ** 32)),
    ipSrc: random.below(2 ** 32),
    ipDst: random.below(2 ** 32),
    srcPort: random.below(2 ** 16),
    dstPort: random.below(2 ** 16),
  }),
  tunnelled: false,
})

const encapsulated = (random: Random, inner: Uint8Array): Uint8Array =>
  vxlanFrame({
    ethSrc: 1n,
    ethDst: 2n,
    ipSrc: 2 + random.below(2),
    ipDst: 1,
    srcPort: 50_000,
    vni: pick(random, [1, 2, 5001]),
    inner,
  })

/** One frame, or some that come together: out of tunnels or not, all alike. Now and then, those of an attacker. */
function someFrames(random: Random, frames: readonly AnyFrame[]): AnyFrame[] {
  if (chance(random, 0.01)) return Array.from({ length: 30 }, () => scanningFrame(random))
  const count = chance(random, 0.9) ? 1 : 2 + random.below(30)
  const chosen = Array.from({ length: count }, () => (chance(random, 0.1) ? anyFrame(random) : pick(random, frames)))
  return chosen.filter(({ tunnelled }) => tunnelled === chosen[0]!.tunnelled)
}

function fateOf({ sw, arena, heard, messages }: TestSwitch, vector: readonly AnyFrame[], port: number): unknown {
  const frames = vector.map(({ bytes }) => arena.allocateFrom(bytes))
  if (vector[0]!.tunnelled) sw.receiveTunnelled(frames, frames.length)
  else sw.receive(frames, frames.length, port)
  return { heard: heard(), messages: messages.splice(0) }
}

/** Time passes, and now and then flows, groups, meters, ports and links change. */
async function disturb(random: Random, sides: readonly TestSwitch[]): Promise<void> {
  if (chance(random, 0.15)) changeAll(random, sides)
  const number = 1 + random.below(PORTS.length)
  const kind = random.below(100)
  if (kind < 2) changePort(sides, number, ({ sw }, { config, linkUp }) => sw.ports.setLink(config.name, !linkUp))
  if (kind === 2) {
    const tag = pick(random, [10, 20, 30])
    changePort(sides, 1, ({ sw }, { config }) => sw.ports.modify({ ...config, tag }))
  }
  if (kind === 4) changePort(sides, number, ({ sw }, { config }) => sw.ports.remove(config.name))
  if (kind === 5 || kind === 6) {
    const config = portConfig({ number, ...pick(random, [PORTS[number - 1], ...OTHER_PORTS]) })
    for (const { sw } of sides) if (sw.ports.byNumber(number) === undefined) sw.ports.add(config)
  }
  if (kind === 3) {
    const fragments = pick(random, ['normal', 'drop', 'nx-match'] as const)
    for (const { sw } of sides) sw.fragments = fragments
  }
  const pause = pick(random, [0, 0, 0, 1e6, 1e9, 1e10, chance(random, 0.1) ? 301e9 : 0])
  for (const { clock } of sides) await clock.run(clock.now() + pause)
}

/** Where it is there. */
function changePort(
  sides: readonly TestSwitch[],
  number: number,
  change: (side: TestSwitch, port: Port) => void,
): void {
  for (const side of sides) {
    const port = side.sw.ports.byNumber(number)
    if (port !== undefined) change(side, port)
  }
}

function changeAll(random: Random, sides: readonly TestSwitch[]): void {
  const change: BundledMessage = livelyChange(random)
  for (const { sw } of sides) {
    try {
      applyChanges(sw, [change])
    } catch (error) {
      if (!(error instanceof ChangeRefused)) throw error
    }
  }
}

function compareState(sides: readonly TestSwitch[]): void {
  const [expected, ...others] = sides.map(stateOf)
  for (const other of others) expectEqual(other, expected)
}

const stateOf = ({ sw, clock }: TestSwitch) => ({
  flows: [...sw.tables.statistics({ table: ALL_TABLES, match: [], cookie: 0n, cookieMask: 0n })],
  tables: sw.tables.tableStatistics(),
  groups: sw.groups.statistics(undefined, clock.now(), () => 0),
  ports: sw.ports.statistics(),
  addresses: sw.macTable.entries(clock.now()).map(({ vlan, mac, port, usedAt }) => ({ vlan, mac, port, usedAt })),
  meters: sw.meters.statistics(clock.now(), () => 0),
  samples: [...sw.samples],
  drops: sw.drops,
})
