import { expect, test } from 'vitest'
import { ConnectionTracker } from '../../datapath/conntrack/connection-tracker.ts'
import type { TrackRequest } from '../../datapath/conntrack/tracker.ts'
import { applyChanges, ChangeRefused } from '../../datapath/control/handlers/changes.ts'
import { FrameArena } from '../../datapath/frames.ts'
import type { Action, BundledMessage, CtAction, PortConfig } from '../../protocols/control/messages.ts'
import { udpFrame } from '../../protocols/packet/compose.ts'
import type { Random } from '../../runtime/random.ts'
import { seeded } from '../../runtime/random.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { livelyChange } from '../support/lively-changes.ts'
import { chance, pick } from '../support/random-flows.ts'
import { damagedFrame, randomFrame } from '../support/random-frames.ts'
import type { TestSwitch } from '../support/test-switch.ts'
import { flowMod, testSwitch } from '../support/test-switch.ts'
import { seeds } from '../support/seeds.ts'

const PORTS: Partial<PortConfig>[] = [
  { vlanMode: 'access', tag: 10 },
  { vlanMode: 'trunk' },
  { type: 'vnic', tag: 10, state: 'hold' },
  { type: 'tunnel', tunnel: { localIp: 1, remoteIp: 2, key: 3, tos: 'inherit', ttl: 'inherit' } },
  { vlanMode: 'dot1q-tunnel', tag: 20 },
  { mtu: 60, maxRate: 1e6 },
  { type: 'vnic', state: 'closed' },
]

const waiting = ({ sw }: TestSwitch) => sw.ports.heldFrames().length + sw.connections.fragments.waiting

function change(random: Random, { sw }: TestSwitch): void {
  try {
    applyChanges(sw, [livelyChange(random)])
  } catch (error) {
    if (!(error instanceof ChangeRefused)) throw error
  }
}

test.each(seeds(1))(
  'every frame is accounted for under flows, groups and meters of every kind (seed %i)',
  async (seed) => {
    const random = seeded(seed)
    const bench = testSwitch(PORTS, { maxFlows: 300 })
    const { sw, arena, heard, clock } = bench
    for (let made = 0; made < 150; made++) change(random, bench)
    for (let round = 0; round < 400; round++) {
      if (round % 5 === 0) change(random, bench)
      const sent = arena.allocateFrom(chance(random, 0.6) ? randomFrame(random) : damagedFrame(random))
      const before = waiting(bench)
      if (chance(random, 0.05)) sw.receiveTunnelled([sent], 1)
      else sw.receive([sent], 1, pick(random, [1, 1, 2, 3, 4, 5, 6, 7, 8]))
      expect(heard().length + waiting(bench) - before).toBeGreaterThan(0)
      expect(arena.live).toBe(waiting(bench))
      await clock.run(clock.now() + 1_000_000)
    }
    sw.close()
    sw.connections.close()
    sw.ports.discardHeld('link_down')
    await clock.run(clock.now() + 60e9)
    expect(arena.live).toBe(0)
  },
)

// ---- what would never end ----------------------------------------------------------------------------------------

const frame = udpFrame({
  ethSrc: 1n,
  ethDst: 2n,
  ipSrc: 1,
  ipDst: 2,
  srcPort: 1,
  dstPort: 2,
  payload: new Uint8Array(40),
})
const MOST_COPIES = 200_000

const out: Action = { type: 'output', port: 2 }
const rename: Action = { type: 'set_field', field: 'eth_src', value: 3n }
const measure: Action = { type: 'check_pkt_larger', length: 10, to: { field: 'reg0', offset: 0, bits: 1 } }
const group = (number: number): Action => ({ type: 'group', group: number })
const resubmit = (table: number): Action => ({ type: 'resubmit', table })
const clone = (actions: Action[]): Action => ({ type: 'clone', actions })
const push: Action = { type: 'stack_push', from: { field: 'xxreg0', offset: 0, bits: 128 } }
const ct = (given: Partial<CtAction>): Action => ({
  type: 'ct',
  commit: false,
  force: false,
  zone: 0,
  alg: 0,
  actions: [],
  ...given,
})
const times = (count: number, ...actions: Action[]): Action[] => Array.from({ length: count }).flatMap(() => actions)
const flow = (apply: Action[], table = 0): BundledMessage =>
  flowMod({
    table,
    match: [{ field: 'eth_type', value: 0x0800n }],
    instructions: { apply, clear: false, write: [] },
  })
const toAll = (number: number, count: number, ...actions: Action[]): BundledMessage => ({
  type: 'groupMod',
  command: 'add',
  group: number,
  groupType: 'all',
  buckets: Array.from({ length: count }, () => ({ actions })),
})
/** Each but the last sends `count` copies to the next. */
const chain = (length: number, count: number): BundledMessage[] =>
  Array.from({ length }, (_, index) =>
    toAll(length - index, count, rename, index === 0 ? out : group(length + 1 - index)),
  )

test.each<[string, BundledMessage[]]>([
  ['ten groups in each other, each of ten buckets', [...chain(10, 10), flow([group(1)])]],
  [
    'thirty groups of two buckets after resubmits',
    [...chain(30, 2), flow(times(100, resubmit(1))), flow([group(1), resubmit(2)], 1), flow([out], 2)],
  ],
  ['a group of as many buckets as there may be', [toAll(1, 100_000, rename, out), flow([group(1)])]],
  ['connections tracked a thousand times, each time from the start', [flow(times(1000, ct({ table: 0 })))]],
  [
    'two ways round, each over the tracker',
    [flow([...times(9, ct({ table: 0, commit: true })), resubmit(1)]), flow(times(9, ct({ table: 0 })), 1)],
  ],
  ['clones that measure the frame and begin again', [flow(times(5, clone([measure, resubmit(0)])))]],
  ['a thousand clones of a thousand copies', [flow(times(1000, clone([rename, ...times(1000, out)])))]],
  ['one clone of more copies than fit a call', [flow([clone(times(130_000, out))])]],
  ['long lists, met again and again', [flow(times(4000, resubmit(1))), flow(times(5000, rename), 1)]],
  ['a stack that is pushed for ever', [flow([...times(3000, push), resubmit(0)])]],
  ['tables that send to each other', [flow(times(100, resubmit(1))), flow(times(100, resubmit(0)), 1)]],
])('%s: a frame ends, and all its copies', (_name, changes) => {
  const { sw, arena, messages } = testSwitch([{}, {}])
  applyChanges(sw, changes)
  sw.receive([arena.allocateFrom(frame)], 1, 1)
  const ended = Object.values(sw.drops).reduce((sum, count) => sum + count)
  const left = sw.ports.byNumber(2)!.counters.sentPackets
  expect(ended + left).toBeGreaterThan(0)
  expect(ended + left).toBeLessThan(MOST_COPIES)
  expect(messages.length).toBeLessThan(10)
  expect(arena.live).toBe(0)
})

// ---- floods ------------------------------------------------------------------------------------------------------

const TRACK: TrackRequest = { zone: 0, commit: true, force: false, alg: 0 }
const from = (source: number) => udpFrame({ ethSrc: 1n, ethDst: 2n, ipSrc: source, ipDst: 2, srcPort: 1, dstPort: 2 })

test('a flood of new connections fills the table and its zones, and no more', () => {
  const clock = new VirtualClock()
  const arena = new FrameArena()
  const tracker = new ConnectionTracker({ clock, random: seeded(1), maxConnections: 5000 })
  tracker.setZoneLimit(7, 1000)
  const flood = (zone: number, first: number) => {
    for (let source = first; source < first + 7000; source++)
      for (const { frame: one } of tracker.track(arena, arena.allocateFrom(from(source)), { ...TRACK, zone }))
        arena.release(one)
  }
  flood(7, 1)
  flood(0, 1)
  expect([...tracker.zoneCounts()].sort(([a], [b]) => a - b)).toEqual([
    [0, 4000],
    [7, 1000],
  ])
  expect(arena.live).toBe(0)
  tracker.close()
  expect(clock.next).toBe(Infinity)
})

/** Whoever finds a connection looks whether its time is up. */
class AskedClock extends VirtualClock {
  asked = 0

  override now(): number {
    this.asked++
    return super.now()
  }
}

test('where NAT has given all away, a frame costs some look-ups and not all of them', () => {
  const clock = new AskedClock()
  const arena = new FrameArena()
  const tracker = new ConnectionTracker({ clock, random: seeded(1) })
  const nat = {
    direction: 'src' as const,
    addresses: { family: 4 as const, first: 9n, last: 9n },
    ports: { first: 1, last: 2000 },
    persistent: false,
    algorithm: undefined,
  }
  const commit = (source: number) => {
    for (const { frame: one } of tracker.track(arena, arena.allocateFrom(from(source)), { ...TRACK, nat }))
      arena.release(one)
  }
  for (let source = 1; source <= 6000; source++) commit(source)
  const size = tracker.dump().length
  expect(size).toBeGreaterThan(1800)
  expect(size).toBeLessThanOrEqual(2000)
  clock.asked = 0
  for (let source = 10_001; source <= 10_100; source++) commit(source)
  expect(clock.asked).toBeLessThan(100 * 300)
})
