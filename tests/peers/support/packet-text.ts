// IP packets to compare, before and after a router.

import { internetChecksum } from '../../../protocols/checksum.ts'
import { EtherType } from '../../../protocols/match.ts'

const ETHERNET = 14
const HEADER4 = 20
const HEADER6 = 40
const FRAGMENT_HEADER = 8

export const isV4 = (frame: Uint8Array): boolean => frame[12] === EtherType.Ipv4 >> 8

/**
 * The packet in hexadecimal, but for what a router changes, and for the DSCP, which tells its state (linux-tracker.ts). Throws where the
 * checksum of its header is wrong.
 */
export const textOf = (frame: Uint8Array): string => normalized(frame).toString('hex')

/** The same of a datagram that has come in fragments, each byte once: its first header without what tells them apart, and all its payload. */
export function wholeText(fragments: readonly Uint8Array[]): string {
  const pieces = fragments.map(normalized).sort((a, b) => offsetOf(a) - offsetOf(b))
  const [first] = pieces
  if (first === undefined) return ''
  const payloads = pieces.map((piece) => piece.subarray(isIpv4(piece) ? HEADER4 : HEADER6 + FRAGMENT_HEADER))
  return Buffer.concat([unfragmentedHeader(first), ...payloads]).toString('hex')
}

function normalized(frame: Uint8Array): Buffer {
  const packet = Buffer.from(frame.subarray(ETHERNET))
  if (isV4(frame)) {
    if (internetChecksum(packet, 0, HEADER4) !== 0) throw new Error('a wrong header checksum')
    packet[1] = 0
    packet[8] = 0
    packet.writeUInt16BE(0, 10)
  } else {
    packet[0]! &= 0xf0
    packet[1]! &= 0x0f
    packet[7] = 0
  }
  return packet
}

const isIpv4 = (packet: Buffer) => packet[0]! >> 4 === 4

const offsetOf = (packet: Buffer): number =>
  isIpv4(packet) ? (packet.readUInt16BE(6) & 0x1fff) * 8 : packet.readUInt16BE(HEADER6 + 2) & 0xfff8

/** Without length, offset and flags; of IPv6 without the number that Linux gives them anew. */
function unfragmentedHeader(packet: Buffer): Buffer {
  if (!isIpv4(packet)) {
    const header = Buffer.from(packet.subarray(0, HEADER6 + FRAGMENT_HEADER))
    header.writeUInt16BE(0, 4)
    header.writeUInt16BE(0, HEADER6 + 2)
    header.writeUInt32BE(0, HEADER6 + 4)
    return header
  }
  const header = Buffer.from(packet.subarray(0, HEADER4))
  header.writeUInt16BE(0, 2)
  header.writeUInt16BE(0, 6)
  return header
}
