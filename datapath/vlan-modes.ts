// The VLAN modes of ports, as Open vSwitch means them (ovs-vswitchd.conf.db(5), "VLAN Configuration"). A tag is a VLAN word
// of the flow key: TPID, priority, present bit, VLAN. A stack of tags is written outer first.

import type { PortConfig, VlanMode } from '../protocols/control/messages.ts'
import { EtherType } from '../protocols/match.ts'
import { MAX_TAGS, VLAN_PRESENT } from './flow-key.ts'

export interface VlanPolicy {
  mode: VlanMode
  /** Access or native VLAN; 0 where none was given. */
  tag: number
  /** VLANs that a trunk carries; all where undefined. */
  trunks: ReadonlySet<number> | undefined
  /** Customer VLANs that a dot1q-tunnel carries, 0 standing for untagged frames; all where undefined. */
  cvlans?: ReadonlySet<number>
}

/** What an unconfigured port is for Open vSwitch. */
export const CARRIES_ALL: VlanPolicy = { mode: 'trunk', tag: 0, trunks: undefined }

/**
 * The policy that a port's configuration gives it. Undefined for a vNIC that was told neither its VLAN nor its trunks: it
 * carries nothing.
 */
export function vlanPolicy(config: PortConfig): VlanPolicy | undefined {
  const mode = config.vlanMode ?? (config.tag === undefined ? 'trunk' : 'access')
  const tag = config.tag ?? 0
  const trunks = config.trunks ?? []
  if (mode === 'dot1q-tunnel') return dot1qTunnelPolicy(config, tag)
  if (config.type === 'vnic') return vnicPolicy(mode, tag, trunks)
  return { mode, tag, trunks: trunks.length > 0 ? trunkedVlans(mode, tag, trunks) : undefined }
}

function dot1qTunnelPolicy({ type, cvlans = [] }: PortConfig, tag: number): VlanPolicy | undefined {
  if (type === 'vnic' && tag === 0) return undefined
  const policy: VlanPolicy = { mode: 'dot1q-tunnel', tag, trunks: undefined }
  return cvlans.length === 0 ? policy : { ...policy, cvlans: new Set(cvlans) }
}

function vnicPolicy(mode: VlanMode, tag: number, trunks: readonly number[]): VlanPolicy | undefined {
  if (mode === 'trunk' ? trunks.length === 0 : tag === 0) return undefined
  return { mode, tag, trunks: trunkedVlans(mode, tag, trunks) }
}

/** A port always carries its native VLAN. */
const trunkedVlans = (mode: VlanMode, tag: number, trunks: readonly number[]): ReadonlySet<number> =>
  isNative(mode) ? new Set([...trunks.filter((vlan) => vlan !== 0), tag]) : new Set(trunks)

const isNative = (mode: VlanMode) => mode === 'native-tagged' || mode === 'native-untagged'

const VLAN = 0x0fff
const PRIORITY = 0xe000

export const vlanOf = (tag: number): number => tag & VLAN

/** The tag moved to another VLAN; one of 0 (untagged) becomes an 802.1Q tag of priority 0. */
const retagged = (tag: number, vlan: number) => {
  const type = tag >>> 16 === 0 ? EtherType.Vlan : tag >>> 16
  return ((type << 16) | (tag & PRIORITY) | VLAN_PRESENT | vlan) >>> 0
}

/** Whether a frame with these tags may come in. */
export function admits(policy: VlanPolicy, tags: readonly number[]): boolean {
  const vlan = vlanOf(tags[0] ?? 0)
  switch (policy.mode) {
    case 'access':
      return vlan === 0
    case 'dot1q-tunnel':
      return allowsCustomer(policy, vlan)
    case 'trunk':
      return trunksVlan(policy, vlan)
    default:
      return vlan === 0 || trunksVlan(policy, vlan)
  }
}

/** A native port without trunks of its own carries all VLANs but 0: what comes untagged there is in its native VLAN. */
const trunksVlan = ({ mode, trunks }: VlanPolicy, vlan: number) =>
  trunks === undefined ? vlan !== 0 || !isNative(mode) : trunks.has(vlan)

const allowsCustomer = ({ cvlans }: VlanPolicy, vlan: number) => cvlans === undefined || cvlans.has(vlan)

/** The tags by which the switch knows a frame that came in with `tags`. */
export function tagsInside(policy: VlanPolicy, tags: readonly number[]): readonly number[] {
  const outer = tags[0] ?? 0
  switch (policy.mode) {
    case 'access':
      return [retagged(outer, policy.tag)]
    case 'dot1q-tunnel':
      return [retagged(EtherType.ProviderVlan << 16, policy.tag), ...tags].slice(0, MAX_TAGS)
    case 'trunk':
      return tags
    default:
      return vlanOf(outer) !== 0 ? tags : [retagged(outer, policy.tag), ...tags.slice(1)]
  }
}

/** Whether a frame known by these tags is flooded to the port. */
export function carries(policy: VlanPolicy, tags: readonly number[]): boolean {
  const vlan = vlanOf(tags[0] ?? 0)
  switch (policy.mode) {
    case 'access':
      return vlan === policy.tag && vlanOf(tags[1] ?? 0) === 0
    case 'dot1q-tunnel':
      return vlan === policy.tag && allowsCustomer(policy, vlanOf(tags[1] ?? 0))
    default:
      return trunksVlan(policy, vlan)
  }
}

/**
 * The tags with which a frame known by `tags` leaves through the port. As in Open vSwitch, a tag that says nothing, of VLAN
 * and priority 0, is left off with whatever is behind it.
 */
export function tagsOutside(policy: VlanPolicy, tags: readonly number[]): readonly number[] {
  const leaving = withoutOwnTag(policy, tags)
  const idle = leaving.findIndex((tag) => (tag & (PRIORITY | VLAN)) === 0)
  return idle < 0 ? leaving : leaving.slice(0, idle)
}

function withoutOwnTag(policy: VlanPolicy, tags: readonly number[]): readonly number[] {
  switch (policy.mode) {
    case 'access':
      return []
    case 'dot1q-tunnel':
      return tags.slice(1)
    case 'native-untagged':
      return vlanOf(tags[0] ?? 0) === policy.tag ? tags.slice(1) : tags
    default:
      return tags
  }
}
