// What waits in a shaped port goes along when its VM moves: none of it is lost, doubled or overtaken, and it comes no sooner.

import { expect, test } from 'vitest'
import { Lab } from '../../../lab/lab.ts'
import { udpFrame } from '../../../protocols/packet/compose.ts'
import { MILLISECOND, SECOND, sleep } from '../../../runtime/clock.ts'
import { seeded } from '../../../runtime/random.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import { parseTopology } from '../../../topologies/load.ts'
import { IP_1, IP_2, MAC_1, MAC_2, oneOf } from '../../support/frames.ts'
import { seeds } from '../../support/seeds.ts'

const RATE = 1_000_000
const BURST = 20_000
const LENGTH = 200
const COUNT = 300

const vm = (name: string, host: string, serial: number, policy: object) => ({
  name,
  host,
  nics: [{ name: 'eth0', network: 'blue', mac: `02:00:00:00:00:0${serial}`, addresses: [`10.0.0.${serial}`], policy }],
})

const topologyWith = (policy: object, qos: object) =>
  parseTopology(
    JSON.stringify({
      version: 1,
      name: 'shaped',
      hosts: ['h1', 'h2', 'h3'].map((name) => ({ name })),
      networks: [{ name: 'blue', type: 'vlan', segment: 10, qos }],
      vms: [vm('mover', 'h1', 1, policy), vm('other', 'h2', 2, {})],
    }),
    'shaped',
  )

const LIMIT = { egressRate: '1Mbps', egressBurst: '20kb' }

/** A network's limit is one of each host's own, which has its own burst. */
test.each<[string, object, object, number]>([
  ['its own rate', LIMIT, {}, 1],
  ["its network's", {}, LIMIT, 2],
])('over %s', async (_name, policy, qos, bursts) => {
  const clock = new VirtualClock()
  const heard: { at: number; mark: number }[] = []
  const observer = {
    heard(at: number, nic: string, _id: number, bytes: Uint8Array) {
      if (nic === 'mover:eth0') heard.push({ at, mark: (bytes[42]! << 8) | bytes[43]! })
    },
  }
  const lab = await Lab.start(topologyWith(policy, qos), { clock, seed: 1, observer })
  const start = clock.now()
  for (let mark = 0; mark < COUNT; mark++) {
    const payload = new Uint8Array(LENGTH - 42)
    payload.set([mark >> 8, mark & 0xff])
    const frame = udpFrame({
      ethSrc: MAC_2,
      ethDst: MAC_1,
      ipSrc: IP_2,
      ipDst: IP_1,
      srcPort: 9,
      dstPort: 9,
      payload,
    })
    clock.schedule(start + (mark * MILLISECOND) / 2, () => lab.inject('other:eth0', frame, 'test'))
  }
  await clock.run(start + 100 * MILLISECOND)
  await clock.runUntil(lab.migrate('mover', 'h3', 5 * MILLISECOND))
  await clock.run(start + 2 * SECOND)
  expect(heard.map(({ mark }) => mark)).toEqual(Array.from({ length: COUNT }, (_, mark) => mark))
  const span = heard.at(-1)!.at - heard[0]!.at
  expect(COUNT * LENGTH * 8).toBeLessThanOrEqual((RATE * span) / SECOND + bursts * (BURST + LENGTH * 8))
})

/** How often it is looked at how much has left. */
const LOOK = 50_000

/** What ports of the mover let out, wherever they were, from one look to the next. */
function watch(lab: Lab, until: number): { at: number; bits: number }[] {
  const seen: { at: number; bits: number }[] = []
  const before = new Map<string, { madeAt: number; bytes: number }>()
  for (let at = lab.clock.now(); at < until; at += LOOK)
    lab.clock.schedule(at, () => {
      let bits = 0
      for (const [name, { switch: device }] of lab.network.switches()) {
        const port = device.ports.byName('mover:eth0')
        if (port === undefined) continue
        const known = before.get(name)
        const bytes = port.counters.sentBytes
        bits += 8 * (bytes - (known?.madeAt === port.madeAt ? known.bytes : 0))
        before.set(name, { madeAt: port.madeAt, bytes })
      }
      if (bits > 0) seen.push({ at, bits })
    })
  return seen
}

/** By how many bits some interval saw more than rate and burst allow. */
function excess(seen: { at: number; bits: number }[], rate: number, burst: number): number {
  let [level, last, most] = [burst, 0, 0]
  for (const { at, bits } of seen) {
    level = Math.min(burst, level + ((at - last) * rate) / SECOND) - bits
    last = at
    most = Math.max(most, -level)
  }
  return most
}

test.each(seeds(2))('no interval sees more than rate and burst allow, whatever moves (seed %i)', async (seed) => {
  const random = seeded(seed)
  const clock = new VirtualClock()
  const rate = oneOf(random, [2_000_000, 5_000_000, 10_000_000])
  const burst = 40_000 + random.below(60_000)
  const policy = { egressRate: `${rate / 1e6}Mbps`, egressBurst: `${burst / 1e3}kb` }
  const lab = await Lab.start(topologyWith(policy, {}), { clock, seed: 1 })
  const until = clock.now() + 60 * MILLISECOND
  const seen = watch(lab, until)
  const ends = { ethSrc: MAC_2, ethDst: MAC_1, ipSrc: IP_2, ipDst: IP_1, srcPort: 9, dstPort: 9 }
  const frame = udpFrame({ ...ends, payload: new Uint8Array(LENGTH - 42) })
  for (let at = clock.now(); at < until; at += random.below(8) * MILLISECOND)
    for (let count = random.below(100); count >= 0; count--)
      clock.schedule(at, () => lab.inject('other:eth0', frame, 'test'))
  const move = async (to: string) => {
    await sleep(clock, random.below(4 * MILLISECOND))
    const { id } = lab.controller.migrate({ vm: 'mover', to, pause: random.below(4 * MILLISECOND) })
    if (random.below(3) === 0) {
      await sleep(clock, random.below(6 * MILLISECOND))
      await lab.controller.abortMigration(id)
    }
    await lab.controller.migrationDone(id)
  }
  const moves = async () => {
    for (const to of ['h3', 'h1', 'h2', 'h3']) await move(to)
  }
  await clock.runUntil(moves())
  await clock.run(until)
  expect(seen.reduce((sum, { bits }) => sum + bits, 0)).toBeGreaterThan(burst)
  expect(excess(seen, rate, burst)).toBeLessThanOrEqual(LENGTH * 8 + (rate * LOOK) / SECOND)
})
