// What is known of every frame that meets an action: the flow's match, and what the actions before have done to the frame. An action
// on a header that a frame may not have is refused before the first frame comes (Open vSwitch: lib/ofp-actions.c, ofpacts_check).

import type { Action, CtAction, LearnSpec, Subfield } from './control/messages.ts'
import { APPLICATION_GATEWAYS } from './control/messages.ts'
import type { Field, FieldName } from './fields.ts'
import { CtState, fieldOf } from './fields.ts'
import type { FieldMatch, Match } from './match.ts'
import { EtherType, IpProtocol, missingPrerequisite } from './match.ts'

export interface KnownFrame {
  readonly match: Match
  /** Tags that are known to be there. */
  readonly tags: number
  /** A frame that was decapsulated, or has a label around it, does not begin with an Ethernet header. */
  readonly hasEthernet: boolean
}

const TAG_PRESENT = 0x1000n

export const knownOf = (match: Match): KnownFrame => ({
  match,
  tags: missingPrerequisite(fieldOf('vlan_pcp'), match) === undefined ? 1 : 0,
  hasEthernet: true,
})

/** What the flow would have to match for every frame to have `field`, as flow text; undefined where nothing is missing. */
export function lackingToRead(field: Field, { match, tags, hasEthernet }: KnownFrame): string | undefined {
  if (!hasEthernet && OF_ETHERNET.has(field.name)) return 'an Ethernet header'
  if (field.prerequisite === 'vlan') return tags > 0 ? undefined : 'dl_vlan'
  return missingPrerequisite(field, match)
}

const OF_ETHERNET: ReadonlySet<FieldName> = new Set(['eth_src', 'eth_dst', 'vlan_tci', 'vlan_vid', 'vlan_pcp'])

/** The same for set_field and load, which write a VLAN to a tag that is there. */
export const lackingToSet = (field: Field, frame: KnownFrame): string | undefined =>
  field.name === 'vlan_vid' && frame.tags === 0 ? 'dl_vlan, or push_vlan before it' : lackingToRead(field, frame)

/** What an action needs beside the fields that it names and the actions in it. */
export function lackingFor(action: Action, frame: KnownFrame): string | undefined {
  const field = (name: FieldName) => lackingToRead(fieldOf(name), frame)
  switch (action.type) {
    case 'pop_vlan':
      return frame.tags > 0 ? undefined : 'dl_vlan'
    case 'push_mpls':
    case 'push_pbb':
      return frame.hasEthernet ? undefined : 'an Ethernet header'
    case 'pop_mpls':
      return frame.hasEthernet ? field('mpls_label') : 'an Ethernet header'
    case 'set_mpls_ttl':
    case 'dec_mpls_ttl':
    case 'copy_ttl_in':
    case 'copy_ttl_out':
      return field('mpls_ttl')
    case 'pop_pbb':
      return field('pbb_isid')
    case 'dec_ttl':
    case 'set_nw_ttl':
      return field('nw_ttl')
    case 'fin_timeout':
      return field('tcp_flags')
    case 'resubmit':
      return action.swapped ? field('ct_nw_proto') : undefined
    case 'ct':
      return lackingToTrack(action, frame)
    case 'nat':
      if (action.addresses === undefined) return undefined
      return field(action.addresses.family === 4 ? 'nw_src' : 'ipv6_src')
    default:
      return undefined
  }
}

/**
 * Whether `lackingFor` is asked of the action wherever it stands. The others do nothing to a frame that lacks what they need: an action
 * set may hold them, and OpenFlow 1.0 allows them.
 */
export const isAlwaysAsked = ({ type }: Action): boolean => type === 'ct' || type === 'nat' || type === 'resubmit'

/** A gateway goes by its protocol: FTP's is TCP, TFTP's UDP. What the tracker calls invalid is no connection to be committed. */
function lackingToTrack({ alg, commit }: CtAction, { match }: KnownFrame): string | undefined {
  if (commit && match.some(isInvalid)) return 'a ct_state without +inv'
  if (alg === APPLICATION_GATEWAYS.ftp && !isOf(IpProtocol.Tcp, match)) return 'tcp'
  if (alg === APPLICATION_GATEWAYS.tftp && !isOf(IpProtocol.Udp, match)) return 'udp'
  return missingPrerequisite(fieldOf('nw_proto'), match)
}

const isOf = (protocol: number, match: Match) =>
  match.some(({ field, value }) => field === 'nw_proto' && Number(value) === protocol)

const isInvalid = (part: FieldMatch) => part.field === 'ct_state' && (Number(part.value) & CtState.Invalid) !== 0

/** What is known once `action` is done. */
export function knownAfter(action: Action, frame: KnownFrame): KnownFrame {
  switch (action.type) {
    case 'push_vlan':
      return { ...frame, tags: frame.tags + 1 }
    case 'set_vlan_vid':
    case 'set_vlan_pcp':
      return { ...frame, tags: Math.max(frame.tags, 1) }
    case 'pop_vlan':
      return { ...frame, tags: Math.max(frame.tags - 1, 0) }
    case 'set_field':
      return action.field === 'vlan_tci' ? withTci(action.value, frame) : frame
    case 'load':
      return action.to.field === 'vlan_tci' ? withTci(action.value << BigInt(action.to.offset), frame) : frame
    case 'push_mpls':
    case 'pop_mpls':
    case 'push_pbb':
      return { ...frame, match: withPayload(action.etherType, frame.match) }
    case 'pop_pbb':
      return { ...frame, match: withPayload(undefined, frame.match), tags: 0 }
    case 'encap':
      return encapsulated(action.header, frame)
    case 'decap':
      if (frame.hasEthernet) return { ...frame, hasEthernet: false }
      return { ...frame, match: withPayload(undefined, frame.match) }
    default:
      return frame
  }
}

/** Bits outside the mask count as 0: so does Open vSwitch take them. */
const withTci = (tci: bigint, frame: KnownFrame): KnownFrame => ({
  ...frame,
  tags: (tci & TAG_PRESENT) === 0n ? 0 : Math.max(frame.tags, 1),
})

function encapsulated(header: 'ethernet' | 'mpls' | 'mpls_mc', frame: KnownFrame): KnownFrame {
  if (header === 'ethernet') return { ...frame, hasEthernet: true }
  const etherType = header === 'mpls' ? EtherType.Mpls : EtherType.MplsMulticast
  return { ...frame, match: withPayload(etherType, frame.match), hasEthernet: false }
}

/** The payload is of this type from here on, and more is not known of it; undefined: not even the type. */
function withPayload(etherType: number | undefined, match: Match): Match {
  const rest = match.filter(({ field }) => field !== 'eth_type' && fieldOf(field).prerequisite === 'none')
  return etherType === undefined ? rest : [...rest, { field: 'eth_type', value: BigInt(etherType) }]
}

/**
 * What a flow to be learned matches for certain once it has `spec` too, on which its later specs may rely (Open vSwitch: lib/learn.c,
 * learn_check).
 */
export const learnedAfter = ({ source, target }: LearnSpec, learned: Match): Match =>
  source.type === 'value' && target.type === 'match' ? withBits(learned, target.to, source.value) : learned

/** Of a field that can not be masked, a part says nothing. */
function withBits(learned: Match, { field, offset, bits }: Subfield, value: bigint): Match {
  const row = fieldOf(field)
  if (!row.maskable && bits < row.bits) return learned
  const mine = ((1n << BigInt(bits)) - 1n) << BigInt(offset)
  const before = learned.find((part) => part.field === field)
  const mask = before === undefined ? mine : (before.mask ?? row.ones) | mine
  const whole = (value << BigInt(offset)) | ((before?.value ?? 0n) & ~mine)
  const part: FieldMatch = mask === row.ones ? { field, value: whole } : { field, value: whole, mask }
  return [...learned.filter((other) => other !== before), part]
}
