import { crc32c } from '../../protocols/checksum.ts'
import { Word } from '../../protocols/fields.ts'
import { IpProtocol } from '../../protocols/match.ts'
import { isTcpHeader } from '../flow-key.ts'
import { Covered, write16 } from './bits.ts'
import type { Layout } from './layout.ts'

/** Ports of TCP, UDP and SCTP; type and code of ICMP. */
export function setTransportWord(layout: Layout, word: number, value: number, mask: number): void {
  if (layout.transport === 0) return
  if (word !== Word.transportSource && word !== Word.transportDestination) return
  const isSource = word === Word.transportSource
  switch (layout.protocol) {
    case IpProtocol.Icmp:
    case IpProtocol.Icmpv6:
      return setIcmpOctet(layout, isSource, value & 0xff, mask & 0xff)
    case IpProtocol.Sctp:
      return setSctpPort(layout, isSource, value & 0xffff, mask & 0xffff)
    case IpProtocol.Tcp:
      // Like the key, Open vSwitch sees no ports in a header whose size can not be; its checksum it repairs all the same.
      if (!isTcpHeader(layout.view, layout.transport, layout.end)) return
      return setPort(layout, isSource, value & 0xffff, mask & 0xffff, Covered.byTransport)
    default:
      return setPort(layout, isSource, value & 0xffff, mask & 0xffff, Covered.byTransport)
  }
}

/** The type is the high octet of the header's first word, the code the low one. */
function setIcmpOctet(layout: Layout, isType: boolean, value: number, mask: number): void {
  const shift = isType ? 8 : 0
  write16(layout, layout.transport, value << shift, mask << shift, Covered.byTransport)
}

function setPort(layout: Layout, isSource: boolean, value: number, mask: number, covered: number): void {
  write16(layout, layout.transport + (isSource ? 0 : 2), value, mask, covered)
}

/**
 * SCTP's CRC32c (RFC 9260 §6.8) changes by the difference of the packet's own before and after, so that a wrong one stays
 * wrong. It covers the whole packet: in a first fragment, whose rest is not here, it can not be repaired.
 */
function setSctpPort(layout: Layout, isSource: boolean, value: number, mask: number): void {
  const CHECKSUM = 8
  const at = layout.transport
  const length = layout.end - at
  const before = crc32c(layout.bytes, at, length)
  setPort(layout, isSource, value, mask, Covered.none)
  const change = before ^ crc32c(layout.bytes, at, length)
  layout.view.setUint32(at + CHECKSUM, layout.view.getUint32(at + CHECKSUM, true) ^ change, true)
}
