// IGMP and MLD snooping by the frames that guests hear, beside a table of members that is kept in the plainest way.

import { describe, expect, test } from 'vitest'
import { buildView } from '../../controller/network/build-view.ts'
import { compile } from '../../controller/reconcile/compile.ts'
import { EMPTY_IMAGE } from '../../controller/state/image.ts'
import { UPLINK_PORT } from '../../controller/network/view.ts'
import { cookieOf, Register, Table } from '../../controller/tables.ts'
import { Lab } from '../../lab/lab.ts'
import { parseIpv4, parseIpv6 } from '../../protocols/address.ts'
import type { MessageOf } from '../../protocols/control/messages.ts'
import type { IgmpMessage } from '../../protocols/packet/igmp.ts'
import type { MldMessage } from '../../protocols/packet/mld.ts'
import { MILLISECOND, SECOND } from '../../runtime/clock.ts'
import { type Random, seeded } from '../../runtime/random.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { parseTopology } from '../../topologies/load.ts'
import { oneOf } from '../support/frames.ts'
import type { Name } from '../support/listening-guests.ts'
import { addressesOf, dataFrom, igmpFrom, macText, mldFrom, NAMES } from '../support/listening-guests.ts'
import { seeds } from '../support/seeds.ts'

const TYPES = ['vlan', 'vxlan', 'flat'] as const
/** `a` to `f` on three hosts, on the integration bridge or behind another; `f` behind the tag of a trunk. */
const topology = (type: (typeof TYPES)[number], igmpSnooping: unknown) =>
  parseTopology(
    JSON.stringify({
      version: 1,
      name: 'multicast',
      hosts: [1, 2, 3].map((number) => ({
        name: `h${number}`,
        vtep: `192.0.2.${number}`,
        bridges: [{ name: 'br-int' }, { name: 'br-web', peer: 'br-int' }],
      })),
      networks: [
        { name: 'blue', type, ...(type === 'flat' ? {} : { segment: 10 }), igmpSnooping },
        { name: 'other', type: 'vlan', segment: 20 },
      ],
      vms: NAMES.map((name, index) => ({
        name,
        host: `h${1 + (index % 3)}`,
        nics: [name === 'f' ? trunk(name) : access(name, index < 3 ? 'br-int' : 'br-web')],
      })),
    }),
    'multicast.json',
  )

const access = (name: Name, bridge: string) => ({
  name: 'eth0',
  network: 'blue',
  bridge,
  mac: macText(name),
  addresses: addressesOf(name),
})
const trunk = (name: Name) => ({
  name: 'eth0',
  network: 'other',
  mac: macText(name),
  vlanMode: 'native-untagged',
  trunks: [{ tag: 7, network: 'blue', addresses: addressesOf(name) }],
})

const TAG = Uint8Array.of(0x81, 0x00, 0x00, 0x07)
const tagged = (frame: Uint8Array) => Buffer.concat([frame.subarray(0, 12), TAG, frame.subarray(12)])

async function running(type: (typeof TYPES)[number], igmpSnooping: unknown = true) {
  const clock = new VirtualClock()
  const heard: string[] = []
  const lab = await Lab.start(topology(type, igmpSnooping), {
    clock,
    seed: 1,
    observer: { heard: (_at, nic) => heard.push(nic.split(':')[0]!) },
  })
  /** Who hears it. */
  const send = async (from: Name, frame: Uint8Array) => {
    heard.length = 0
    lab.inject(`${from}:eth0`, from === 'f' ? tagged(frame) : frame, 'test')
    await clock.run(clock.now() + 5 * MILLISECOND)
    return [...heard].sort()
  }
  const igmp = (from: Name, message: IgmpMessage) => send(from, igmpFrom(from, message))
  const mld = (from: Name, message: MldMessage) => send(from, mldFrom(from, message))
  return { lab, clock, send, igmp, mld, data: (from: Name, group: string) => send(from, dataFrom(from, group)) }
}

const G = '239.1.1.1'
const join = (group: string): IgmpMessage => ({ type: 'report', version: 2, group: parseIpv4(group) })
const leave = (group: string): IgmpMessage => ({ type: 'leave', group: parseIpv4(group) })
const QUERY: IgmpMessage = { type: 'query', group: 0, maxResponseCode: 100 }
const all = (but: Name) => NAMES.filter((name) => name !== but)

describe.each(TYPES)('in a %s network', (type) => {
  test('what is for a group reaches its members, and routers', async () => {
    const { igmp, data } = await running(type)
    expect(await data('a', G)).toEqual(all('a'))
    expect(await igmp('b', join(G))).toEqual([])
    expect(await data('a', G)).toEqual(['b'])
    expect(await igmp('f', join(G))).toEqual([])
    for (const _ of ['nobody is known as a router', 'it is']) expect(await igmp('d', QUERY)).toEqual(all('d'))
    expect(await data('a', G)).toEqual(['b', 'd', 'f'])
    expect(await igmp('e', join(G))).toEqual(['d'])
    expect(await data('f', G)).toEqual(['b', 'd', 'e'])
    expect(await igmp('b', leave(G))).toEqual(['d'])
    expect(await data('a', G)).toEqual(['d', 'e', 'f'])
    expect(await data('a', '239.1.1.2')).toEqual(all('a'))
    for (const router of ['f', 'd', 'a', 'f'] as const) expect(await igmp(router, QUERY)).toEqual(all(router))
  })

  test('a membership moves with its VM', async () => {
    const { lab, clock, igmp, data } = await running(type)
    await igmp('b', join(G))
    await igmp('c', join(G))
    const { id } = lab.controller.migrate({ vm: 'b', to: 'h1' })
    await clock.runUntil(lab.controller.migrationDone(id))
    expect(await data('a', G)).toEqual(['b', 'c'])
    expect(await data('d', G)).toEqual(['b', 'c'])
    expect(await igmp('b', leave(G))).toEqual([])
    expect(await data('a', G)).toEqual(['c'])
  })
})

test('who does not report for the ageing time is forgotten, and so are routers', async () => {
  const { clock, igmp, data } = await running('vlan', { agingTime: '100s', floodUnregistered: false })
  await igmp('b', join(G))
  await igmp('c', QUERY)
  await clock.run(clock.now() + 60 * SECOND)
  await igmp('d', join(G))
  await clock.run(clock.now() + 60 * SECOND)
  expect(await data('a', G)).toEqual(['c', 'd'])
  await clock.run(clock.now() + 60 * SECOND)
  expect(await data('a', G)).toEqual(['c'])
  await clock.run(clock.now() + 100 * SECOND)
  expect(await data('a', G)).toEqual([])
})

test('who comes by the name of a VM that was removed begins anew', async () => {
  const { lab, clock, igmp, data } = await running('vxlan', { floodUnregistered: false })
  await igmp('b', join(G))
  await igmp('c', join(G))
  const whole = topology('vxlan', { floodUnregistered: false })
  await clock.runUntil(lab.apply({ ...whole, vms: whole.vms.filter(({ name }) => name !== 'b') }))
  await clock.runUntil(lab.apply(whole))
  await clock.run(clock.now() + 2 * SECOND)
  expect(await data('a', G)).toEqual(['c'])
  await igmp('b', join(G))
  expect(await data('a', G)).toEqual(['b', 'c'])
  lab.judge.finish(new Set())
  expect([lab.judge.leaks, lab.judge.losses]).toEqual([[], []])
})

test('who is beyond an uplink takes nothing of what another network may tell', () => {
  const network = (name: string, segment: number) => ({ name, type: 'vlan', segment, igmpSnooping: true })
  const nic = (name: string) => ({ name: `${name}0`, network: name })
  const written = {
    version: 1,
    hosts: [{ name: 'h1' }],
    networks: [network('blue', 10), network('green', 20)],
    vms: [{ name: 'a', host: 'h1', nics: [nic('blue'), nic('green')] }],
  }
  const intent = { ...EMPTY_IMAGE, topology: parseTopology(JSON.stringify(written), 'x.json') }
  const view = buildView(intent, undefined)
  const { flows, meters } = compile(view.switches.get('h1/br-int')!, view)
  const tells = [...flows].flatMap(
    ([
      ,
      {
        table,
        instructions: { apply },
      },
    ]) =>
      table === Table.Reports ? apply.flatMap((action) => (action.type === 'controller' ? action.meter! : [])) : [],
  )
  expect(tells).toHaveLength(4)
  expect(new Set(tells).size).toBe(4)
  for (const meter of tells) expect(meters.has(meter)).toBe(true)
})

test('who is beyond an uplink is so for a network as it is, and nobody is known of one that nobody looks into', async () => {
  const { lab, clock, igmp } = await running('vlan')
  const { snooper } = lab.controller
  const within = topology('vlan', true)
  const renumbered = (segment: number) => ({
    ...within,
    networks: within.networks.map((one) => (one.name === 'blue' ? { ...one, segment } : one)),
  })
  const ports = () => snooper.statusOf('blue').map(({ port }) => port)
  const become = (wanted: typeof within) => clock.runUntil(lab.apply(wanted))
  const number = buildView({ ...EMPTY_IMAGE, topology: within }, undefined).networkNumbers.get('blue')!
  const match = [{ field: Register.Network, value: BigInt(number) }]
  const report = { type: 'packetIn', cookie: cookieOf('multicast'), match, inPort: UPLINK_PORT } as const
  const frame = igmpFrom('a', join(G))
  frame[11] = 0x99
  await igmp('b', join(G))
  snooper.heard('h1/br-int', { ...report, frame } as unknown as MessageOf<'packetIn'>)
  expect(ports()).toEqual(['b:eth0', 'uplink'])
  await become({ ...within, name: 'renamed' })
  expect(ports()).toEqual(['b:eth0', 'uplink'])
  await become(renumbered(11))
  expect(ports()).toEqual(['b:eth0'])
  await become(topology('vlan', undefined))
  await become(within)
  expect(ports()).toEqual([])
})

test('without fast leave somebody else may say that he stays', async () => {
  const { clock, igmp, data } = await running('vlan', { fastLeave: false })
  await igmp('b', join(G))
  await igmp('c', join(G))
  await igmp('b', leave(G))
  await igmp('c', leave(G))
  expect(await data('a', G)).toEqual(['b', 'c'])
  await clock.run(clock.now() + SECOND)
  await igmp('b', join(G))
  await clock.run(clock.now() + 2 * SECOND)
  expect(await data('a', G)).toEqual(['b'])
})

test('groups beyond the size of the table are as unregistered', async () => {
  const { igmp, data } = await running('vxlan', { tableSize: 2 })
  for (const group of ['239.0.0.1', '239.0.0.2', '239.0.0.3']) await igmp('b', join(group))
  await igmp('c', join('239.0.0.1'))
  expect(await data('a', '239.0.0.1')).toEqual(['b', 'c'])
  expect(await data('a', '239.0.0.3')).toEqual(all('a'))
  await igmp('b', leave('239.0.0.2'))
  await igmp('b', join('239.0.0.3'))
  expect(await data('a', '239.0.0.3')).toEqual(['b'])
})

/** Members by group, and routers: all that the table is. */
class Twin {
  readonly #members = new Map<string, Set<Name>>()
  readonly #routers = new Set<Name>()
  readonly #floods: boolean

  constructor(floods: boolean) {
    this.#floods = floods
  }

  join(group: string, name: Name): void {
    this.#members.set(group, (this.#members.get(group) ?? new Set()).add(name))
  }

  leave(group: string, name: Name): void {
    const members = this.#members.get(group)
    members?.delete(name)
    if (members?.size === 0) this.#members.delete(group)
  }

  route(name: Name): void {
    this.#routers.add(name)
  }

  routers(from: Name): Name[] {
    return [...this.#routers].filter((name) => name !== from).sort()
  }

  hearers(from: Name, group: string): Name[] {
    const members = this.#members.get(group)
    if (members === undefined) return this.#floods ? all(from) : this.routers(from)
    return [...new Set([...members, ...this.#routers])].filter((name) => name !== from).sort()
  }
}

const GROUPS4 = ['239.1.1.1', '232.9.9.9', '239.129.1.1']
const GROUPS6 = ['ff3e::1', 'ff02::1:ff00:7']
const ALWAYS = ['224.0.0.5', 'ff02::1', 'ff01::9', 'all']

/** Sends something, and tells the twin. Gives who heard it, and who should have. */
async function step(random: Random, twin: Twin, { igmp, mld, data }: Awaited<ReturnType<typeof running>>) {
  const from = oneOf(random, NAMES)
  const [group4, group6] = [oneOf(random, GROUPS4), oneOf(random, GROUPS6)]
  const [number4, number6] = [parseIpv4(group4), parseIpv6(group6)]
  const auxiliary = new Uint8Array(0)
  switch (random.below(10)) {
    case 0:
      twin.join(group4, from)
      return [await igmp(from, { type: 'report', version: oneOf(random, [1, 2]), group: number4 }), twin.routers(from)]
    case 1: {
      const isLeave = random.below(2) === 0
      if (isLeave) twin.leave(group4, from)
      else twin.join(group4, from)
      const record = { type: isLeave ? 3 : 4, group: number4, sources: [], auxiliary }
      return [await igmp(from, { type: 'report', version: 3, records: [record] }), twin.routers(from)]
    }
    case 2:
      twin.leave(group4, from)
      return [await igmp(from, { type: 'leave', group: number4 }), twin.routers(from)]
    case 3:
      twin.join(group6, from)
      return [await mld(from, { type: 'report', version: 1, group: number6 }), twin.routers(from)]
    case 4: {
      twin.join(group6, from)
      const record = { type: 1, group: number6, sources: [1n], auxiliary }
      return [await mld(from, { type: 'report', version: 2, records: [record] }), twin.routers(from)]
    }
    case 5:
      twin.leave(group6, from)
      return [await mld(from, { type: 'done', group: number6 }), twin.routers(from)]
    case 6:
      return [await data(from, oneOf(random, ALWAYS)), all(from)]
    default: {
      const group = oneOf(random, [...GROUPS4, ...GROUPS6])
      return [await data(from, group), twin.hearers(from, group)]
    }
  }
}

test.each(seeds(3))('random reports, leaves and frames reach whom the table says (seed %i)', async (seed) => {
  const random = seeded(seed)
  const floodUnregistered = seed % 2 === 0
  const network = await running(TYPES[seed % 3]!, { floodUnregistered })
  const twin = new Twin(floodUnregistered)
  for (let round = 0; round < 60; round++) {
    const [heard, expected] = await step(random, twin, network)
    expect(heard).toEqual(expected)
    if (round !== 20) continue
    // Members must be known as such when they are routers, and routers when they are members.
    const router = oneOf(random, NAMES)
    twin.route(router)
    expect(await network.mld(router, { type: 'query', group: 0n, maxResponseCode: 1000 })).toEqual(all(router))
  }
})
