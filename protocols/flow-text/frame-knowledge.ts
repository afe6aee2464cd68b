// What is known of a frame when an action meets it: the flow's match, and what the actions before have done to it. Open vSwitch
// refuses an action on a field that the frame may not have (lib/ofp-actions.c, ofpacts_check).

import type { Action, CtAction } from '../control/messages.ts'
import type { Field } from '../fields.ts'
import { CtState, fieldOf } from '../fields.ts'
import type { FieldMatch, Match } from '../match.ts'
import { EtherType, missingPrerequisite } from '../match.ts'

export interface Knowledge {
  readonly match: Match
  /** Tags that are known to be there. */
  readonly tags: number
  /** The header that the frame begins with; `unknown` once two were taken off. */
  readonly outermost: 'ethernet' | 'inner' | 'unknown'
}

const PRESENT = 0x1000n
const TAGGED: FieldMatch = { field: 'vlan_vid', value: PRESENT, mask: PRESENT }
const LATER_FRAGMENT = 2n

export const knownOf = (match: Match): Knowledge => ({
  match,
  tags: missingPrerequisite(fieldOf('vlan_pcp'), match) === undefined ? 1 : 0,
  outermost: 'ethernet',
})

/** What `field` needs in a match and does not find there, as flow text: its prerequisite, and that later fragments have no ports. */
export function lacking(field: Field, match: Match): string | undefined {
  const missing = missingPrerequisite(field, match)
  if (missing !== undefined) return missing
  if (BEYOND_FRAGMENTS.has(field.prerequisite) && match.some(isLater)) return 'a first fragment'
  return undefined
}

/** The same of a field that is matched: a connection's addresses are of the frame's family. */
export function lackingToMatch(field: Field, match: Match): string | undefined {
  if (field.prerequisite !== 'ct') return lacking(field, match)
  if (field.format === 'ipv4') return missingPrerequisite(fieldOf('nw_src'), match) ?? lacking(field, match)
  if (field.format === 'ipv6') return missingPrerequisite(fieldOf('ipv6_src'), match) ?? lacking(field, match)
  return lacking(field, match)
}

const BEYOND_FRAGMENTS = new Set<Field['prerequisite']>(['tcp', 'udp', 'sctp', 'icmp', 'icmp6', 'nd', 'ns', 'na'])

const isLater = (part: FieldMatch) =>
  part.field === 'ip_frag' && (part.value & (part.mask ?? fieldOf('ip_frag').ones) & LATER_FRAGMENT) !== 0n

/** What an action needs to read `field`. */
export function lackingToRead(field: Field, { match, outermost }: Knowledge): string | undefined {
  if (ETHERNET.test(field.name) && outermost !== 'ethernet') return 'an Ethernet header'
  return lacking(field, match)
}

const ETHERNET = /^(eth_src|eth_dst|vlan_)/

/** What set_field and load need to write `field`: a VLAN is written to a tag that is there. */
export const lackingToSet = (field: Field, known: Knowledge): string | undefined =>
  field.name === 'vlan_vid' && known.tags === 0 ? 'dl_vlan, or push_vlan before it' : lackingToRead(field, known)

/** Prerequisites of actions that name no field. */
export function lackingFor(action: Action, known: Knowledge): string | undefined {
  const field = (name: Field['name']) => lackingToRead(fieldOf(name), known)
  switch (action.type) {
    case 'push_mpls':
      return known.outermost === 'ethernet' ? undefined : 'an Ethernet header'
    case 'pop_mpls':
      return known.outermost === 'ethernet' ? field('mpls_label') : 'an Ethernet header'
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
      return lackingToTrack(action, known)
    case 'nat':
      if (action.addresses === undefined) return undefined
      return field(action.addresses.family === 4 ? 'nw_src' : 'ipv6_src')
    default:
      return undefined
  }
}

/** A gateway goes by its protocol: FTP's is TCP, TFTP's UDP. What the tracker calls invalid is no connection to be committed. */
function lackingToTrack({ alg, commit }: CtAction, { match }: Knowledge): string | undefined {
  if (commit && match.some(isInvalid)) return 'a ct_state without +inv'
  if (alg === GATEWAYS.ftp) return lacking(fieldOf('tcp_src'), match)
  if (alg === GATEWAYS.tftp) return lacking(fieldOf('udp_src'), match)
  return lacking(fieldOf('nw_proto'), match)
}

const isInvalid = (part: FieldMatch) => part.field === 'ct_state' && (Number(part.value) & CtState.Invalid) !== 0

/** Application layer gateways, by their ports. */
export const GATEWAYS = { ftp: 21, tftp: 69 } as const

/** What is known once `action` is done. */
export function knownAfter(action: Action, known: Knowledge): Knowledge {
  switch (action.type) {
    case 'push_vlan':
      return tagged(known, known.tags + 1)
    case 'set_vlan_vid':
    case 'set_vlan_pcp':
      return tagged(known, Math.max(1, known.tags))
    case 'pop_vlan':
      return tagged(known, Math.max(0, known.tags - 1))
    case 'push_mpls':
    case 'push_pbb':
      return { ...known, match: typed(known.match, action.etherType, false) }
    case 'pop_mpls':
      return { ...known, match: typed(known.match, action.etherType, true) }
    case 'pop_pbb':
      return { ...known, match: withoutFrame(known.match), tags: 0 }
    case 'encap':
      return encapsulated(action.header, known)
    case 'decap':
      return known.outermost === 'ethernet'
        ? { ...known, outermost: 'inner' }
        : { match: withoutFrame(known.match), tags: 0, outermost: 'unknown' }
    default:
      return known
  }
}

const withoutTag = (match: Match) => match.filter((part) => !part.field.startsWith('vlan_'))

const tagged = (known: Knowledge, tags: number): Knowledge => ({
  ...known,
  tags,
  match: tags === 0 ? withoutTag(known.match) : [...withoutTag(known.match), TAGGED],
})

/** With another Ethernet type; what is behind it may still be what it was (`pop_mpls`), or is not to be seen (`push_mpls`). */
const typed = (match: Match, etherType: number, keepsPayload: boolean): Match => [
  ...match.filter(({ field }) => field !== 'eth_type' && (keepsPayload || !NETWORK.has(fieldOf(field).prerequisite))),
  { field: 'eth_type', value: BigInt(etherType) },
]

const NETWORK = new Set<Field['prerequisite']>(['ip', 'ipv4', 'ipv6', 'arp', 'mpls', 'pbb', ...BEYOND_FRAGMENTS])

const withoutFrame = (match: Match): Match =>
  withoutTag(match).filter(({ field }) => field !== 'eth_type' && !NETWORK.has(fieldOf(field).prerequisite))

function encapsulated(header: 'ethernet' | 'mpls' | 'mpls_mc', known: Knowledge): Knowledge {
  if (header === 'ethernet') return { ...known, outermost: 'ethernet' }
  const etherType = header === 'mpls' ? EtherType.Mpls : EtherType.MplsMulticast
  return { ...known, match: typed(known.match, etherType, false), outermost: 'inner' }
}
