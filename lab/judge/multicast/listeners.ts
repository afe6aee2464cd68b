// START HERE: who listens to which multicast group, in networks that snoop, from the reports that guests have sent. No flow is looked at.
// A report counts once it has had time to be heard of: until then, and for as long after a listener has left, whether it hears what is
// for the group is open. So is everything of a group while it gains its first listener or loses its last.

import type { Nanoseconds } from '../../../runtime/clock.ts'
import { MILLISECOND, SECOND } from '../../../runtime/clock.ts'
import { networksOf } from '../../../topologies/lookup.ts'
import type { IgmpSnooping, Topology } from '../../../topologies/topology.ts'
import type { Ruling } from '../law.ts'
import { isGroup, type Sight } from '../sight.ts'
import { hear, leave, type Listeners, present, type Present, SETTLED_IN } from './listening.ts'
import { type Overheard, overhear } from './overheard.ts'

/** So long may a frame have been on its way, and meet what has been reported since. */
export const ON_THE_WAY = 100 * MILLISECOND
/** As RFC 2236 §8.5 has it: a router that has not asked for so long is none any more. */
const ROUTER_TIME = 255 * SECOND
/** RFC 3376 §8.8. */
const LEAVE_TIME = 2 * SECOND
/** Where leaving is not believed at once: so long until other routers have said that they are there (RFC 7761 §4.11). */
const GOODBYE_TIME = 105 * SECOND

/** Excuses that a frame has of which it is not sure that it may be sent. */
const UNSURE: readonly string[] = ['port_security', 'security_group']

interface Network {
  settings: IgmpSnooping
  /** By group's address. */
  groups: Map<string, Listeners>
  /** Multicast routers that ask, and those that say that they are there, which may be the same. */
  queriers: Listeners
  routers: Listeners
  /** Addresses that queries came from. */
  askers: Set<string>
  /** There were more groups than the table takes: which of them are in it is not for the judge to say. */
  isFull: boolean
}

const newNetwork = () => ({
  groups: new Map<string, Listeners>(),
  queriers: new Map(),
  routers: new Map(),
  askers: new Set<string>(),
})

const allOf = ({ groups, queriers, routers }: Network): Listeners[] => [queriers, routers, ...groups.values()]

/** What is on its way for a group need not reach these, or anybody, since there is another table. */
export interface Turn {
  /** Undefined: any. */
  group: string | undefined
  excused: 'all' | readonly string[]
}

/** A frame for a group, and what it says of groups, if it does. */
interface Subject {
  network: Network
  group: string
  overheard: Overheard | undefined
}

export class MulticastListeners {
  /** By name; those that snoop. */
  #networks = new Map<string, Network>()
  /** With those that have snooped before, and may again. */
  readonly #known = new Map<string, Network>()
  /** Networks of which it is not known whether they snoop yet. */
  readonly #changing = new Set<string>()
  /** How many reasons there are that reports are not heard of. */
  #deaf = 0
  /** Since the last of them was over; Infinity where that was before the frame of now. */
  #hearsFrom: Nanoseconds = 0
  #latest: Nanoseconds = 0

  constructor(topology: Topology) {
    this.amend(topology)
    this.amended()
  }

  /** Nobody snoops: no frame need be told. */
  get areIdle(): boolean {
    return this.#networks.size === 0 && this.#changing.size === 0
  }

  /** The law is that of another topology; until `amended`, either will do. */
  amend(topology: Topology): void {
    this.#forgetStrays(topology)
    const { networks } = topology
    const before = this.#networks
    this.#networks = new Map()
    for (const { name, igmpSnooping: settings } of networks) {
      if (JSON.stringify(before.get(name)?.settings) !== JSON.stringify(settings)) this.#changing.add(name)
      if (settings === undefined) continue
      const known = { ...newNetwork(), ...this.#known.get(name) }
      const network: Network = { isFull: false, ...known, settings }
      this.#networks.set(name, network)
      this.#known.set(name, network)
    }
  }

  amended(): void {
    this.#changing.clear()
  }

  /** Who is on the network no more listens no more, also when somebody comes by his name. */
  #forgetStrays({ vms }: Topology): void {
    if (this.#known.size === 0) return
    const attached = new Set(
      vms.flatMap(({ nics }) => nics.flatMap((nic) => networksOf(nic).map((network) => `${nic.id} ${network}`))),
    )
    for (const [name, network] of this.#known)
      for (const listeners of allOf(network))
        for (const [nic, one] of listeners) {
          if (attached.has(`${nic} ${name}`)) continue
          const gone = Math.min(one.gone, this.#latest + SETTLED_IN)
          listeners.set(nic, { ...one, until: Math.min(one.until, this.#latest), gone, unheard: gone })
        }
  }

  /** Whoever is to hear of reports may not, until `hearAgain`: those that were on their way are in doubt, too. */
  deafen(): void {
    this.#deaf++
    const since = this.#latest - ON_THE_WAY
    for (const network of this.#networks.values())
      for (const listeners of allOf(network))
        for (const one of listeners.values())
          if (one.saidAt >= since) {
            one.surely = Infinity
            one.gone = Math.max(one.gone, one.unheard)
          }
  }

  hearAgain(): void {
    if (--this.#deaf === 0) this.#hearsFrom = Infinity
  }

  #pass(at: Nanoseconds): void {
    this.#latest = Math.max(this.#latest, at)
    if (this.#deaf === 0 && this.#hearsFrom === Infinity) this.#hearsFrom = at + SETTLED_IN
  }

  /** What the law without groups says, with them; the same where they have no say. */
  ruling(general: Ruling, at: Nanoseconds, seen: Sight, bytes: Uint8Array): Ruling {
    const { network: name, must } = general
    this.#pass(at)
    if (name === undefined || general.may !== 'network' || !isGroup(seen.destination)) return general
    if (this.#changing.has(name) && isForGroup(seen)) return { ...general, must: [], isForGroup: true }
    const subject = this.#subjectOf(name, seen, bytes)
    if (subject === undefined) return general
    const { surely, maybe } = audienceOf(subject, at, seen)
    const addressed = surely === 'all' ? must : must.filter((nic) => surely.includes(nic))
    return { ...general, must: addressed, may: maybe === 'all' ? 'network' : maybe, isForGroup: true }
  }

  /**
   * The vNIC has sent the frame, and nobody has kept it from that. Gives whom what is on its way for a group may not reach any more.
   * `isThere`: it is known to be in the ruling's network.
   */
  sent(
    nic: string,
    { network: name, excuses }: Ruling,
    at: Nanoseconds,
    seen: Sight,
    bytes: Uint8Array,
    isThere: boolean,
  ): Turn[] {
    const subject = name === undefined ? undefined : this.#subjectOf(name, seen, bytes)
    if (subject?.overheard === undefined || subject.overheard.kind === 'unknown') return []
    const { network, overheard } = subject
    const isHeard = this.#deaf === 0 && at >= this.#hearsFrom
    const isSure =
      isHeard && isThere && !excuses.some((reason) => UNSURE.includes(reason)) && !this.#changing.has(name!)
    if (overheard.kind === 'query') {
      noteQuery(network, nic, at, seen, isSure)
      return []
    }
    if (overheard.kind === 'router') return noteRouter(network, nic, at, overheard.lifetime, { isHeard, isSure })
    return overheard.changes.flatMap(({ group, listens }): Turn[] => {
      if (isFloodedAlways(group)) return []
      if (listens === 'no') {
        leave(network.groups.get(group), nic, at, forgottenIn(network, LEAVE_TIME), isHeard)
        return [{ group, excused: [nic] }]
      }
      const isFirst = present(network.groups.get(group) ?? new Map(), at).maybe.length === 0
      noteReport(network, group, nic, at, isSure && listens === 'yes')
      return isFirst ? [{ group, excused: 'all' }] : []
    })
  }

  /** What became of the report is not known: whether anybody has heard it is open. */
  doubt(nic: string, { network: name }: Ruling, seen: Sight, bytes: Uint8Array): void {
    const subject = name === undefined ? undefined : this.#subjectOf(name, seen, bytes)
    if (subject?.overheard === undefined) return
    const { network, overheard } = subject
    const groups = overheard.kind === 'report' ? overheard.changes.map(({ group }) => network.groups.get(group)) : []
    for (const listeners of [network.queriers, network.routers, ...groups]) {
      const one = listeners?.get(nic)
      if (one === undefined) continue
      one.surely = Infinity
      one.gone = Math.max(one.gone, one.unheard)
    }
  }

  #subjectOf(name: string, seen: Sight, bytes: Uint8Array): Subject | undefined {
    const network = this.#networks.get(name)
    if (network === undefined || !isForGroup(seen)) return undefined
    return { network, group: seen.ip!.destination, overheard: overhear(seen, bytes) }
  }
}

/** An IP packet for a group, with the MAC address that goes with it (RFC 1112 §6.4, RFC 2464 §7). */
function isForGroup({ destination, ip }: Sight): boolean {
  if (ip === undefined) return false
  if (ip.version === 6) return ip.destination.startsWith('ff') && Math.floor(destination / 2 ** 32) === 0x3333
  const first = Number(ip.destination.split('.')[0])
  return first >= 224 && first < 240 && Math.floor(destination / 2 ** 23) === 0x01005e000000 / 2 ** 23
}

const ALL_NODES = `ff02${'0'.repeat(27)}1`

/** Of these nobody reports that he listens (RFC 4541 §2.1.2, RFC 3810 §6). */
const isFloodedAlways = (group: string): boolean =>
  group.startsWith('224.0.0.') || group === ALL_NODES || /^ff.[01]/.test(group)

interface Audience {
  surely: 'all' | readonly string[]
  maybe: 'all' | readonly string[]
}

const ALL: Audience = { surely: 'all', maybe: 'all' }
const ANYBODY: Audience = { surely: [], maybe: 'all' }

function audienceOf({ network, group, overheard }: Subject, at: Nanoseconds, seen: Sight): Audience {
  if (overheard !== undefined) return audienceOfTalk(network, overheard, at, seen)
  if (isFloodedAlways(group)) return ALL
  const routers = presentRouters(network, at)
  const listeners = present(network.groups.get(group) ?? new Map(), at)
  if (network.isFull) return ANYBODY
  const both = { surely: [...listeners.surely, ...routers.surely], maybe: [...listeners.maybe, ...routers.maybe] }
  if (listeners.surely.length > 0) return both
  if (!network.settings.floodUnregistered) return both
  return listeners.maybe.length === 0 ? ALL : { surely: routers.surely, maybe: 'all' }
}

/** RFC 4541 §2.1.1: reports reach routers alone, all else everybody. */
function audienceOfTalk(network: Network, overheard: Overheard, at: Nanoseconds, { ip }: Sight): Audience {
  const { source, destination, version } = ip!
  const isQuerier = network.askers.has(source)
  if (overheard.kind === 'router') return ALL
  if (overheard.kind === 'unknown')
    return destination.startsWith('224.0.0.') && !isForRouters(destination) ? ALL : ANYBODY
  // OpenFlow can not tell a query for one group from a report but by who sends it.
  if (overheard.kind === 'query') return overheard.isGeneral || version === 6 || isQuerier ? ALL : ANYBODY
  const routers = presentRouters(network, at)
  if (version === 6 || isForRouters(destination)) return routers
  return isQuerier || destination.startsWith('224.0.0.') ? { surely: routers.surely, maybe: 'all' } : routers
}

/** Where leaves and reports of version 3 go. */
const isForRouters = (destination: string): boolean => destination === '224.0.0.2' || destination === '224.0.0.22'

function presentRouters({ queriers, routers }: Network, at: Nanoseconds): Present {
  const [asking, others] = [present(queriers, at), present(routers, at)]
  return { surely: [...asking.surely, ...others.surely], maybe: [...asking.maybe, ...others.maybe] }
}

const forgottenIn = ({ settings }: Network, span: Nanoseconds): Nanoseconds => (settings.fastLeave ? 0 : span)

function noteReport(network: Network, group: string, nic: string, at: Nanoseconds, isSure: boolean): void {
  const { groups, settings } = network
  for (const [name, listeners] of groups)
    if ([...listeners.values()].every(({ gone }) => gone <= at)) groups.delete(name)
  const listeners: Listeners = groups.get(group) ?? new Map()
  groups.set(group, listeners)
  if (groups.size > settings.tableSize) network.isFull = true
  hear(listeners, nic, at, settings.agingTime, isSure)
}

function noteQuery({ queriers, askers }: Network, nic: string, at: Nanoseconds, { ip }: Sight, isSure: boolean): void {
  if (/^[0.]*$/.test(ip!.source)) return
  askers.add(ip!.source)
  hear(queriers, nic, at, ROUTER_TIME, isSure)
}

function noteRouter(
  network: Network,
  nic: string,
  at: Nanoseconds,
  lifetime: Nanoseconds | undefined,
  { isHeard, isSure }: { isHeard: boolean; isSure: boolean },
): Turn[] {
  if (lifetime === undefined) return []
  if (lifetime > 0) {
    hear(network.routers, nic, at, lifetime, isSure)
    return []
  }
  leave(network.routers, nic, at, forgottenIn(network, GOODBYE_TIME), isHeard)
  return [{ group: undefined, excused: [nic] }]
}
