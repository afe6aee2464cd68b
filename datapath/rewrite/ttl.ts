// OpenFlow 1.3 §5.12: the TTL of the outermost header that has one and of the next one within, copied from one to the other.
// A label's next is another label or, at the bottom of the stack, the IP header behind; that of an IP header is the IP header
// that it carries (RFC 2003, RFC 2473).

import { updateChecksum } from '../../protocols/checksum.ts'
import { EtherType } from '../../protocols/match.ts'
import { isBottomOfStack, LABEL_SIZE, labelTtlAt, typeBelowLabels } from '../../protocols/packet/mpls.ts'
import type { FrameArena, FrameHandle } from '../frames.ts'
import type { Layout } from './layout.ts'
import { locate } from './layout.ts'

const IPV4 = { size: 20, ttl: 8, checksum: 10 } as const
const IPV6 = { size: 40, hopLimit: 7 } as const
/** IP protocols that are IP. */
const WITHIN = { ipv4: 4, ipv6: 41 } as const

/** The next header's TTL becomes that of the outermost one. */
export function copyTtlOut(arena: FrameArena, frame: FrameHandle): void {
  const layout = locate(arena, frame)
  const innerType = typeWithin(layout)
  if (innerType !== 0) setTtl(layout, outerType(layout), outerAt(layout), ttlOf(layout, innerType, innerAt(layout)))
}

/** The outermost header's TTL becomes that of the next one. */
export function copyTtlIn(arena: FrameArena, frame: FrameHandle): void {
  const layout = locate(arena, frame)
  const innerType = typeWithin(layout)
  if (innerType !== 0) setTtl(layout, innerType, innerAt(layout), ttlOf(layout, outerType(layout), outerAt(layout)))
}

const outerType = ({ labels, etherType }: Layout) => (labels > 0 ? EtherType.Mpls : etherType)
const outerAt = ({ labels, payload, network }: Layout) => (labels > 0 ? payload : network)
const innerAt = ({ labels, payload, carried }: Layout) => (labels > 0 ? payload + LABEL_SIZE : carried)

/** What the next header is, by its ethertype; 0 where there are no two headers with a TTL, both whole. */
function typeWithin(layout: Layout): number {
  if (layout.labels > 1) return EtherType.Mpls
  if (layout.labels === 0) return wholeIp(layout, typeCarried(layout))
  const { view, payload, end } = layout
  return isBottomOfStack(view, payload) ? wholeIp(layout, typeBelowLabels(view, payload + LABEL_SIZE, end)) : 0
}

function typeCarried({ etherType, network, carried, protocol }: Layout): number {
  const isIp = etherType === EtherType.Ipv4 || etherType === EtherType.Ipv6
  if (network === 0 || carried === 0 || !isIp) return 0
  return protocol === WITHIN.ipv4 ? EtherType.Ipv4 : protocol === WITHIN.ipv6 ? EtherType.Ipv6 : 0
}

/** `etherType` where the next header is a whole one of it. */
function wholeIp(layout: Layout, etherType: number): number {
  const { view, end } = layout
  const at = innerAt(layout)
  if (etherType === EtherType.Ipv6) return at + IPV6.size <= end ? etherType : 0
  if (etherType !== EtherType.Ipv4 || at + IPV4.size > end) return 0
  const headerSize = (view.getUint8(at) & 15) * 4
  return headerSize >= IPV4.size && at + headerSize <= end ? etherType : 0
}

function ttlOf({ view }: Layout, etherType: number, at: number): number {
  switch (etherType) {
    case EtherType.Ipv4:
      return view.getUint8(at + IPV4.ttl)
    case EtherType.Ipv6:
      return view.getUint8(at + IPV6.hopLimit)
    default:
      return view.getUint8(labelTtlAt(at))
  }
}

function setTtl({ view }: Layout, etherType: number, at: number, ttl: number): void {
  switch (etherType) {
    case EtherType.Ipv4: {
      const before = view.getUint16(at + IPV4.ttl)
      view.setUint8(at + IPV4.ttl, ttl)
      const checksum = view.getUint16(at + IPV4.checksum)
      view.setUint16(at + IPV4.checksum, updateChecksum(checksum, before, view.getUint16(at + IPV4.ttl)))
      return
    }
    case EtherType.Ipv6:
      return view.setUint8(at + IPV6.hopLimit, ttl)
    default:
      return view.setUint8(labelTtlAt(at), ttl)
  }
}
