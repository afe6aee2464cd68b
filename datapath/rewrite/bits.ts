// Writing bits of a header so that the checksums over them stay as right, or as wrong, as they were: RFC 1624, equation 3.

import { updateChecksum } from '../../protocols/checksum.ts'
import { EtherType, IpProtocol } from '../../protocols/match.ts'
import type { Layout } from './layout.ts'

/** Which checksums cover the bits that are written; a sum of these. */
export const Covered = { none: 0, byHeader: 1, byTransport: 2 } as const

const IPV4_CHECKSUM = 10

/** Writes the bits of `mask` of the 16-bit word at `at`, an even distance from the start of every checksum over it. */
export function write16(layout: Layout, at: number, value: number, mask: number, covered: number): void {
  const old = layout.view.getUint16(at)
  const next = (old & ~mask) | (value & mask)
  if (next === old) return
  layout.view.setUint16(at, next)
  if ((covered & Covered.byHeader) !== 0) repair(layout, layout.network + IPV4_CHECKSUM, old, next)
  if ((covered & Covered.byTransport) !== 0) repairTransport(layout, old, next)
}

/** The same for 32 bits. */
export function write32(layout: Layout, at: number, value: number, mask: number, covered: number): void {
  write16(layout, at, value >>> 16, mask >>> 16, covered)
  write16(layout, at + 2, value & 0xffff, mask & 0xffff, covered)
}

/** Whether the transport checksum, if the frame has one, covers the IP addresses. */
export function addressesCovered(layout: Layout): number {
  const { protocol, transport } = layout
  const pseudoHeader =
    protocol === IpProtocol.Tcp ||
    protocol === IpProtocol.Udp ||
    (protocol === IpProtocol.Icmpv6 && layout.etherType === EtherType.Ipv6)
  return transport !== 0 && pseudoHeader ? Covered.byTransport : Covered.none
}

function repairTransport(layout: Layout, old: number, next: number): void {
  if (layout.protocol === IpProtocol.Udp) repairUdp(layout, layout.transport + 6, old, next)
  else repair(layout, layout.transport + (layout.protocol === IpProtocol.Tcp ? 16 : 2), old, next)
}

function repair(layout: Layout, at: number, old: number, next: number): void {
  layout.view.setUint16(at, updateChecksum(layout.view.getUint16(at), old, next))
}

/** RFC 768: 0 says that there is no checksum, and a sum that comes to 0 is sent as all ones. */
function repairUdp(layout: Layout, at: number, old: number, next: number): void {
  const checksum = layout.view.getUint16(at)
  if (checksum !== 0) layout.view.setUint16(at, updateChecksum(checksum, old, next) || 0xffff)
}
