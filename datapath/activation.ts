// By what a guest shows that it goes on at a port: the frames that hypervisors and guests send after a move.

import type { ActivationFrame } from '../protocols/control/messages.ts'
import { EtherType, IpProtocol } from '../protocols/match.ts'
import { ETHERNET_HEADER_SIZE } from '../protocols/packet/ethernet.ts'
import type { FrameArena, FrameHandle } from './frames.ts'
import { payloadLength } from './payload-length.ts'

/** ARP for IPv4 over Ethernet (RFC 826): operation, sender's and target's protocol address. */
const ARP = { operation: 6, sender: 14, target: 24, size: 28 } as const
/** RFC 903. */
const REQUEST_REVERSE = 3
/** RFC 8200 §3 and RFC 4861 §4.4. */
const IPV6 = { nextHeader: 6, size: 40 } as const
const ADVERTISEMENT = { type: 136, flags: 4, solicited: 0x40, size: 24 } as const

/** Which of these the frame is; undefined where it is none. */
export function shownBy(
  arena: FrameArena,
  frame: FrameHandle,
  wanted: readonly ActivationFrame[],
): ActivationFrame | undefined {
  const kind = kindOf(arena, frame)
  return kind !== undefined && wanted.includes(kind) ? kind : undefined
}

function kindOf(arena: FrameArena, frame: FrameHandle): ActivationFrame | undefined {
  const { view } = arena
  const size = arena.length[frame]!
  if (size < ETHERNET_HEADER_SIZE) return undefined
  const left = payloadLength(arena, frame)
  const at = arena.offset[frame]! + size - left
  const etherType = view.getUint16(at - 2)
  if (etherType === EtherType.Ipv6) return isUnsolicited(view, at, left) ? 'na' : undefined
  if (left < ARP.size) return undefined
  if (etherType === EtherType.Rarp) return view.getUint16(at + ARP.operation) === REQUEST_REVERSE ? 'rarp' : undefined
  if (etherType !== EtherType.Arp) return undefined
  // RFC 5227 §3: request or reply, about the sender itself.
  return view.getUint32(at + ARP.sender) === view.getUint32(at + ARP.target) ? 'garp' : undefined
}

function isUnsolicited(view: DataView, at: number, left: number): boolean {
  if (left < IPV6.size + ADVERTISEMENT.size || view.getUint8(at + IPV6.nextHeader) !== IpProtocol.Icmpv6) return false
  const body = at + IPV6.size
  return (
    view.getUint8(body) === ADVERTISEMENT.type &&
    (view.getUint8(body + ADVERTISEMENT.flags) & ADVERTISEMENT.solicited) === 0
  )
}
