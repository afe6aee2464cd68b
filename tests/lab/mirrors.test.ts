// What the target of a mirror hears is what its source says and hears, byte for byte, wherever both of them are.

import { describe, expect, test } from 'vitest'
import { replay } from '../../lab/replay.ts'
import { MILLISECOND, SECOND } from '../../runtime/clock.ts'
import { seeded, type Random } from '../../runtime/random.ts'
import { parseTopology } from '../../topologies/load.ts'
import type { Mirror, Topology } from '../../topologies/topology.ts'
import type { Step, TimelineEntry } from '../../topologies/scenario.ts'
import { seeds } from '../support/seeds.ts'

const HOSTS = ['h1', 'h2', 'h3'] as const
const GUESTS = ['a', 'b', 'c', 'd'] as const
const pick = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)]!

/** `a`, `b` and `c` are on blue, `c` and `d` on green: `c` by a tag. `ids` looks on. */
function network(random: Random, type: 'vlan' | 'vxlan', mirrors: object[]): Topology {
  const nic = (net: string, address: string, more = {}) => ({
    name: 'eth0',
    network: net,
    addresses: [address],
    ...more,
  })
  const vm = (name: string, ...nics: object[]) => ({ name, host: pick(random, HOSTS), nics })
  return parseTopology(
    JSON.stringify({
      version: 1,
      hosts: HOSTS.map((name, index) => ({ name, vtep: `192.0.2.${index + 1}` })),
      networks: [
        { name: 'blue', type, segment: 10 },
        { name: 'green', type, segment: 20 },
      ],
      vms: [
        vm('a', nic('blue', '10.0.10.1')),
        vm('b', nic('blue', '10.0.10.2')),
        vm('c', nic('blue', '10.0.10.3', { trunks: [{ tag: 77, network: 'green', addresses: ['10.0.20.3'] }] })),
        vm('d', nic('green', '10.0.20.4')),
        vm('ids', { name: 'tap' }),
      ],
      mirrors,
    }),
    'mirrors.json',
  )
}

const mirror = (source: object, direction: Mirror['direction']) => ({
  name: 'tap',
  source,
  direction,
  target: { port: 'ids', segment: 9000 },
})

const udp = (from: string, to: string, more: Partial<Extract<Step, { type: 'send' }>> = {}): Step => ({
  type: 'send',
  from,
  frame: `udp,nw_dst=${to},tp_src=${1000 + Number(to.at(-1))},tp_dst=53`,
  count: 30,
  rate: 2000,
  ...more,
})

/** All speak with all that they can reach, and ask for who is not there; two move meanwhile. */
function timeline(random: Random): TimelineEntry[] {
  const steps: [number, Step][] = [
    [0, { type: 'ping', from: 'b', to: 'a', count: 2, interval: MILLISECOND }],
    [100, { type: 'send', from: 'a', frame: 'arp,arp_tpa=10.0.10.99', count: 3, rate: 1000 }],
    [
      110,
      {
        type: 'send',
        from: 'c',
        frame: 'dl_vlan=77,udp,nw_src=10.0.20.3,nw_dst=10.0.20.4,tp_src=7,tp_dst=7',
        count: 5,
        rate: 1000,
      },
    ],
    [150, udp('a', '10.0.10.2')],
    [150, udp('b', '10.0.10.1')],
    [150, udp('c', '10.0.10.1')],
    [150, udp('d', '10.0.20.3')],
    [152, { type: 'migrate', vm: pick(random, GUESTS), to: pick(random, HOSTS), pause: 5 * MILLISECOND }],
    [153, { type: 'migrate', vm: 'ids', to: pick(random, HOSTS), pause: 5 * MILLISECOND }],
  ]
  return steps.map(([at, step]) => ({ at: at * MILLISECOND + SECOND, step }))
}

interface Copy {
  file: string
  vnic: string
  host: string
  way: string
  bytes: string
}

interface Overheard {
  captured: Copy[]
  said: Map<string, string[]>
  heard: Map<string, string[]>
}

async function run(topology: Topology, steps: TimelineEntry[], expectMirrored = true) {
  const overheard: Overheard = { captured: [], said: new Map(), heard: new Map() }
  const note = (notes: Map<string, string[]>, nic: string, bytes: Uint8Array) =>
    notes.set(nic, [...(notes.get(nic) ?? []), Buffer.from(bytes).toString('hex')])
  const { verdict } = await replay(
    {
      name: 'mirrors',
      topology,
      folder: '.',
      seed: 1,
      timeline: steps,
      expect: expectMirrored ? [{ type: 'mirrored', mirror: 'tap' }] : [],
    },
    {
      observer: {
        sent: (_at, nic, _id, bytes) => note(overheard.said, nic, bytes),
        heard: (_at, nic, _id, bytes) => note(overheard.heard, nic, bytes),
        captured: (_at, file, source, bytes) =>
          overheard.captured.push({ file, ...source, bytes: Buffer.from(bytes).toString('hex') }),
      },
    },
  )
  return { verdict, ...overheard }
}

/** Where a VM is moved, the network announces it (RARP) and its old port may still be sent that. */
const isAnnouncement = (bytes: string) => bytes.slice(24, 28) === '8035'
const ofGuests = (frames: readonly string[] = []) => frames.filter((bytes) => !isAnnouncement(bytes)).sort()

const SEEDS = seeds(2)
const DIRECTIONS = ['from-lport', 'to-lport', 'both'] as const

describe.each(['vlan', 'vxlan'] as const)('on a %s network', (type) => {
  test.each(DIRECTIONS.flatMap((direction) => SEEDS.map((seed) => [direction, seed] as const)))(
    'a vNIC is copied %s, also while source and target move (seed %i)',
    async (direction, seed) => {
      const random = seeded(seed * 100 + DIRECTIONS.indexOf(direction))
      const source = pick(random, GUESTS)
      const topology = network(random, type, [mirror({ port: source }, direction)])
      const { verdict, said, heard } = await run(topology, timeline(random))
      expect(verdict).toMatchObject({ verdict: 'pass', leaks: [], losses: [] })
      const nic = `${source}:eth0`
      const both = [
        ...(direction === 'to-lport' ? [] : (said.get(nic) ?? [])),
        ...(direction === 'from-lport' ? [] : (heard.get(nic) ?? [])),
      ]
      expect(both.length).toBeGreaterThan(4)
      expect(ofGuests(heard.get('ids:tap'))).toEqual(ofGuests(both))
    },
  )

  test.each(SEEDS)('a network is copied as its vNICs say it, on it and on no other (seed %i)', async (seed) => {
    const random = seeded(seed)
    const topology = network(random, type, [mirror({ network: 'green' }, 'from-lport')])
    const { verdict, said, heard } = await run(topology, timeline(random))
    expect(verdict).toMatchObject({ verdict: 'pass', leaks: [] })
    const onGreen = (nic: string, bytes: string) => nic === 'd:eth0' || bytes.slice(24, 32) === '8100004d'
    const all = [...said].flatMap(([nic, frames]) => frames.filter((bytes) => onGreen(nic, bytes)))
    expect(all.length).toBeGreaterThan(30)
    expect(ofGuests(heard.get('ids:tap'))).toEqual(ofGuests(all))
  })
})

describe.each(['vlan', 'vxlan'] as const)('into a file, on a %s network', (type) => {
  const intoFile = (source: object, direction: Mirror['direction']) => ({
    name: 'tap',
    source,
    direction,
    target: { file: 'tap.pcapng' },
  })

  test.each(SEEDS)('goes what a vNIC says and hears, each as such, also while it moves (seed %i)', async (seed) => {
    const random = seeded(seed)
    const source = pick(random, GUESTS)
    const topology = network(random, type, [intoFile({ port: source }, 'both')])
    const home = topology.vms.find(({ name }) => name === source)!.host
    const away = HOSTS.find((name) => name !== home)!
    const moved: TimelineEntry = {
      at: SECOND + 158 * MILLISECOND,
      step: { type: 'migrate', vm: source, to: away, pause: 0 },
    }
    const still = timeline(random).filter(({ step }) => step.type !== 'migrate')
    const { verdict, said, heard, captured } = await run(topology, [...still, moved])
    expect(verdict).toMatchObject({ verdict: 'pass', leaks: [], losses: [] })
    const nic = `${source}:eth0`
    const copies = (way: string) => captured.filter((copy) => copy.way === way).map(({ bytes }) => bytes)
    expect(ofGuests(copies('said'))).toEqual(ofGuests(said.get(nic)))
    expect(ofGuests(copies('heard'))).toEqual(ofGuests(heard.get(nic)))
    expect(new Set(captured.map((copy) => `${copy.file} ${copy.vnic}`))).toEqual(new Set([`tap.pcapng ${nic}`]))
    expect(new Set(captured.map(({ host }) => host))).toEqual(new Set([home, away]))
    expect(verdict.mirrors).toMatchObject([{ target: 'tap.pcapng', missing: 0, doubled: 0 }])
  })

  test('goes what a network says, from hosts without tunnels and other bridges too', async () => {
    const topology = network(seeded(3), type, [intoFile({ network: 'blue' }, 'from-lport')])
    const { verdict, captured } = await run(topology, timeline(seeded(3)))
    expect(verdict).toMatchObject({ verdict: 'pass', leaks: [] })
    expect(new Set(captured.map(({ vnic }) => vnic))).toEqual(new Set(['a:eth0', 'b:eth0', 'c:eth0']))
  })
})

const still = () => seeded(7)

test('what many mirrors ask for is copied to one target once', async () => {
  const twice = [
    mirror({ port: 'a' }, 'both'),
    { ...mirror({ port: 'a' }, 'from-lport'), name: 'again' },
    { ...mirror({ network: 'blue' }, 'from-lport'), name: 'blue' },
  ]
  const { verdict } = await run(network(still(), 'vlan', twice), [{ at: SECOND, step: udp('a', '10.0.10.2') }])
  expect(verdict.mirrors).toEqual([{ target: 'ids:tap', copies: 30, missing: 0, doubled: 0 }])
})

describe('the judge', () => {
  const flow = (text: string): TimelineEntry => ({
    at: 0,
    step: { type: 'flow', switch: '', command: 'add', flow: text },
  })
  /** With a flow on the host of `a`. */
  const withFlow = async (text: string) => {
    const topology = network(still(), 'vlan', [mirror({ port: 'a' }, 'from-lport')])
    const ids = topology.vms.find(({ name }) => name === 'ids')!
    const host = topology.vms[0]!.host
    ids.host = host
    topology.vms[1]!.host = HOSTS.find((name) => name !== host)!
    const added = flow(text)
    if (added.step.type === 'flow') added.step.switch = `${host}/br-int`
    return run(topology, [
      added,
      { at: SECOND, step: udp('a', '10.0.10.2') },
      { at: SECOND, step: udp('b', '10.0.10.1') },
    ])
  }

  test('finds what a target hears of nobody that its mirror copies', async () => {
    const { verdict } = await withFlow(
      'table=0,priority=9,dl_vlan=10,actions=clone(pop_vlan,output:"ids:tap"),goto_table:10',
    )
    expect(verdict.frames).toMatchObject({ leaked: 30, lost: 0 })
    expect(verdict.leaks[0]).toMatchObject({ from: 'b:eth0', to: 'ids:tap' })
  })

  test('misses copies of what a flow takes past the mirror', async () => {
    const { verdict } = await withFlow('table=0,priority=9,in_port="a:eth0",actions=drop')
    expect(verdict.expectations[0]).toMatchObject({ held: false, why: '30 copies did not arrive at ids:tap' })
    expect(verdict.mirrors[0]).toMatchObject({ copies: 0 })
  })
})

test('what is beyond the rate of a guest is not copied, as Open vSwitch polices before it mirrors', async () => {
  const topology = network(still(), 'vlan', [mirror({ port: 'a' }, 'from-lport')])
  topology.vms[0]!.nics[0]!.policy.ingressRate = 1e5
  const { verdict, heard } = await run(topology, [
    { at: SECOND, step: udp('a', '10.0.10.2', { count: 300 }) },
    {
      at: SECOND,
      step: { type: 'send', from: 'a', frame: 'udp,nw_src=10.0.10.9,nw_dst=10.0.10.2', count: 1, rate: 1 },
    },
  ])
  expect(verdict).toMatchObject({ verdict: 'pass', leaks: [], losses: [] })
  const copies = heard.get('ids:tap')!
  expect(heard.get('b:eth0')!.length).toBeLessThan(300)
  // One is denied, and no less said.
  expect(copies.length).toBe(heard.get('b:eth0')!.length + 1)
  expect(verdict.mirrors).toEqual([{ target: 'ids:tap', copies: copies.length, missing: 0, doubled: 0 }])
})

test('copied is what a guest says, allowed or not, and of what is for it what it is let hear', async () => {
  const topology = network(still(), 'vlan', [mirror({ port: 'b' }, 'both')])
  topology.vms[1]!.nics[0]!.policy.securityGroups = []
  const { verdict, heard } = await run(topology, [
    { at: SECOND, step: udp('a', '10.0.10.2') },
    { at: SECOND, step: udp('b', '10.0.10.1') },
  ])
  expect(verdict.frames).toMatchObject({ injected: 60, delivered: 0, lost: 0, leaked: 0 })
  expect(verdict.mirrors).toEqual([{ target: 'ids:tap', copies: 30, missing: 0, doubled: 0 }])
  expect(new Set(heard.get('ids:tap')).size).toBe(1)
})

test('mirrors that are taken away copy no more', async () => {
  const topology = network(still(), 'vxlan', [mirror({ port: 'a' }, 'both')])
  const without = { ...topology, mirrors: [{ ...topology.mirrors![0]!, direction: 'from-lport' as const }] }
  const { verdict } = await run(topology, [
    { at: SECOND, step: udp('b', '10.0.10.1') },
    { at: 2 * SECOND, step: { type: 'apply', topology: without } },
    { at: 3 * SECOND, step: udp('b', '10.0.10.1') },
    { at: 4 * SECOND, step: udp('a', '10.0.10.2') },
  ])
  expect(verdict).toMatchObject({ verdict: 'pass', mirrors: [{ copies: 60, missing: 0, doubled: 0 }] })
})
