// Writing a connection's other addresses and ports into a frame, checksums repaired.

import { internetChecksum, pseudoHeaderSum6 } from '../../protocols/checksum.ts'
import { EtherType, IpProtocol } from '../../protocols/match.ts'
import type { FrameArena, FrameHandle } from '../frames.ts'
import { addressesCovered, Covered, write16, write32 } from '../rewrite/bits.ts'
import type { Layout } from '../rewrite/layout.ts'
import { locate } from '../rewrite/layout.ts'
import type { Connection, Tuple } from './connection.ts'
import { reversed } from './connection.ts'
import { packet } from './packet.ts'

const TCP_SIZE = 20
const UDP_SIZE = 8
const ICMP_SIZE = 8

/** Which address of a frame in this direction is another's: that of the answer's receiver, or of its sender. */
export function translatedEnd(connection: Connection, reply: boolean): 'src' | 'dst' | undefined {
  if (!reply || connection.nat === undefined) return connection.nat
  return connection.nat === 'src' ? 'dst' : 'src'
}

/**
 * Makes a frame look as the far end of its connection knows it. Of an ICMP error, which is related to the connection, the
 * quoted packet is made what its sender sent. `packet` is what was read of the frame.
 */
export function translate(
  arena: FrameArena,
  frame: FrameHandle,
  connection: Connection,
  reply: boolean,
  related: boolean,
): void {
  const end = translatedEnd(connection, reply)
  if (!end) return
  // A frame that has been translated looks like the reverse of this.
  const answer = reply ? connection.original : connection.reply
  const outer = locate(arena, frame)
  writeAddress(outer, end, answer)
  if (!related) {
    writePorts(outer, outer.transport, answer)
    return
  }
  const inner = quotedLayout(outer, answer.protocol)
  const sent = reversed(answer)
  writePorts(inner, packet.quotedTransport, sent)
  writeAddress(inner, end === 'src' ? 'dst' : 'src', sent)
  sealIcmp(outer)
}

function quotedLayout(outer: Layout, protocol: number): Layout {
  const transport = packet.quotedTransport
  const size = protocol === IpProtocol.Tcp ? TCP_SIZE : protocol === IpProtocol.Udp ? UDP_SIZE : ICMP_SIZE
  const whole = transport + size <= outer.end
  return { ...outer, network: packet.quotedNetwork, protocol, transport: whole ? transport : 0, routed: false }
}

/** The new source is where answers go, the new destination is where they come from. */
function writeAddress(layout: Layout, end: 'src' | 'dst', answer: Tuple): void {
  const words = end === 'src' ? answer.destination : answer.source
  const covered = addressesCovered(layout)
  if (layout.etherType === EtherType.Ipv4) {
    const at = layout.network + (end === 'src' ? 12 : 16)
    return write32(layout, at, words[0], 0xffffffff, covered | Covered.byHeader)
  }
  const at = layout.network + (end === 'src' ? 8 : 24)
  for (let word = 0; word < 4; word++) write32(layout, at + 4 * word, words[word], 0xffffffff, covered)
}

function writePorts(layout: Layout, at: number, answer: Tuple): void {
  if (answer.protocol !== IpProtocol.Tcp && answer.protocol !== IpProtocol.Udp) return
  const covered = layout.transport === 0 ? Covered.none : Covered.byTransport
  write16(layout, at, answer.destinationPort, 0xffff, covered)
  write16(layout, at + 2, answer.sourcePort, 0xffff, covered)
}

function sealIcmp({ bytes, view, etherType, network, transport, end }: Layout): void {
  const length = end - transport
  view.setUint16(transport + 2, 0)
  const sum = etherType === EtherType.Ipv4 ? 0 : pseudoHeaderSum6(bytes, network, IpProtocol.Icmpv6, length)
  view.setUint16(transport + 2, internetChecksum(bytes, transport, length, sum))
}
