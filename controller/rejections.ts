// What is sent back for a frame that security groups deny, where they are to reject: a reset of TCP, or an ICMP error. Switches tell
// the controller of such frames, as many as a meter lets; those beyond are only dropped.

import type { Action, MessageOf } from '../protocols/control/messages.ts'
import { Malformed } from '../protocols/errors.ts'
import type { FieldName } from '../protocols/fields.ts'
import { EtherType, IpProtocol } from '../protocols/match.ts'
import { ipFrame, tcpFrame } from '../protocols/packet/compose.ts'
import { decodeEthernet, ETHERNET_HEADER_SIZE } from '../protocols/packet/ethernet.ts'
import { decodeIpv4, ipv4HeaderSize } from '../protocols/packet/ipv4.ts'
import { decodeIpv6, IPV6_HEADER_SIZE } from '../protocols/packet/ipv6.ts'
import { decodeIpv6Chain } from '../protocols/packet/ipv6-extensions.ts'
import { decodeTcp, TcpFlag, tcpHeaderSize } from '../protocols/packet/tcp.ts'
import { parseMac } from '../protocols/address.ts'
import { attachmentsOf } from './network/attachments.ts'
import { exitNumber, placesOf, portOfExit } from './network/bindings.ts'
import type { SwitchView } from './network/view.ts'
import type { RemoteSwitch } from './southbound/remote-switch.ts'
import { appOfCookie, Origin, Register, Side, Table } from './tables.ts'

/**
 * Sends the answer to whoever sent the frame, `at` being the switch where it was denied. One that can not be sent is lost, as any frame may
 * be. A copy that a flood has brought to somebody whom the frame is not for is nobody's to answer: RFC 1122 §3.2.1.3 has hosts discard it silently.
 */
export function reject(
  remote: RemoteSwitch,
  { cookie, match, frame }: MessageOf<'packetIn'>,
  at: SwitchView | undefined,
): void {
  if (appOfCookie(cookie) !== 'security_groups') return
  const answer = rejectionOf(frame)
  if (answer === undefined) return
  const valueOf = (field: FieldName) => match.find((part) => part.field === field)?.value ?? 0n
  const set = (field: FieldName, value: bigint): Action => ({ type: 'set_field', field, value })
  const network = set(Register.Network, valueOf(Register.Network))
  const isSent = valueOf(Register.Side) === BigInt(Side.FromVm)
  if (!isSent && !(at !== undefined && isFor(Number(valueOf(Register.To)), frame, at))) return
  const back: Action[] = isSent
    ? [set(Register.To, valueOf(Register.From)), { type: 'resubmit', table: Table.Egress }]
    : [set(Register.Origin, BigInt(Origin.Vnic)), { type: 'resubmit', table: Table.Forward }]
  remote.packetOut(answer, [network, ...back]).catch(() => {})
}

/** Whether the vNIC behind the exit has the MAC address that the frame is for. */
function isFor(exit: number, frame: Uint8Array, { name, bindings }: SwitchView): boolean {
  const { destination } = decodeEthernet(new DataView(frame.buffer, frame.byteOffset, frame.byteLength))
  return bindings.some((binding) => {
    const place = placesOf(binding).find((one) => one.switch === name && one.port === portOfExit(exit))
    const attachment = place && attachmentsOf(binding.nic).find((one) => exitNumber(place, one) === exit)
    if (attachment === undefined) return false
    const pairs = binding.nic.policy.allowedAddressPairs ?? []
    return attachment.mac === destination || pairs.some(({ mac }) => mac !== undefined && parseMac(mac) === destination)
  })
}

interface Packet {
  frame: Uint8Array
  view: DataView
  source: bigint
  destination: bigint
  addresses: { ipSrc: number; ipDst: number } | { ipSrc: bigint; ipDst: bigint }
  protocol: number
  /** Where the IP header begins, its payload, and where both end. */
  network: number
  transport: number
  end: number
}

/** The frame that answers this one; undefined for one that must not be answered (RFC 1122 §3.2.2, RFC 4443 §2.4). */
export function rejectionOf(frame: Uint8Array): Uint8Array | undefined {
  try {
    const packet = readPacket(frame)
    if (packet === undefined || !isFromOneToOne(packet)) return undefined
    return packet.protocol === IpProtocol.Tcp ? reset(packet) : unreachable(packet)
  } catch (error) {
    if (error instanceof Malformed) return undefined
    throw error
  }
}

function readPacket(frame: Uint8Array): Packet | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const { source, destination, etherType } = decodeEthernet(view)
  const ends = { frame, view, source, destination, network: ETHERNET_HEADER_SIZE }
  const at = ETHERNET_HEADER_SIZE
  if (etherType === EtherType.Ipv4) {
    const { source: ipSrc, destination: ipDst, protocol, totalLength, fragmentOffset } = decodeIpv4(view, at)
    if (fragmentOffset > 0) return undefined
    const end = Math.min(frame.length, at + totalLength)
    return { ...ends, addresses: { ipSrc, ipDst }, protocol, transport: at + ipv4HeaderSize(view, at), end }
  }
  if (etherType !== EtherType.Ipv6) return undefined
  const { source: ipSrc, destination: ipDst, nextHeader, payloadLength } = decodeIpv6(view, at)
  const end = Math.min(frame.length, at + IPV6_HEADER_SIZE + payloadLength)
  const chain = decodeIpv6Chain(view, at + IPV6_HEADER_SIZE, end, nextHeader)
  if (chain.extensions.some((one) => one.type === 'fragment' && one.offset > 0)) return undefined
  return { ...ends, addresses: { ipSrc, ipDst }, protocol: chain.protocol, transport: chain.at, end }
}

const GROUP_BIT = 1n << 40n

function isFromOneToOne({ source, destination, addresses: { ipSrc, ipDst } }: Packet): boolean {
  if (((source | destination) & GROUP_BIT) !== 0n) return false
  return isOne(ipSrc) && isOne(ipDst)
}

/** Neither unspecified, multicast nor broadcast. */
const isOne = (address: number | bigint): boolean =>
  typeof address === 'number'
    ? address >>> 24 !== 0 && address >>> 28 < 14
    : address !== 0n && address >> 120n !== 0xffn

/** RFC 9293 §3.5.2: what the other end must take for an answer to its segment. */
function reset(packet: Packet): Uint8Array | undefined {
  const { view, transport, end } = packet
  const { sourcePort, destinationPort, flags, sequence, acknowledgement } = decodeTcp(view, transport, end)
  if ((flags & TcpFlag.Rst) !== 0) return undefined
  const controls = ((flags & TcpFlag.Syn) === 0 ? 0 : 1) + ((flags & TcpFlag.Fin) === 0 ? 0 : 1)
  const length = end - transport - tcpHeaderSize(view, transport) + controls
  const numbers =
    (flags & TcpFlag.Ack) === 0
      ? { flags: TcpFlag.Rst | TcpFlag.Ack, sequence: 0, acknowledgement: (sequence + length) >>> 0 }
      : { flags: TcpFlag.Rst, sequence: acknowledgement, acknowledgement: 0 }
  return tcpFrame({ ...backwards(packet), srcPort: destinationPort, dstPort: sourcePort, window: 0, ...numbers })
}

/** Communication administratively prohibited: RFC 1812 §5.2.7.1, RFC 4443 §3.1. */
const PROHIBITED = { 4: { type: 3, code: 13 }, 6: { type: 1, code: 1 } } as const
const ERRORS4: readonly number[] = [3, 4, 5, 11, 12]
const FIRST_INFORMATIONAL6 = 128
const HEADER = 8
/** Of the packet that is answered, at most: what is sent has 576 bytes (RFC 1812 §4.3.2.3), or the least MTU of IPv6. */
const QUOTED = { 4: 576 - 20 - HEADER, 6: 1280 - IPV6_HEADER_SIZE - HEADER } as const

function unreachable(packet: Packet): Uint8Array | undefined {
  const { frame, view, addresses, protocol, network, transport, end } = packet
  const version = typeof addresses.ipSrc === 'number' ? 4 : 6
  const own = version === 4 ? IpProtocol.Icmp : IpProtocol.Icmpv6
  if (protocol === own && (transport >= end || isError(version, view.getUint8(transport)))) return undefined
  const { type, code } = PROHIBITED[version]
  const quoted = frame.subarray(network, Math.min(end, network + QUOTED[version]))
  const segment = new Uint8Array(HEADER + quoted.length)
  segment.set([type, code])
  segment.set(quoted, HEADER)
  return ipFrame({ ...backwards(packet), protocol: own, segment })
}

const isError = (version: 4 | 6, type: number): boolean =>
  version === 4 ? ERRORS4.includes(type) : type < FIRST_INFORMATIONAL6

const backwards = ({ source, destination, addresses: { ipSrc, ipDst } }: Packet) => ({
  ethSrc: destination,
  ethDst: source,
  ipSrc: ipDst,
  ipDst: ipSrc,
})
