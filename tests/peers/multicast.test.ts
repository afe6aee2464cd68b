// IGMP and MLD snooping beside Open vSwitch's own: the same reports, leaves, queries and frames from the guests of one host, and the same
// guests hear each; in the end both know the same listeners. To repeat one,
//
//   npx vitest run --project peers tests/peers/multicast.test.ts -t '(seed 17)'
//
// Where the two are known to differ nothing is sent (docs/multicast.md). Needs the Debian package openvswitch-switch; nobody need be root.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Lab } from '../../lab/lab.ts'
import { parseIpv4, parseIpv6 } from '../../protocols/address.ts'
import { getMac, viewOf } from '../../protocols/bytes.ts'
import { RecordType } from '../../protocols/packet/group-records.ts'
import { MILLISECOND } from '../../runtime/clock.ts'
import { type Random, seeded } from '../../runtime/random.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { parseTopology } from '../../topologies/load.ts'
import { oneOf } from '../support/frames.ts'
import type { Name } from '../support/listening-guests.ts'
import { addressesOf, dataFrom, igmpFrom, macOf, macText, mldFrom, NAMES } from '../support/listening-guests.ts'
import { seeds } from '../support/seeds.ts'
import { OvsSnooping } from './support/ovs-snooping.ts'
import { ovsInstalled } from './support/ovs.ts'

const STEPS = 120
const GROUPS4 = ['239.1.1.1', '232.9.9.9', '239.129.1.1']
const GROUPS6 = ['ff3e::1', 'ff02::1:ff00:7']
const ALWAYS = ['224.0.0.5', 'ff02::1', 'all']

const topology = (floodUnregistered: boolean) =>
  parseTopology(
    JSON.stringify({
      version: 1,
      name: 'multicast',
      hosts: [{ name: 'h1' }],
      networks: [{ name: 'blue', type: 'vlan', segment: 10, igmpSnooping: { floodUnregistered } }],
      vms: NAMES.map((name) => ({
        name,
        host: 'h1',
        nics: [{ name: 'eth0', network: 'blue', mac: macText(name), addresses: addressesOf(name) }],
      })),
    }),
    'multicast.json',
  )

class Ours {
  readonly #lab: Lab
  readonly #clock: VirtualClock
  readonly #heard: string[]

  private constructor(lab: Lab, clock: VirtualClock, heard: string[]) {
    this.#lab = lab
    this.#clock = clock
    this.#heard = heard
  }

  static async start(floods: boolean): Promise<Ours> {
    const clock = new VirtualClock()
    const heard: string[] = []
    const observer = { heard: (_at: number, nic: string) => heard.push(nic.split(':')[0]!) }
    return new Ours(await Lab.start(topology(floods), { clock, seed: 1, observer }), clock, heard)
  }

  async receive(guest: Name, frame: Uint8Array): Promise<string[]> {
    this.#heard.length = 0
    this.#lab.inject(`${guest}:eth0`, frame, 'test')
    await this.#clock.run(this.#clock.now() + 2 * MILLISECOND)
    return [...this.#heard].sort()
  }

  /** Those that have listeners. */
  groups(): string[] {
    return this.#lab.controller.snooper.statusOf('blue').flatMap(({ group }) => group ?? [])
  }

  /** `port group` of each. */
  listeners(): string[] {
    const members = this.#lab.controller.snooper.statusOf('blue')
    return members.map(({ port, group = 'querier' }) => `${NAMES.indexOf(port[0] as Name) + 1} ${group}`)
  }
}

const auxiliary = new Uint8Array(0)

/** A report, leave or frame of a guest. Routers report nothing: there they are in no group. */
function randomFrame(random: Random, from: Name, routers: ReadonlySet<Name>): Uint8Array {
  const [group4, group6] = [parseIpv4(oneOf(random, GROUPS4)), parseIpv6(oneOf(random, GROUPS6))]
  const sources = <A>(source: A) => (random.below(2) === 0 ? [] : [source])
  const type = oneOf(random, Object.values(RecordType))
  switch (routers.has(from) ? oneOf(random, [3, 5, 6, 7]) : random.below(9)) {
    case 0:
      return igmpFrom(from, { type: 'report', version: oneOf(random, [1, 2]), group: group4 })
    case 1: {
      const record = { type, group: group4, sources: sources(parseIpv4('192.0.2.9')), auxiliary }
      return igmpFrom(from, { type: 'report', version: 3, records: [record] })
    }
    case 2: {
      const record = { type, group: group6, sources: sources(7n), auxiliary }
      return mldFrom(from, { type: 'report', version: 2, records: [record] })
    }
    case 3:
      return igmpFrom(from, { type: 'leave', group: group4 })
    case 4:
      return mldFrom(
        from,
        random.below(2) === 0 ? { type: 'done', group: group6 } : { type: 'report', version: 1, group: group6 },
      )
    case 5:
      return dataFrom(from, oneOf(random, ALWAYS))
    default:
      return dataFrom(from, oneOf(random, [...GROUPS4, ...GROUPS6]))
  }
}

const QUERY4 = { type: 'query', group: 0, maxResponseCode: 100 } as const
const QUERY6 = { type: 'query', group: 0n, maxResponseCode: 1000 } as const
const count = { frames: 0, heard: 0, listeners: 0 }

describe.runIf(ovsInstalled())('snooping beside Open vSwitch', () => {
  let theirs: OvsSnooping
  beforeAll(async () => {
    theirs = await OvsSnooping.start(NAMES)
  })
  afterAll(async () => {
    await theirs?.stop()
    console.log(JSON.stringify(count))
  })

  test.each(seeds(20))('the same guests hear the same (seed %i)', async (seed) => {
    const random = seeded(seed)
    const floods = random.below(2) === 0
    const ours = await Ours.start(floods)
    await theirs.begin(floods)
    const routers = new Set<Name>()
    const known = new Set<string>()
    for (let step = 0; step < STEPS; step++) {
      const from = oneOf(random, NAMES)
      const asks = step % 40 === 39 || (routers.has(from) && random.below(8) === 0)
      if (asks) routers.add(from)
      const general = random.below(2) === 0 ? mldFrom(from, QUERY6) : igmpFrom(from, QUERY4)
      const frame = asks ? general : randomFrame(random, from, routers)
      // Who listens, and then turns out to be a router, has two copies of each there.
      const heard = [...new Set(await theirs.receive(from, frame))]
      const isEmptied = isUnheard(frame, ours.groups()) && [...known].some((group) => isFor(frame, group))
      const told = { seed, step, from, frame: Buffer.from(frame).toString('hex') }
      const here = await ours.receive(from, frame)
      // A group whose last listener has left is there for a while yet, and its frames reach routers alone.
      const isKept = isEmptied && heard.length < here.length
      const wanted = isKept ? { ...told, theirs: others(routers, from) } : { ...told, theirs: here }
      expect({ ...told, theirs: heard }).toEqual(wanted)
      for (const group of ours.groups()) known.add(group)
      count.frames++
      count.heard += heard.length
    }
    const listeners = listenersOf(await theirs.mdb())
    const both = [ours.listeners(), listeners].map((all) => all.filter((one) => !routes(one, listeners)).sort())
    expect(both[0]).toEqual(both[1])
    count.listeners += listeners.length
  })
})

const others = (routers: ReadonlySet<Name>, from: Name) => [...routers].filter((name) => name !== from).sort()

/** Data for a group, and for none of these. */
const isUnheard = (frame: Uint8Array, groups: readonly string[]): boolean =>
  !groups.some((group) => isFor(frame, group))

function isFor(frame: Uint8Array, group: string): boolean {
  const from = NAMES.find((name) => macOf(name) === getMac(viewOf(frame), 6))!
  return Buffer.compare(frame, dataFrom(from, group)) === 0
}

/** `port group` of each line. */
const listenersOf = (mdb: string): string[] =>
  mdb
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [port, , group] = line.trim().split(/ +/)
      return group === undefined ? [] : [`${port} ${group}`]
    })

/** There a port that has a router behind it is in no group: it hears all. */
const routes = (one: string, all: readonly string[]): boolean =>
  !one.endsWith('querier') && all.includes(`${one.split(' ')[0]} querier`)
