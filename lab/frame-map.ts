// Which vNIC a captured frame enters at.

import { formatIpv6, formatMac, parseIpv6, parseMac } from '../protocols/address.ts'
import type { CapturedFrame } from '../protocols/capture/capture.ts'
import { frameFilter, type FrameTest } from './frame-filter.ts'
import type { FrameMap } from '../topologies/scenario.ts'
import type { Nic, Topology } from '../topologies/topology.ts'
import { findNic } from '../topologies/lookup.ts'
import { look, type Sight } from './judge/sight.ts'

/** A frame's way in, or by what it found none. */
export type Entry =
  | { nic: string; /** Take the outer VLAN tag off first: it was the network's. */ untag?: boolean }
  | { unmapped: string }

export interface Mapper {
  /** What alone an entry depends on: the frame's kind (judge/steady-kinds.ts), or its interface. */
  by: 'kind' | 'interface'
  entryOf: Find
}

type Find = (frame: CapturedFrame) => Entry

/** Maps frames as `map` says. Where two vNICs would do, the one whose network carries the frame's tags wins. */
export const frameMapper = (map: FrameMap, topology: Topology): Mapper => ({
  by: map === 'pcapng-interface' ? 'interface' : 'kind',
  entryOf: finder(map, topology),
})

function finder(map: FrameMap, topology: Topology): Find {
  switch (map) {
    case 'source-mac':
      return bySourceMac(topology)
    case 'source-ip':
      return bySourceIp(topology)
    case 'vlan':
      return byVlan(topology)
    case 'pcapng-interface':
      return byInterface(topology)
    default:
      return byFilters(map, topology)
  }
}

const nicsOf = (topology: Topology): Nic[] => topology.vms.flatMap((vm) => vm.nics)

const TOO_SHORT: Entry = { unmapped: 'shorter than an Ethernet header' }

function bySight(find: (seen: Sight) => Entry): Find {
  return (frame) => {
    const seen = look(frame.bytes)
    return seen === undefined ? TOO_SHORT : find(seen)
  }
}

function bySourceMac(topology: Topology): Find {
  const owners = new Map<number, Entry>()
  for (const { id, mac, trunks } of nicsOf(topology)) {
    const entry = { nic: id }
    for (const one of [mac, ...trunks.map((subport) => subport.mac)]) owners.set(Number(parseMac(one)), entry)
  }
  return ({ bytes }) => {
    if (bytes.length < 14) return TOO_SHORT
    let source = 0
    for (let at = 6; at < 12; at++) source = source * 256 + bytes[at]!
    return owners.get(source) ?? { unmapped: formatMac(BigInt(source)) }
  }
}

function bySourceIp(topology: Topology): Find {
  const owners = new Map<string, string>()
  for (const nic of nicsOf(topology)) {
    const all = [...nic.addresses, ...nic.trunks.flatMap((subport) => subport.addresses)]
    for (const address of all) owners.set(comparable(address), nic.id)
  }
  return bySight(({ arp, ip }) => {
    const source = arp?.sender ?? ip?.source
    const nic = source === undefined ? undefined : owners.get(source)
    return nic === undefined ? { unmapped: source === undefined ? 'no IP address' : legible(source) } : { nic }
  })
}

const comparable = (address: string) =>
  address.includes(':') ? parseIpv6(address).toString(16).padStart(32, '0') : address

const legible = (comparableAddress: string) =>
  comparableAddress.includes('.') ? comparableAddress : formatIpv6(BigInt(`0x${comparableAddress}`))

/** The vNIC of the source MAC in the VLAN network that the outer tag names; the tag is taken for the network's, not the guest's. */
function byVlan(topology: Topology): Find {
  const networks = new Map(
    topology.networks.filter(({ type }) => type === 'vlan').map(({ segment, name }) => [segment, name]),
  )
  const members = new Map<string, string[]>()
  for (const nic of nicsOf(topology)) {
    if (nic.network === undefined) continue
    members.set(nic.network, [...(members.get(nic.network) ?? []), nic.id])
  }
  const byMac = bySourceMac(topology)
  return (frame) => {
    const seen = look(frame.bytes)
    const vlan = seen?.tags[0] === undefined ? undefined : seen.tags[0] & 0x0fff
    const network = vlan === undefined ? undefined : networks.get(vlan)
    if (network === undefined) return { unmapped: vlan === undefined ? 'untagged' : `VLAN ${vlan}` }
    const exact = byMac(frame)
    const candidates = members.get(network) ?? []
    if ('nic' in exact && candidates.includes(exact.nic)) return { ...exact, untag: true }
    return candidates[0] === undefined ? { unmapped: `VLAN ${vlan}` } : { nic: candidates[0], untag: true }
  }
}

function byInterface(topology: Topology): Find {
  const entries = new Map<string, Entry>()
  return ({ interfaceName, interfaceId }) => {
    const name = interfaceName ?? `interface ${interfaceId}`
    let entry = entries.get(name)
    if (entry === undefined) entries.set(name, (entry = nicCalled(topology, name)))
    return entry
  }
}

function nicCalled(topology: Topology, name: string): Entry {
  try {
    return { nic: findNic(topology, name).id }
  } catch {
    return { unmapped: name }
  }
}

function byFilters(filters: Readonly<Record<string, string>>, topology: Topology): Find {
  const rules: { test: FrameTest; nic: string }[] = Object.entries(filters).map(([text, name]) => ({
    test: frameFilter(text),
    nic: findNic(topology, name).id,
  }))
  return ({ bytes }) => {
    const rule = rules.find(({ test }) => test(bytes))
    return rule === undefined ? { unmapped: 'no filter matched' } : { nic: rule.nic }
  }
}
