// IPv6 packets on their way along a routing header. Open vSwitch 3.1 takes the routing header for the protocol of one with segments
// left (packet_rh_present, lib/packets.c), and so leaves the checksum as it was when it writes the source address.

import { viewOf } from '../../../protocols/bytes.ts'
import { EtherType } from '../../../protocols/match.ts'
import { ETHERNET_HEADER_SIZE } from '../../../protocols/packet/ethernet.ts'
import { ExtensionType, isExtension } from '../../../protocols/packet/ipv6-extensions.ts'
import { announcesVlan, VLAN_TAG_SIZE } from '../../../protocols/packet/vlan.ts'

const NEXT_HEADER = 6
const CHAIN = 40
const SEGMENTS_LEFT = 3
const SHORTEST = 8

/** The same frame with no segments left: the packet has come to its last destination. */
export function atItsEnd(frame: Uint8Array): Uint8Array {
  const view = viewOf(frame)
  let at = ETHERNET_HEADER_SIZE
  while (at + VLAN_TAG_SIZE <= frame.length && announcesVlan(view.getUint16(at - 2))) at += VLAN_TAG_SIZE
  if (at + CHAIN > frame.length || view.getUint16(at - 2) !== EtherType.Ipv6) return frame
  let kind = view.getUint8(at + NEXT_HEADER)
  for (at += CHAIN; isExtension(kind) && at + SHORTEST <= frame.length;) {
    if (kind === ExtensionType.Routing) view.setUint8(at + SEGMENTS_LEFT, 0)
    const size = extensionSize(kind, view.getUint8(at + 1))
    kind = view.getUint8(at)
    at += size
  }
  return frame
}

/** RFC 8200 §4, and RFC 4302 §2.2, which counts otherwise. */
function extensionSize(kind: number, length: number): number {
  if (kind === ExtensionType.Fragment) return SHORTEST
  return kind === ExtensionType.Authentication ? (length + 2) * 4 : (length + 1) * 8
}
