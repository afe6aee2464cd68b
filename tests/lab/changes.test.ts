// Topologies that are edited under traffic: while a change is being carried out the judge allows what was and what is to be, and asks for what
// both ask for. So it finds nothing where the product is right, and does where a change comes too early, too late, or not as a whole.

import { afterEach, describe, expect, test, vi } from 'vitest'
import { Fleet } from '../../controller/reconcile/fleet.ts'
import { Lab } from '../../lab/lab.ts'
import type { Witness } from '../../lab/judge/witnesses.ts'
import { MILLISECOND, sleep } from '../../runtime/clock.ts'
import { seeded, type Random } from '../../runtime/random.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { parseTopology } from '../../topologies/load.ts'
import type { Topology } from '../../topologies/topology.ts'
import { parseIpv4, parseMac } from '../../protocols/address.ts'
import { udpFrame } from '../../protocols/packet/compose.ts'
import { oneOf } from '../support/frames.ts'
import { seeds } from '../support/seeds.ts'

const HOSTS = ['h1', 'h2', 'h3']
const NETWORKS = ['blue', 'green']
const GUESTS = ['a', 'b', 'c', 'd', 'e', 'f']
const TARGETS = ['ids1', 'ids2']

interface Guest {
  name: string
  host: string
  network: string
  policy: object
}

interface Plan {
  type: 'vlan' | 'vxlan'
  segments: Record<string, number>
  guests: Guest[]
  mirrors: { name: string; source: object; direction: string; target: object }[]
}

const addressOf = (name: string) => `10.0.0.${1 + GUESTS.indexOf(name)}`
const macOf = (name: string) => `02:00:00:00:00:0${1 + GUESTS.indexOf(name)}`
const BOTH_WAYS = ['ingress', 'egress'].map((direction) => ({ direction }))

function topologyOf({ type, segments, guests, mirrors }: Plan): Topology {
  const nic = ({ name, network, policy }: Guest) => ({
    name: 'eth0',
    network,
    mac: macOf(name),
    addresses: [addressOf(name)],
    policy,
  })
  return parseTopology(
    JSON.stringify({
      version: 1,
      name: 'changes',
      hosts: HOSTS.map((name, index) => ({ name, vtep: `192.0.2.${index + 1}` })),
      fabric: {
        switches: [{ name: 'tor' }],
        links: HOSTS.map((host, index) => ({ endpoints: [host, 'tor'], delay: `${20 + 300 * index}us` })),
      },
      networks: NETWORKS.map((name) => ({ name, type, segment: segments[name] })),
      securityGroups: [
        { name: 'open', rules: BOTH_WAYS },
        { name: 'shut', rules: BOTH_WAYS.slice(1) },
      ],
      vms: [
        ...guests.map((guest) => ({ name: guest.name, host: guest.host, nics: [nic(guest)] })),
        ...TARGETS.map((name, index) => ({ name, host: HOSTS[index], nics: [{ name: 'tap' }] })),
      ],
      mirrors,
    }),
    'changes.json',
  )
}

const randomPolicy = (random: Random) =>
  oneOf(random, [{}, {}, {}, { dscp: 10 }, { securityGroups: ['open'] }, { securityGroups: ['shut'] }])

const randomGuest = (random: Random, name: string): Guest => ({
  name,
  host: oneOf(random, HOSTS),
  network: oneOf(random, NETWORKS),
  policy: randomPolicy(random),
})

const targetOf = (index: number) => ({ port: TARGETS[index], segment: 9000 + index })

const randomMirror = (random: Random, index: number, guests: readonly Guest[]) => ({
  name: `tap${index}`,
  source: oneOf(random, [
    { port: oneOf(random, guests).name },
    { port: oneOf(random, guests).name },
    { network: oneOf(random, NETWORKS) },
  ]),
  direction: oneOf(random, ['both', 'from-lport', 'to-lport']),
  target: targetOf(random.below(TARGETS.length)),
})

function randomPlan(random: Random): Plan {
  const guests = GUESTS.filter(() => random.below(6) > 0).map((name) => randomGuest(random, name))
  if (guests.length < 3) return randomPlan(random)
  return {
    type: oneOf(random, ['vlan', 'vxlan']),
    segments: { blue: 10, green: 20 },
    guests,
    mirrors: [0, 1].filter(() => random.below(3) > 0).map((index) => randomMirror(random, index, guests)),
  }
}

/** One thing or a few that somebody changes at once. */
function edited(random: Random, plan: Plan): Plan {
  let { segments, guests, mirrors } = plan
  const edits: (() => void)[] = [
    () => (segments = { blue: segments['green']!, green: segments['blue']! }),
    () => (segments = { ...segments, blue: 30 + random.below(9) }),
    () => {
      const one = oneOf(random, guests)
      guests = guests.map((guest) => (guest === one ? { ...guest, network: oneOf(random, NETWORKS) } : guest))
    },
    () => {
      const one = oneOf(random, guests)
      guests = guests.map((guest) => (guest === one ? { ...guest, policy: randomPolicy(random) } : guest))
    },
    () => {
      const missing = GUESTS.filter((name) => !guests.some((guest) => guest.name === name))
      if (missing.length > 0) guests = [...guests, randomGuest(random, oneOf(random, missing))]
    },
    () => {
      const one = oneOf(random, guests)
      const isCopied = mirrors.some(({ source }) => 'port' in source && source.port === one.name)
      if (guests.length > 3 && !isCopied) guests = guests.filter((guest) => guest !== one)
    },
    () => (mirrors = mirrors.slice(1)),
    () => (mirrors = [randomMirror(random, 0, guests), ...mirrors.slice(1)]),
    () => (mirrors = mirrors.map((one) => ({ ...one, direction: oneOf(random, ['both', 'from-lport', 'to-lport']) }))),
  ]
  for (let count = 1 + random.below(3); count > 0; count--) oneOf(random, edits)()
  return { ...plan, segments, guests, mirrors }
}

/** How a change is carried out: as the product does it, or wrongly. */
type Way = (lab: Lab, before: Topology, after: Topology) => Promise<void>

const AT = 20 * MILLISECOND
const END = 60 * MILLISECOND

/** All guests of either time speak with all, known to them or not, and to everybody. */
async function run(seed: number, way: Way) {
  const random = seeded(seed)
  const plan = randomPlan(random)
  const [before, after] = [topologyOf(plan), topologyOf(edited(random, plan))]
  const clock = new VirtualClock()
  const lab = await Lab.start(before, { clock, seed })
  const begun = clock.now()
  const isThere = (nic: string) => lab.controller.topology.vms.some(({ nics }) => nics.some(({ id }) => id === nic))
  for (let at = 0; at < END; at += (1 + random.below(2)) * 50_000) {
    const [from, to] = [oneOf(random, GUESTS), oneOf(random, [...GUESTS, undefined])]
    const frame = udpFrame({
      ethSrc: parseMac(macOf(from)),
      ethDst: to === undefined ? 0xffffffffffffn : parseMac(macOf(to)),
      ipSrc: parseIpv4(addressOf(from)),
      ipDst: to === undefined ? 0xffffffff : parseIpv4(addressOf(to)),
      srcPort: 1000,
      dstPort: 9,
    })
    clock.schedule(begun + at, () => {
      if (isThere(`${from}:eth0`) && lab.network.hostOf(from) !== undefined) lab.inject(`${from}:eth0`, frame, 'test')
    })
  }
  const carriedOut = sleep(clock, AT).then(() => way(lab, before, after))
  await clock.runUntil(carriedOut)
  await clock.run(begun + END + 20 * MILLISECOND)
  lab.judge.finish(new Set(lab.network.heldFrames()))
  const { leaked, lost, duplicated, reordered, unmarked, delivered } = lab.judge.frames
  const mirrors = lab.judge.onlookers.tallies()
  const [missing, doubled] = (['missing', 'doubled'] as const).map((key) =>
    mirrors.reduce((sum, tally) => sum + tally[key], 0),
  ) as [number, number]
  return { lab, delivered, found: { leaked, lost, duplicated, reordered, unmarked, missing, doubled } }
}

const inShort = ({ bytes: _bytes, ...rest }: Witness) => rest

type Found = Record<keyof typeof NOTHING, number>

const NOTHING = { leaked: 0, lost: 0, duplicated: 0, reordered: 0, unmarked: 0, missing: 0, doubled: 0 }
const SEEDS = seeds(3)

describe('an edit under traffic', () => {
  test.each(SEEDS)('breaks no law (seed %i)', async (seed) => {
    const { lab, delivered, found } = await run(seed, (it, _before, after) => it.apply(after))
    expect({ ...found, leaks: lab.judge.leaks.map(inShort), losses: lab.judge.losses.map(inShort) }).toEqual({
      ...NOTHING,
      leaks: [],
      losses: [],
    })
    expect(delivered).toBeGreaterThan(20)
  })
})

afterEach(() => {
  vi.restoreAllMocks()
})

describe('the judge tells of a change', () => {
  /** Seeds of edits that matter to traffic, one way or another. */
  const telling = async (way: Way, chosen: readonly number[]): Promise<Found[]> => {
    const all: Found[] = []
    for (const seed of chosen) all.push((await run(seed, way)).found)
    return all
  }

  /** The controller makes `topology` of what it is asked for. */
  const instead =
    (topology: (before: Topology, after: Topology) => Topology): Way =>
    async (lab, before, after) => {
      const { controller } = lab
      const apply = controller.apply.bind(controller)
      vi.spyOn(controller, 'apply').mockImplementation((asked) =>
        apply(async (running, turn) => {
          if (typeof asked === 'function') await asked(running, turn)
          return topology(before, after)
        }),
      )
      await lab.apply(after)
    }

  test('that comes too early', async () => {
    const early: Way = async (lab, _before, after) => {
      await lab.controller.apply(after)
      await sleep(lab.clock, 10 * MILLISECOND)
      await lab.apply(after)
    }
    const found = await telling(early, [1, 2, 3, 9])
    expect(found.filter(({ lost, leaked }) => lost + leaked > 0).length).toBeGreaterThan(1)
  })

  test('that comes too late', async () => {
    const found = await telling(
      instead((before) => before),
      [1, 2, 3, 4, 9],
    )
    expect(found.filter(({ lost, leaked, unmarked }) => lost + leaked + unmarked > 0).length).toBeGreaterThan(1)
  })

  test('that leaves a tap behind', async () => {
    const found = await telling(
      instead(({ mirrors }, after) => ({ ...after, ...(mirrors && { mirrors }) })),
      [1, 2, 3, 4, 5, 6],
    )
    expect(found.filter(({ leaked, doubled, missing }) => leaked + doubled + missing > 0).length).toBeGreaterThan(0)
  })

  test('that is told to all switches at once', async () => {
    vi.spyOn(Fleet.prototype, 'roll').mockImplementation(function (this: Fleet) {
      return this.push()
    })
    const found = await telling((lab, _before, after) => lab.apply(after), [9, 27])
    expect(found.filter(({ lost, leaked }) => lost + leaked > 0).length).toBeGreaterThan(0)
  })
})
