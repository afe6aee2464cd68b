// Hears of reports and queries of IGMP and MLD, keeps who listens to what until they leave or fall silent, and has switches know it.
// A membership is a vNIC's, wherever that is: it moves with its VM. The next start of the controller knows it, too, and gives each its
// whole time once more.

import type { MessageOf } from '../../protocols/control/messages.ts'
import type { FieldName } from '../../protocols/fields.ts'
import type { Nanoseconds, Timer } from '../../runtime/clock.ts'
import { SECOND, sleep } from '../../runtime/clock.ts'
import { waitFor } from '../../runtime/waiting.ts'
import type { IgmpSnooping, Topology } from '../../topologies/topology.ts'
import type { World } from '../learner.ts'
import type { MembershipStatus } from '../model.ts'
import { attachmentsOf } from '../network/attachments.ts'
import { placesOf } from '../network/bindings.ts'
import type { Membership, Memberships, Spot } from '../network/memberships.ts'
import { groupCount, hearsAll, QUERIERS, ROUTERS } from '../network/memberships.ts'
import type { NetworkView, SwitchView, View } from '../network/view.ts'
import { UPLINK_PORT } from '../network/view.ts'
import { appOfCookie, Register } from '../tables.ts'
import { Ages } from './ages.ts'
import { Querier } from './querier.ts'
import type { Saying } from './sayings.ts'
import { sayingsOf } from './sayings.ts'
import { once } from '../../runtime/once.ts'

/** Other querier present interval (RFC 2236 §8.5): without a query for so long there is no router any more. */
const ROUTER_TIME = 255 * SECOND
/** Default_Hello_Holdtime (RFC 7761 §4.11): other routers beyond the uplink have said by then that they are there. */
const GOODBYE_TIME = 105 * SECOND
/** Last member query time (RFC 3376 §8.8): who is left behind the port has answered the router's question by then. */
const LEAVE_TIME = 2 * SECOND
/** Until what could not be written is tried once more. */
const RETRY = SECOND / 10
/** How long switches that do not answer keep what others are to be told. */
const PATIENCE = SECOND / 10

export class Snooper {
  readonly #world: World
  readonly #ages = new Ages()
  readonly #querier: Querier
  /** News that the switches have not been told yet; undefined where there is none. */
  #news: Memberships | undefined
  #telling = false
  #closed = false
  #timer: { at: Nanoseconds; timer: Timer } | undefined
  /** As of the last topology. */
  #bindings: View['bindings']
  #networks: Topology['networks']

  constructor(world: World) {
    this.#world = world
    this.#querier = new Querier(world)
    this.#bindings = world.view().bindings
    this.#networks = world.view().topology.networks
    this.#becomeWithout([...this.#strays(() => true), ...this.#homeless(this.#networks)])
    for (const membership of this.#known) this.#ages.hear(membership, world.clock.now(), this.#spanOf(membership))
    this.#arm()
  }

  /** A report or query has entered a switch. */
  heard(switchName: string, { cookie, match, inPort, frame }: MessageOf<'packetIn'>): void {
    if (appOfCookie(cookie) !== 'multicast') return
    const valueOf = (field: FieldName) => Number(match.find((part) => part.field === field)?.value ?? 0n)
    const at = this.#world.view().switches.get(switchName)
    const number = valueOf(Register.Network)
    const here = at && [...at.networks.values()].find((one) => one.number === number)
    const network = here && this.#world.view().networks.get(here.network.name)
    const settings = network?.network.igmpSnooping
    if (at === undefined || network === undefined || settings === undefined) return
    const spot = spotAt(at, inPort, valueOf(Register.From) >>> 16)
    if (spot === undefined || (spot.kind === 'outside' && isInside(network, sourceOf(frame)))) return
    for (const saying of sayingsOf(frame)) this.#take(network.network.name, settings, spot, saying)
    this.#arm()
  }

  /** A vNIC that is no more, or is on another network, listens no more: who comes by its name begins anew. So does a network. */
  topologyChanged(): void {
    this.#querier.topologyChanged()
    this.#networksChanged()
    const before = this.#bindings
    this.#bindings = this.#world.view().bindings
    const changed = this.#bindings.changesSince(before).flatMap(([id, was, is]) => (was?.nic === is?.nic ? [] : id))
    if (changed.length === 0) return
    const nics = new Set(changed)
    this.#becomeWithout(this.#strays((nic) => nics.has(nic)))
    this.#arm()
  }

  #networksChanged(): void {
    const before = this.#networks
    this.#networks = this.#world.view().topology.networks
    if (this.#networks === before) return
    this.#becomeWithout(this.#homeless(before))
    this.#arm()
  }

  /** Memberships of networks that nobody looks into, and of who is beyond the uplinks of those that are other ones there than before. */
  #homeless(before: Topology['networks']): Membership[] {
    const was = new Map(before.map((network) => [network.name, network]))
    const is = new Map(this.#networks.map((network) => [network.name, network]))
    const isHomeless = ({ network, spot }: Membership) => {
      const [old, now] = [was.get(network), is.get(network)]
      if (now?.igmpSnooping === undefined) return true
      return spot.kind === 'outside' && (old?.type !== now.type || old.segment !== now.segment)
    }
    return [...this.#known].filter(isHomeless)
  }

  /** Memberships of such vNICs that are not on the network. */
  #strays(isSuspect: (nic: string) => boolean): Membership[] {
    const isStray = ({ network, spot }: Membership) => {
      if (spot.kind !== 'vnic' || !isSuspect(spot.nic)) return false
      const binding = this.#bindings.get(spot.nic)
      return binding === undefined || attachmentsOf(binding.nic)[spot.attachment]?.network !== network
    }
    return [...this.#known].filter(isStray)
  }

  /** Who listens to what in the network, and where routers are. */
  statusOf(network: string): MembershipStatus[] {
    const now = this.#world.clock.now()
    const all = [...this.#known.of(network)].flatMap(([group, members]) =>
      [...members.values()].map((membership) => ({
        ...nameOf(group, membership),
        port: membership.spot.kind === 'vnic' ? membership.spot.nic : 'uplink',
        age: Math.floor((now - (this.#ages.heardAt(membership) ?? now)) / SECOND),
      })),
    )
    const own = this.#querier.statusOf(network).map(({ source, askedAt }) => ({
      querier: source,
      port: OURSELVES,
      age: Math.floor((now - askedAt) / SECOND),
    }))
    return [...all, ...own].sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1))
  }

  close(): void {
    this.#closed = true
    this.#querier.close()
    this.#disarm()
  }

  #disarm(): void {
    this.#timer?.timer.cancel()
    this.#timer = undefined
  }

  get #known(): Memberships {
    return this.#news ?? this.#world.intent().memberships
  }

  #take(network: string, settings: IgmpSnooping, spot: Spot, saying: Saying): void {
    switch (saying.type) {
      case 'asks': {
        this.#querier.heard(network, saying.source)
        return this.#hear({ network, group: QUERIERS, spot, source: saying.source }, ROUTER_TIME)
      }
      case 'routes': {
        const router = { network, group: ROUTERS, spot, source: saying.source }
        return saying.lifetime > 0 ? this.#hear(router, saying.lifetime) : this.#leave(router, settings, GOODBYE_TIME)
      }
      case 'listens': {
        const membership = { network, group: saying.group, spot }
        return this.#hasRoom(membership, settings) ? this.#hear(membership, settings.agingTime) : undefined
      }
      case 'leaves':
        return this.#leave({ network, group: saying.group, spot }, settings, LEAVE_TIME)
    }
  }

  /** Behind an uplink there may be several routers, of which each says how long it stays. */
  #hear(membership: Membership, span: Nanoseconds): void {
    const now = this.#world.clock.now()
    const isOneOfMany = membership.group === ROUTERS && membership.spot.kind === 'outside'
    if (isOneOfMany) this.#ages.hearOneOf(membership, now, span)
    else this.#ages.hear(membership, now, span)
    this.#become(this.#known.with(membership))
  }

  /** Behind an uplink there are others, who have so long to say that they stay. */
  #leave(membership: Membership, { fastLeave }: IgmpSnooping, span: Nanoseconds): void {
    if (fastLeave && membership.spot.kind === 'vnic') return this.#becomeWithout([membership])
    this.#ages.shorten(membership, this.#world.clock.now(), span)
  }

  #hasRoom({ network, group }: Membership, { tableSize }: IgmpSnooping): boolean {
    const groups = this.#known.of(network)
    return groups.has(group) || groupCount(groups) < tableSize
  }

  #spanOf({ network, group }: Membership): Nanoseconds {
    if (hearsAll(group)) return ROUTER_TIME
    const { networks } = this.#world.intent().topology
    return networks.find(({ name }) => name === network)?.igmpSnooping?.agingTime ?? 0
  }

  /** Those that have ended are forgotten when the next one ends. */
  #arm(): void {
    const at = this.#ages.next
    if (this.#timer !== undefined && this.#timer.at <= at) return
    this.#disarm()
    if (at === Infinity || this.#closed) return
    const { clock } = this.#world
    this.#timer = { at, timer: clock.scheduleAsync(at, () => this.#expire()) }
  }

  #expire(): void {
    this.#timer = undefined
    this.#becomeWithout(this.#ages.takeDue(this.#world.clock.now()))
    this.#arm()
  }

  /** Again and again while there is no room. */
  async #save(): Promise<void> {
    while (!this.#closed)
      try {
        return await this.#world.writes.save()
      } catch (error) {
        this.#world.log(String(error))
        await sleep(this.#world.clock, RETRY)
      }
  }

  #becomeWithout(gone: readonly Membership[]): void {
    for (const one of gone) this.#ages.forget(one)
    this.#become(gone.reduce((memberships, one) => memberships.without(one), this.#known))
  }

  #become(memberships: Memberships): void {
    if (memberships === this.#known) return
    this.#news = memberships
    if (!this.#telling) void this.#tell()
  }

  /** Those of one report are told of together, and what has come meanwhile is next. Switches are told once that is kept. */
  async #tell(): Promise<void> {
    this.#telling = true
    await Promise.resolve()
    while (this.#news !== undefined) {
      const memberships = this.#news
      this.#news = undefined
      this.#world.amend({ memberships })
      await this.#save()
      // What goes wrong at one switch, or takes its time there, must not keep the next news from being told.
      const told = this.#world.fleet.push().catch((error: unknown) => this.#world.log(String(error)))
      await waitFor(told, PATIENCE, this.#world.clock)
    }
    this.#telling = false
  }
}

const nameOf = (group: string, { source }: Membership): Pick<MembershipStatus, 'group' | 'querier' | 'router'> => {
  if (group === QUERIERS) return { querier: source! }
  return group === ROUTERS ? { router: source! } : { group }
}

/** In the place of a port: the network asks itself. */
const OURSELVES = 'controller'

/** Routers last. */
const orderOf = ({ group = 'router', port }: MembershipStatus): string => `${group} ${port}`

const SOURCE_START = 6
const SOURCE_END = 12

const sourceOf = (frame: Uint8Array): bigint =>
  frame.subarray(SOURCE_START, SOURCE_END).reduce((mac, octet) => (mac << 8n) | BigInt(octet), 0n)

function spotAt(at: SwitchView, port: number, attachment: number): Spot | undefined {
  if (at.integration && port === UPLINK_PORT) return { kind: 'outside' }
  const binding = at.bindings.find((one) =>
    placesOf(one).some((place) => place.switch === at.name && place.port === port),
  )
  return binding && { kind: 'vnic', nic: binding.nic.id, attachment }
}

const macsOf = once((residents: NetworkView['residents']) => new Set([...residents.values()].map(({ mac }) => mac)))

/** Whether who says this at an uplink is a guest of another host, who has been heard there. */
function isInside({ residents, learnedBehind }: NetworkView, mac: bigint): boolean {
  if (macsOf(residents).has(mac)) return true
  for (const learned of learnedBehind.values()) if (learned.some((one) => one.mac === mac)) return true
  return false
}
