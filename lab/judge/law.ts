// The law of a network: from topology and policy alone, who must hear a frame and who may. No flow, port or table is looked at.

import { parseIpv6, parseMac } from '../../protocols/address.ts'
import type { Network, Nic, PortPolicy, Topology } from '../../topologies/topology.ts'
import { addressesOf, holds, type Addresses } from './addresses.ts'
import { isArp, isGroup, isIp, isRarp, isReserved, type IpSight, type Mac, type Sight } from './sight.ts'

/** A vNIC's place in one network: untagged, native, or behind a sub-port's tag. */
interface Membership {
  nic: string
  network: string
  mac: Mac
  /** IPv4 dotted, IPv6 as 32 hexadecimal digits. */
  addresses: ReadonlySet<string>
  policy: PortPolicy
  /** What it may wear beside. */
  pairs: readonly { mac: Mac; addresses: Addresses }[]
}

export interface Ruling {
  /** The network in which the frame was sent; undefined where the vNIC has none under this tag. */
  network: string | undefined
  /** vNICs that must hear it. */
  must: readonly string[]
  /** Who may: every vNIC in `network`, these alone, or nobody. */
  may: 'network' | readonly string[]
  /** What the policy lets happen instead of delivery, by drop name. */
  excuses: readonly string[]
  /** Those of `must` whose own rate may keep the frame from them. */
  limited: readonly string[]
  /** The MAC addresses that a responder may answer with in the owner's place. */
  answers?: readonly Mac[]
  /** DSCPs that the policy may put on it, for IP. */
  dscps?: readonly number[]
  /** Who would have to hear it, were it not for security groups; `must` where absent. */
  addressed?: readonly string[]
  /** For a multicast group where the network snoops: who is to hear it follows from who listens at the time. */
  isForGroup?: true
  /** Why nobody may, for people, where the sender's security groups say so. */
  refusal?: string
  /** What holds in this one's place where the sender may be in another network by now, or may still be: see laws.ts. */
  otherwise?: readonly Ruling[]
}

/** The ruling, and what may hold in its place. */
export const choicesOf = (ruling: Ruling): readonly Ruling[] =>
  ruling.otherwise === undefined ? [ruling] : [ruling, ...ruling.otherwise]

/** The ruling that leaves open which of these holds. */
export function oneOf([first, ...otherwise]: readonly Ruling[]): Ruling {
  const { otherwise: _before, ...rest } = first!
  return otherwise.length === 0 ? rest : { ...rest, otherwise }
}

/** The ruling with `change` made to it, and to what may hold in its place. */
export const changed = (ruling: Ruling, change: (one: Ruling) => Ruling): Ruling =>
  ruling.otherwise === undefined ? change(ruling) : oneOf(choicesOf(ruling).map(change))

const NOBODY: Pick<Ruling, 'must' | 'may' | 'limited'> = { must: [], may: [], limited: [] }
const UNSPECIFIED_IPV6 = '0'.repeat(32)

export class Law {
  readonly #nics: Map<string, Nic>
  readonly #networks: Map<string, Network>
  /** By vNIC. */
  readonly #hosts: ReadonlyMap<string, string>
  /** By network. */
  readonly #members = new Map<string, Membership[]>()
  /** By vNIC, then guest tag (0 for untagged). */
  readonly #byTag = new Map<string, Map<number, Membership>>()

  readonly #hasClasses: boolean

  constructor(topology: Topology) {
    this.#hasClasses = [...topology.hosts.map(({ uplink }) => uplink), ...topology.fabric.links].some(
      (place) => place?.queues !== undefined && place.queues.length > 0,
    )
    const nics = topology.vms.flatMap((vm) => vm.nics)
    this.#nics = new Map(nics.map((nic) => [nic.id, nic]))
    this.#hosts = new Map(topology.vms.flatMap(({ host, nics: own }) => own.map(({ id }) => [id, host])))
    this.#networks = new Map(topology.networks.map((network) => [network.name, network]))
    for (const nic of nics) this.#enrol(nic)
  }

  /** Where its VM is to be. */
  hostOf(nic: string): string | undefined {
    return this.#hosts.get(nic)
  }

  isIn(network: string, nic: string): boolean {
    for (const member of this.#byTag.get(nic)?.values() ?? []) if (member.network === network) return true
    return false
  }

  /** The network in which the vNIC hears or says a frame with these tags. */
  networkAt(nic: string, seen: Sight): string | undefined {
    return this.#membership(nic, seen)?.network
  }

  judge(nic: string, seen: Sight): Ruling {
    const sender = this.#membership(nic, seen)
    if (sender === undefined)
      return { network: undefined, ...NOBODY, excuses: ['vlan_mismatch', 'drop_action_of_pipeline', 'table_miss'] }
    const { network, policy } = sender
    const honesty = policy.portSecurity ? honestyWithPairs(sender, seen) : 'honest'
    if (honesty === 'spoofed') return { network, ...NOBODY, excuses: ['port_security', 'vlan_mismatch'] }
    const ruling = this.#recipients(sender, seen)
    const excuses = [...this.#excuses(sender, seen), ...(honesty === 'unsure' ? ['port_security'] : [])]
    return {
      network,
      ...ruling,
      must: honesty === 'unsure' ? [] : ruling.must,
      excuses,
      limited: ruling.must.filter((hearer) => this.#isLimited(hearer)),
      ...markOf(policy, seen),
    }
  }

  /** Frames of one flow keep their order; where there are queues for DSCPs, those of one DSCP do. */
  flowOf({ flow, ip }: Sight): number {
    return this.#hasClasses && ip !== undefined ? (flow ^ Math.imul(ip.dscp + 1, 0x9e3779b1)) >>> 0 : flow
  }

  /** Whether a rate may keep frames from the vNIC: its own, or its network's on its host. */
  #isLimited(hearer: string): boolean {
    const { policy, network } = this.#nics.get(hearer)!
    const qos = network === undefined ? undefined : this.#networks.get(network)?.qos
    return policy.egressRate !== undefined || qos?.egressRate !== undefined
  }

  #recipients(sender: Membership, seen: Sight): Pick<Ruling, 'must' | 'may' | 'answers'> {
    const others = this.#members.get(sender.network)!.filter(({ nic }) => nic !== sender.nic)
    if (isReserved(seen.destination)) return { must: [], may: 'network' }
    if (isGroup(seen.destination))
      return { must: others.map(({ nic }) => nic), may: 'network', ...this.#answer(sender, seen) }
    const owners = others.filter(({ mac }) => mac === seen.destination)
    const hearers = owners.map(({ nic }) => nic)
    if (hearers.length > 0) return { must: hearers, may: hearers, ...this.#answer(sender, seen) }
    return { must: [], may: seen.destination === sender.mac ? [] : 'network' }
  }

  /** ARP requests and neighbour solicitations for an address the topology knows may be answered in its owner's place. */
  #answer(sender: Membership, seen: Sight): { answers?: readonly Mac[] } {
    const asked = seen.arp?.operation === 1 ? seen.arp.target : seen.ip?.icmpType === 135 ? seen.ip.target : undefined
    if (asked === undefined) return {}
    const owner = this.#members
      .get(sender.network)!
      .find(({ nic, addresses }) => nic !== sender.nic && addresses.has(asked))
    return owner === undefined ? {} : { answers: [owner.mac] }
  }

  #excuses(sender: Membership, seen: Sight): string[] {
    const excuses: string[] = []
    if (sender.policy.ingressRate !== undefined) excuses.push('rate_limited')
    if (seen.payloadLength > this.#networks.get(sender.network)!.mtu) excuses.push('mtu_exceeded')
    return excuses
  }

  #membership(nic: string, seen: Sight): Membership | undefined {
    const tags = this.#byTag.get(nic)
    const outer = seen.tags[0]
    return tags?.get(outer === undefined ? 0 : outer & 0x0fff)
  }

  #enrol(nic: Nic): void {
    const tags = new Map<number, Membership>()
    const join = (tag: number, network: string, mac: string, addresses: readonly string[]) => {
      const known = [...tags.values()].find((member) => member.network === network)
      const { policy } = nic
      const pairs = policy.allowedAddressPairs ?? []
      const member = known ?? {
        nic: nic.id,
        network,
        mac: Number(parseMac(mac)),
        addresses: new Set(addresses.map(comparable)),
        policy,
        pairs: pairs.map((pair) => ({ mac: Number(parseMac(pair.mac ?? mac)), addresses: addressesOf([pair.prefix]) })),
      }
      tags.set(tag, member)
      if (known !== undefined) return
      if (!this.#members.has(network)) this.#members.set(network, [])
      this.#members.get(network)!.push(member)
    }
    if (nic.network !== undefined) join(0, nic.network, nic.mac, nic.addresses)
    if (nic.network !== undefined && nic.vlanMode === 'native-tagged')
      join(this.#nativeTag(nic), nic.network, nic.mac, nic.addresses)
    for (const { tag, network, mac, addresses } of nic.trunks) join(tag, network, mac, addresses)
    this.#byTag.set(nic.id, tags)
  }

  #nativeTag(nic: Nic): number {
    return nic.tag ?? this.#networks.get(nic.network!)?.segment ?? 0
  }
}

/** The same where the vNIC may wear other addresses beside its own. */
function honestyWithPairs(sender: Membership, seen: Sight): 'honest' | 'spoofed' | 'unsure' {
  const honesty = honestyOf(sender, seen)
  const pairs = honesty === 'honest' ? [] : sender.pairs.filter(({ mac }) => mac === seen.source)
  if (pairs.length === 0) return honesty
  const { arp, ip } = seen
  const covers = (family: 4 | 6, address: string) => pairs.some(({ addresses }) => holds(addresses, family, address))
  if (arp !== undefined) return arp.senderMac === seen.source && covers(4, arp.sender) ? 'honest' : honesty
  if (ip === undefined) return 'unsure'
  const isAnnouncement = ip.icmpType === 136
  if (covers(ip.version, isAnnouncement ? (ip.target ?? '') : ip.source)) return isAnnouncement ? 'unsure' : 'honest'
  // A link-local address of the allowed MAC is none that the policy names.
  return ip.version === 6 ? 'unsure' : honesty
}

/** The DSCP that the policy puts on a packet: on all, or where the guest is trusted, on those that it has not marked. */
function markOf({ dscp, trustDscp = dscp === undefined }: PortPolicy, { ip }: Sight): { dscps?: readonly number[] } {
  if (ip === undefined || (trustDscp && dscp === undefined)) return {}
  return { dscps: [trustDscp && ip.dscp !== 0 ? ip.dscp : (dscp ?? 0)] }
}

/** Whether the frame wears its vNIC's own addresses; `unsure` where the policy leaves a choice to whoever enforces it. */
function honestyOf(sender: Membership, seen: Sight): 'honest' | 'spoofed' | 'unsure' {
  if (seen.source !== sender.mac) return 'spoofed'
  if (isRarp(seen.etherType)) return 'honest'
  if (sender.addresses.size === 0) return honestByMac(sender, seen)
  if (isArp(seen.etherType)) {
    if (seen.arp === undefined) return 'unsure'
    const own = sender.addresses.has(seen.arp.sender) || seen.arp.sender === '0.0.0.0'
    return own && seen.arp.senderMac === sender.mac ? 'honest' : 'spoofed'
  }
  if (!isIp(seen.etherType)) return 'unsure'
  if (seen.ip === undefined) return 'unsure'
  return seen.ip.version === 4 ? honestIpv4(sender, seen.ip) : honestIpv6(sender, seen.ip)
}

/** A vNIC of which no address is known is held to its MAC alone. */
function honestByMac(sender: Membership, { arp, ip }: Sight): 'honest' | 'spoofed' | 'unsure' {
  if (arp !== undefined) return arp.senderMac === sender.mac ? 'honest' : 'spoofed'
  const isDiscovery = ip?.icmpType === 135 || ip?.icmpType === 136
  return ip === undefined || isDiscovery ? 'unsure' : 'honest'
}

function honestIpv4(sender: Membership, ip: IpSight): 'honest' | 'spoofed' {
  const asksForAddress = ip.source === '0.0.0.0' && ip.sourcePort === 68 && ip.destinationPort === 67
  return sender.addresses.has(ip.source) || asksForAddress ? 'honest' : 'spoofed'
}

function honestIpv6(sender: Membership, ip: IpSight): 'honest' | 'spoofed' | 'unsure' {
  const linkLocal = linkLocalOf(sender.mac)
  const own = (address: string) => sender.addresses.has(address) || address === linkLocal
  if (ip.icmpType === 136) return ip.target !== undefined && own(ip.target) && own(ip.source) ? 'honest' : 'spoofed'
  if (own(ip.source)) return 'honest'
  if (ip.source !== UNSPECIFIED_IPV6) return 'spoofed'
  return ip.icmpType === 133 || ip.icmpType === 135 ? 'honest' : 'unsure'
}

/** The link-local address made of the MAC (RFC 4291 appendix A), as 32 hexadecimal digits. */
function linkLocalOf(mac: Mac): string {
  const digits = mac.toString(16).padStart(12, '0')
  const first = (parseInt(digits.slice(0, 2), 16) ^ 2).toString(16).padStart(2, '0')
  return `fe80000000000000${first}${digits.slice(2, 6)}fffe${digits.slice(6)}`
}

const comparable = (address: string) =>
  address.includes(':') ? parseIpv6(address).toString(16).padStart(32, '0') : address
