// Headers that come and go: MPLS, provider backbone bridges, Ethernet itself (OpenFlow 1.3 §5.12; Open vSwitch's
// `compose_mpls_push_action` and its neighbours).

import type { Action } from '../../protocols/control/messages.ts'
import { MAX_LABELS, Word } from '../../protocols/fields.ts'
import { EtherType } from '../../protocols/match.ts'
import type { DropReason } from '../drops.ts'
import { BOTTOM_OF_STACK, isMpls } from './header-stacks.ts'
import type { Translation } from './translation.ts'

const LABEL_SHIFT = 12
const CLASS_SHIFT = 9
const TTL = 0xff
const IPV4_EXPLICIT_NULL = 0
const IPV6_EXPLICIT_NULL = 2
const DEFAULT_TTL = 64

/** Why the frame can go no further; or that it has to be read anew before anything else is done. */
export type HeaderOutcome = DropReason | 'read_anew' | undefined

type HeaderAction = Extract<
  Action,
  { type: 'push_mpls' | 'pop_mpls' | 'push_pbb' | 'pop_pbb' | 'encap' | 'decap' | 'copy_ttl_out' | 'copy_ttl_in' }
>

export function changeHeaders(frame: Translation, action: HeaderAction): HeaderOutcome {
  switch (action.type) {
    case 'push_mpls':
      return pushMpls(frame, action.etherType)
    case 'pop_mpls':
      return popMpls(frame, action.etherType)
    case 'push_pbb':
      return pushPbb(frame)
    case 'pop_pbb':
      return popPbb(frame)
    case 'encap':
      return action.header === 'ethernet' ? encapEthernet(frame) : encapMpls(frame, action.header)
    case 'decap':
      return decap(frame, action.packetType ?? 0)
    case 'copy_ttl_out':
    case 'copy_ttl_in':
      return copyTtl(frame, action.type)
  }
}

/** Traffic class and TTL are those of the entry below; of the first one, those of the IP header, as Open vSwitch makes them. */
function pushMpls(frame: Translation, etherType: number): HeaderOutcome {
  const { labels } = frame
  if (labels.length >= MAX_LABELS) return 'too_many_mpls_labels'
  if (labels.length > 0) {
    frame.setLabels([(labels[0] & ~BOTTOM_OF_STACK) >>> 0, ...labels], etherType)
    return undefined
  }
  const entry = firstEntry(frame)
  frame.hidePayload()
  frame.setLabels([entry], etherType)
  return undefined
}

function firstEntry(frame: Translation): number {
  const type = frame.read(Word.etherType)
  const isIp = type === EtherType.Ipv4 || type === EtherType.Ipv6
  const trafficClass = isIp ? (frame.read(Word.trafficClass) >>> 2) & 7 : 0
  const ttl = isIp ? frame.read(Word.ttl) || DEFAULT_TTL : DEFAULT_TTL
  return ((firstLabel(frame) << LABEL_SHIFT) | (trafficClass << CLASS_SHIFT) | BOTTOM_OF_STACK | ttl) >>> 0
}

/** As in Open vSwitch, no more of what is within than whether it is IPv6. */
const aroundAll = (frame: Translation): number =>
  ((firstLabel(frame) << LABEL_SHIFT) | BOTTOM_OF_STACK | DEFAULT_TTL) >>> 0

const firstLabel = (frame: Translation): number =>
  frame.read(Word.etherType) === EtherType.Ipv6 ? IPV6_EXPLICIT_NULL : IPV4_EXPLICIT_NULL

function popMpls(frame: Translation, etherType: number): HeaderOutcome {
  const { labels } = frame
  if (labels.length === 0) return undefined
  if (goesOnUnseen(labels)) return 'too_many_mpls_labels'
  frame.setLabels(labels.slice(1), etherType)
  if (!isMpls(etherType)) frame.unread = true
  return undefined
}

const goesOnUnseen = (labels: readonly number[]) =>
  labels.length === MAX_LABELS && (labels[MAX_LABELS - 1] & BOTTOM_OF_STACK) === 0

/** The service instance is that of the header below, where there is one. */
function pushPbb(frame: Translation): HeaderOutcome {
  const isPbb = frame.read(Word.etherType) === EtherType.Pbb
  const serviceId = isPbb ? frame.read(Word.pbbServiceId) : 0
  frame.do({ type: 'push_pbb', serviceId })
  frame.cover(EtherType.Pbb)
  frame.key[Word.pbbServiceId] = serviceId
  return undefined
}

function popPbb(frame: Translation): HeaderOutcome {
  if (frame.read(Word.etherType) !== EtherType.Pbb) return undefined
  frame.do({ type: 'pop_pbb' })
  return 'read_anew'
}

function encapEthernet(frame: Translation): HeaderOutcome {
  if (!frame.bare) return 'unsupported_packet_type'
  frame.do({ type: 'push_ethernet', etherType: frame.read(Word.etherType) })
  frame.setBare(false)
  return undefined
}

/** Around all of the frame, its Ethernet header as well, which is then bare. */
function encapMpls(frame: Translation, header: 'mpls' | 'mpls_mc'): HeaderOutcome {
  const { labels, bare } = frame
  const etherType = header === 'mpls' ? EtherType.Mpls : EtherType.MplsMulticast
  if (bare && labels.length >= MAX_LABELS) return 'too_many_mpls_labels'
  const below = bare ? labels : []
  const entry = below.length > 0 ? (below[0] & ~BOTTOM_OF_STACK) >>> 0 : aroundAll(frame)
  frame.do({ type: 'push_mpls', etherType, entry, ...(!bare && { around: true }) })
  frame.cover(etherType)
  frame.setBare(true)
  for (const [index, label] of [entry, ...below].entries()) frame.key[Word.mpls + index] = label
  return undefined
}

function decap(frame: Translation, packetType: number): HeaderOutcome {
  const type = frame.read(Word.etherType)
  if (!frame.bare) {
    if (frame.tags.length > 0) return 'unsupported_packet_type'
    frame.do({ type: 'pop_ethernet' })
    frame.setBare(true)
    return undefined
  }
  return isMpls(type) ? decapMpls(frame, packetType & 0xffff || EtherType.Bridged) : 'unsupported_packet_type'
}

function decapMpls(frame: Translation, below: number): HeaderOutcome {
  const { labels } = frame
  if (labels.length === 0) return undefined
  if (goesOnUnseen(labels)) return 'too_many_mpls_labels'
  const isLast = labels.length === 1
  frame.do({ type: 'pop_mpls', etherType: isLast ? below : frame.key[Word.etherType] })
  labels
    .slice(1)
    .concat(0)
    .forEach((label, index) => (frame.key[Word.mpls + index] = label))
  if (!isLast) return undefined
  frame.key[Word.etherType] = below
  frame.bare = below !== EtherType.Bridged
  return 'read_anew'
}

/** Between two entries that are seen, in the key; between an entry and what is below it, in the frame itself. */
function copyTtl(frame: Translation, type: 'copy_ttl_out' | 'copy_ttl_in'): HeaderOutcome {
  const [outer, inner, ...below] = frame.labels
  const etherType = frame.key[Word.etherType]
  if (outer === undefined || inner === undefined) {
    frame.do({ type })
    frame.unread = true
  } else if (type === 'copy_ttl_out') {
    frame.setLabels([((outer & ~TTL) | (inner & TTL)) >>> 0, inner, ...below], etherType)
  } else {
    frame.setLabels([outer, ((inner & ~TTL) | (outer & TTL)) >>> 0, ...below], etherType)
  }
  return undefined
}
