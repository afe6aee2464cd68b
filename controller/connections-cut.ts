// Which connections a topology would cut: those that rules allow now, and would not any more, and those of vNICs that go. The switches'
// trackers are asked, zone by zone; nothing is changed.

import type { TrackedConnection } from '../protocols/control/messages.ts'
import { IpProtocol } from '../protocols/match.ts'
import { parsePrefix } from '../topologies/subnets.ts'
import type { Nic, SecurityGroupRule } from '../topologies/topology.ts'
import type { ConnectionsCut } from './model.ts'
import { SwitchRefused } from './model.ts'
import { addressesOfNic, addressKey, changedFarEnds, combinationOf } from './network/security-groups.ts'
import type { Combination, FarAddress, GroupRule, Groups } from './network/security-groups.ts'
import type { View } from './network/view.ts'
import type { Fleet } from './reconcile/fleet.ts'
import { SwitchAway } from './southbound/remote-switch.ts'

/** A vNIC whose connections may not all go on. */
interface Concerned {
  readonly nic: Nic
  readonly zone: number
  /** What it will be under; no rules where it goes. */
  readonly under: Under
}

/** So many vNICs of a switch are asked for at a time: who waits for the count waits for few answers in turn, and no queue gets long. */
const AT_ONCE = 16

/** Asks all switches at once. One that does not tell is named. */
export async function connectionsCut(fleet: Fleet, before: View, after: View): Promise<ConnectionsCut> {
  const cut = new Cut()
  const unknown: string[] = []
  const farEnds = new FarEnds(after.groups)
  const lookAt = async (name: string, some: Iterable<Concerned>): Promise<void> => {
    for (const { nic, zone, under } of some) {
      const own = new Own(nic, before.networkNumbers)
      const { connections } = await fleet.reconciler(name).remote.vnicState(nic.id, [], zone)
      for (const connection of connections)
        if (!goesOn(connection, under, own, farEnds)) cut.add(connection, nic.id, own.networks)
    }
  }
  const look = async ([name, all]: [string, Concerned[]]): Promise<void> => {
    // Whoever has its answer takes the next.
    const left = all.values()
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, () => lookAt(name, left)))
    } catch (error) {
      if (!isOfSwitch(error)) throw error
      unknown.push(name)
    }
  }
  await Promise.all([...concernedBySwitch(before, after)].map(look))
  return { cut: cut.count, unknown: unknown.sort() }
}

const isOfSwitch = (error: unknown): boolean => error instanceof SwitchAway || error instanceof SwitchRefused

function concernedBySwitch(before: View, after: View): Map<string, Concerned[]> {
  const found = new Map<string, Concerned[]>()
  if (before.groups.combinations.size === 0) return found
  const changed = new Set(changedFarEnds(before.groups.farEnds, after.groups.farEnds).map(({ number }) => number))
  for (const [id, { nic, home }] of before.bindings) {
    const zone = before.zones.get(home.host)?.get(id)
    const was = groupsOf(before, nic)
    if (zone === undefined || was === undefined) continue
    const now = after.bindings.get(id)
    const stays = now?.home.host === home.host && now.home.switch === home.switch
    const is = stays ? groupsOf(after, now.nic) : NOTHING
    // Whoever is not filtered any more loses nothing.
    if (is === undefined || (is === was && !is.rules.some(({ far = 0 }) => changed.has(far)))) continue
    const there = found.get(home.switch) ?? []
    there.push({ nic, zone, under: is })
    found.set(home.switch, there)
  }
  return found
}

type Under = Pick<Combination, 'rules' | 'tracks'>

const NOTHING: Under = { rules: [], tracks: false }

/** Undefined where it is not filtered. */
function groupsOf({ groups }: View, { policy }: Nic): Combination | undefined {
  const key = combinationOf(policy)
  return key === undefined ? undefined : groups.combinations.get(key)
}

function goesOn(connection: TrackedConnection, { rules, tracks }: Under, own: Own, farEnds: FarEnds): boolean {
  // Without a stateful group nobody looks at marks.
  if (isOver(connection) || (tracks && isKept(connection))) return true
  const { family, original } = connection
  const [fromHere, toHere] = [own.has(family, original.source), own.has(family, original.destination)]
  const directions = fromHere ? (['egress'] as const) : toHere ? (['ingress'] as const) : BOTH
  return directions.some((direction) => isAllowed(connection, direction, rules, own, farEnds))
}

const BOTH = ['egress', 'ingress'] as const
const OPPOSITE = { egress: 'ingress', ingress: 'egress' } as const

const FIN_WAIT_2 = 9

/** Both ends are done with it. */
const isOver = ({ state }: TrackedConnection): boolean =>
  state.kind === 'tcp' && state.peers.every((peer) => peer.state >= FIN_WAIT_2)

/** Marked to outlive its rule (apps/security-groups.ts), which holds once it was answered. */
const isKept = ({ mark, state }: TrackedConnection): boolean => (mark & 1) === 1 && wasAnswered(state)

function wasAnswered(state: TrackedConnection['state']): boolean {
  if (state.kind === 'tcp') return state.peers[1].state !== 0
  return state.kind === 'icmp' ? state.replied : state.seen === 'bidirectional'
}

/** A stateful rule allows both ways; without such, each way needs a rule of its own. */
function isAllowed(
  connection: TrackedConnection,
  direction: 'ingress' | 'egress',
  rules: readonly GroupRule[],
  { networks }: Own,
  farEnds: FarEnds,
): boolean {
  const { family, protocol, original } = connection
  const address = direction === 'egress' ? original.destination : original.source
  const there = { family, protocol, address, port: original.destinationPort, icmpType: original.icmpType, networks }
  const back = { ...there, port: original.sourcePort, icmpType: connection.reply.icmpType }
  const has = (stateful: boolean, way: 'ingress' | 'egress', talk: Talk) =>
    rules.some((one) => one.stateful === stateful && one.rule.direction === way && fits(one, talk, farEnds))
  if (has(true, direction, there)) return true
  return has(false, direction, there) && has(false, OPPOSITE[direction], back)
}

interface Talk {
  family: 4 | 6
  protocol: number
  /** Of the far end. */
  address: bigint
  /** To which it goes; 0 where the tracker does not know any. */
  port: number
  icmpType: number
  networks: readonly (number | undefined)[]
}

function fits({ rule, far }: GroupRule, talk: Talk, farEnds: FarEnds): boolean {
  const { ethertype, protocol, remote } = rule
  if ((ethertype === 'IPv4' ? 4 : 6) !== talk.family) return false
  if (protocol !== undefined && protocol !== talk.protocol) return false
  if (!fitsService(rule, talk)) return false
  if (remote === undefined) return true
  if (remote.kind === 'prefix') return isWithin(parsePrefix(remote.prefix), talk.address)
  return far !== undefined && farEnds.has(far, talk)
}

/** Of ICMP, what can be tracked has the code 0; of SCTP a tracker may not know the ports. */
function fitsService({ ports, icmpType, icmpCode = 0 }: SecurityGroupRule, talk: Talk): boolean {
  if (icmpType !== undefined && (icmpType !== talk.icmpType || icmpCode !== 0)) return false
  if (ports === undefined || (talk.protocol === IpProtocol.Sctp && talk.port === 0)) return true
  return talk.port >= ports.first && talk.port <= ports.last
}

const WIDTH = { 4: 32, 6: 128 } as const

const isWithin = ({ version, first, prefix }: Pick<FarAddress, 'version' | 'first' | 'prefix'>, address: bigint) =>
  (address ^ first) >> BigInt(WIDTH[version] - prefix) === 0n

/** A vNIC's own addresses, and allowed address pairs. */
class Own {
  readonly networks: readonly (number | undefined)[]
  readonly #addresses: readonly FarAddress[]

  constructor(nic: Nic, networkNumbers: ReadonlyMap<string, number>) {
    this.#addresses = addressesOfNic(nic, networkNumbers)
    const names = [nic.network, ...nic.trunks.map(({ network }) => network)]
    // What counts on all networks stands under none.
    this.networks = [undefined, ...names.flatMap((name) => networkNumbers.get(name ?? '') ?? [])]
  }

  has(version: 4 | 6, address: bigint): boolean {
    return this.#addresses.some((one) => one.version === version && isWithin(one, address))
  }
}

/**
 * Connections, each once although both its ends may be filtered. What a tracker knows is a vNIC's, not one of its networks': of two
 * that agree in all else on two networks of a trunk it has one.
 */
class Cut {
  count = 0
  readonly #known = new Map<string, { readonly nics: Set<string>; networks: readonly (number | undefined)[] }[]>()

  add({ family, protocol, original }: TrackedConnection, nic: string, networks: Own['networks']): void {
    const key = [family, protocol, ...Object.values(original)].join(' ')
    const alike = this.#known.get(key) ?? []
    this.#known.set(key, alike)
    const on = networks.filter((network) => network !== undefined)
    for (const one of alike) {
      const shared = one.networks.filter((network) => on.includes(network!))
      if (shared.length === 0 || one.nics.has(nic)) continue
      one.nics.add(nic)
      one.networks = shared
      return
    }
    alike.push({ nics: new Set([nic]), networks: on })
    this.count++
  }
}

/** Who stands behind the numbers of far ends: addresses by network and length of prefix, since there may be thousands. */
class FarEnds {
  readonly #farEnds: ReadonlyMap<number, Iterable<{ address: FarAddress }>>
  readonly #known = new Map<number, { lengths: Set<number>; addresses: Set<string> }>()

  constructor({ farEnds }: Groups) {
    this.#farEnds = new Map([...farEnds.values()].map(({ number, addresses }) => [number, addresses.values()]))
  }

  has(far: number, { family, address, networks }: Talk): boolean {
    const { lengths, addresses } = this.#of(far)
    return [...lengths].some((prefix) => {
      const hostBits = BigInt(WIDTH[family] - prefix)
      if (hostBits < 0n) return false
      const first = (address >> hostBits) << hostBits
      return networks.some((network) => addresses.has(addressKey({ network, version: family, first, prefix })))
    })
  }

  #of(far: number) {
    let known = this.#known.get(far)
    if (known === undefined) {
      known = { lengths: new Set(), addresses: new Set() }
      for (const { address } of this.#farEnds.get(far) ?? []) {
        known.lengths.add(address.prefix)
        known.addresses.add(addressKey(address))
      }
      this.#known.set(far, known)
    }
    return known
  }
}
