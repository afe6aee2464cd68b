// A change that spans switches, under a busy stream: no frame is lost or leaked by a mixture of old and new. The same change
// told to all switches at once loses some: so the test can tell.

import { afterEach, describe, expect, test, vi } from 'vitest'
import { Fleet } from '../../controller/reconcile/fleet.ts'
import type { LabObserver } from '../../lab/lab.ts'
import { replay } from '../../lab/replay.ts'
import { parseTopology } from '../../topologies/load.ts'
import type { Step } from '../../topologies/scenario.ts'
import type { Topology } from '../../topologies/topology.ts'

const SECONDS = 1e9
const HOSTS = ['h1', 'h2', 'h3']

interface Segments {
  blue: number
  green: number
}

/** Two networks on three hosts with links of different delay; c is where it is said. */
function networks(type: 'vlan' | 'vxlan', { blue, green }: Segments, ofC: 'blue' | 'green' = 'blue'): Topology {
  const nic = (network: string, number: number) => ({
    name: 'eth0',
    network,
    mac: `02:00:00:00:00:0${number}`,
    addresses: [`10.0.0.${number}`],
  })
  const vm = (name: string, host: string, network: string, number: number) => ({
    name,
    host,
    nics: [nic(network, number)],
  })
  return parseTopology(
    JSON.stringify({
      version: 1,
      name: 'rollout',
      hosts: HOSTS.map((name, index) => ({
        name,
        vtep: `192.0.2.${index + 1}`,
        bridges: [{ name: 'br-int' }, { name: 'br-web', peer: 'br-int' }],
      })),
      fabric: {
        switches: [{ name: 'tor' }],
        links: HOSTS.map((host, index) => ({ endpoints: [host, 'tor'], delay: `${1 + 3 * index}ms` })),
      },
      networks: [
        { name: 'blue', type, segment: blue },
        { name: 'green', type, segment: green },
      ],
      vms: [
        vm('a', 'h1', 'blue', 1),
        vm('b', 'h2', 'blue', 2),
        vm('c', 'h3', ofC, 3),
        vm('d', 'h1', 'green', 4),
        vm('e', 'h3', 'green', 5),
      ],
    }),
    'rollout',
  )
}

const stream = (from: string, to: number): Step => ({
  type: 'send',
  from,
  frame: `udp,dl_dst=02:00:00:00:00:0${to},nw_dst=10.0.0.${to},tp_dst=9`,
  count: 300,
  rate: 3000,
})
const flood = (from: string): Step => ({
  type: 'send',
  from,
  frame: 'udp,dl_dst=ff:ff:ff:ff:ff:ff,nw_dst=255.255.255.255,tp_dst=9',
  count: 100,
  rate: 1000,
})

/** By whom each frame was heard, as text: `a -> b: b` */
async function heard(before: Topology, after: Topology): Promise<Set<string>> {
  const steps: Step[] = [...['a', 'b', 'd', 'e', 'c'].map(flood), ...STREAMS.map(([from, to]) => stream(from, to))]
  const frames = new Map<number, { way: string; by: string[] }>()
  const observer: LabObserver = {
    sent: (_at, nic, id, bytes) => frames.set(id, { way: `${nic[0]} -> ${NAMES[bytes[5]!] ?? 'all'}`, by: [] }),
    heard: (_at, nic, id) => frames.get(id)!.by.push(nic[0]!),
  }
  const timeline = [
    ...steps.map((step) => ({ at: 0, step })),
    { at: 0.03 * SECONDS, step: { type: 'apply' as const, topology: after } },
  ]
  await replay({ name: 'rollout', topology: before, folder: '.', seed: 1, timeline, expect: [] }, { observer })
  expect(frames.size).toBeGreaterThan(1500)
  return new Set([...frames.values()].map(({ way, by }) => `${way}: ${by.sort().join(' ')}`))
}

const NAMES: Record<number, string> = { 1: 'a', 2: 'b', 3: 'c', 4: 'd', 5: 'e' }
const STREAMS: [string, number][] = [
  ['a', 2],
  ['b', 1],
  ['a', 3],
  ['d', 5],
  ['e', 4],
  ['e', 3],
]

const BLUE = ['a -> b: b', 'b -> a: a', 'a -> c: c', 'a -> all: b c', 'b -> all: a c', 'c -> all: a b']
const GREEN = ['d -> e: e', 'e -> d: d', 'd -> all: e', 'e -> all: d', 'e -> c: d']
/** What is so in either case, and what else once c is in green. */
const WITH_C_IN_GREEN = [
  'a -> c: b',
  'a -> all: b',
  'b -> all: a',
  'c -> all: d e',
  'd -> all: c e',
  'e -> all: c d',
  'e -> c: c',
]

/** Nobody is owed a frame for an address that its network does not know; a switch of the fabric may take it for known. */
const TO_NOBODY = ['a -> c: ', 'e -> c: ']

const VLANS = { blue: 10, green: 20 }
const CHANGES: [string, Topology, Topology][] = [
  ['another VLAN', networks('vlan', VLANS), networks('vlan', { blue: 30, green: 20 })],
  ['another VNI', networks('vxlan', VLANS), networks('vxlan', { blue: 30, green: 20 })],
  ['two VLANs that are swapped', networks('vlan', VLANS), networks('vlan', { blue: 20, green: 10 })],
  ['two VNIs that are swapped', networks('vxlan', VLANS), networks('vxlan', { blue: 20, green: 10 })],
]

/** The fabric does not know where b is when the first frames for it are sent, and brings them to c's host as well. */
const TO_TUNNELS: [string, Topology, Topology] = [
  'VLANs that are made VXLAN',
  networks('vlan', VLANS),
  networks('vxlan', VLANS),
]

afterEach(() => {
  vi.restoreAllMocks()
})

describe('while streams pass', () => {
  test.each([...CHANGES, TO_TUNNELS])('%s changes nothing for any frame', async (_, before, after) => {
    const all = [...(await heard(before, after))].filter((one) => !TO_NOBODY.includes(one))
    expect(all.sort()).toEqual([...BLUE, ...GREEN].sort())
  })

  test.each(['vlan', 'vxlan'] as const)(
    'each frame sees a vNIC in its old network or in its new one (%s)',
    async (type) => {
      const all = await heard(networks(type, VLANS), networks(type, VLANS, 'green'))
      expect([...all].filter((one) => ![...BLUE, ...GREEN, ...WITH_C_IN_GREEN, ...TO_NOBODY].includes(one))).toEqual([])
      expect([...all]).toEqual(expect.arrayContaining(['c -> all: d e', 'd -> all: c e', 'e -> c: c', 'a -> all: b']))
    },
  )

  test.each(CHANGES)('%s changes something where all switches are told at once', async (_, before, after) => {
    vi.spyOn(Fleet.prototype, 'roll').mockImplementation(function (this: Fleet) {
      return this.push()
    })
    expect([...(await heard(before, after))].sort()).not.toEqual([...BLUE, ...GREEN].sort())
  })
})
