// RFC 9293 §3.1.
//
//   | source port 16 | destination port 16 |
//   | sequence 32 |
//   | acknowledgement 32 |
//   | words 4 | flags 12 | window 16 |
//   | checksum 16 | urgent pointer 16 | options … |

import { requireBytes } from '../bytes.ts'
import { Malformed } from '../errors.ts'
import type { HeaderOption } from './header-options.ts'
import { decodeHeaderOptions, encodeHeaderOptions, headerOptionsSize } from './header-options.ts'

const SOURCE_PORT = 0
const DESTINATION_PORT = 2
const SEQUENCE = 4
const ACKNOWLEDGEMENT = 8
const WORDS_AND_FLAGS = 12
const WINDOW = 14
const CHECKSUM = 16
const URGENT = 18
export const TCP_HEADER_SIZE = 20

export const TcpFlag = {
  Fin: 0x01,
  Syn: 0x02,
  Rst: 0x04,
  Psh: 0x08,
  Ack: 0x10,
  Urg: 0x20,
  Ece: 0x40,
  Cwr: 0x80,
} as const

export interface TcpHeader {
  sourcePort: number
  destinationPort: number
  sequence: number
  acknowledgement: number
  /** Twelve bits, the four reserved ones on top, as `tcp_flags` matches them. */
  flags: number
  window: number
  /** As it stands in the packet. */
  checksum: number
  urgent: number
  options: HeaderOption[]
}

/** @throws Malformed a header cut short, or whose length or options do not fit. */
export function decodeTcp(view: DataView, at: number, end = view.byteLength): TcpHeader {
  requireBytes('tcp', 'header', at, end, TCP_HEADER_SIZE)
  const size = tcpHeaderSize(view, at)
  if (size < TCP_HEADER_SIZE) throw new Malformed('tcp', `header length ${size} is too small`, at + WORDS_AND_FLAGS)
  requireBytes('tcp', 'options', at, end, size)
  return {
    sourcePort: view.getUint16(at + SOURCE_PORT),
    destinationPort: view.getUint16(at + DESTINATION_PORT),
    sequence: view.getUint32(at + SEQUENCE),
    acknowledgement: view.getUint32(at + ACKNOWLEDGEMENT),
    flags: view.getUint16(at + WORDS_AND_FLAGS) & 0x0fff,
    window: view.getUint16(at + WINDOW),
    checksum: view.getUint16(at + CHECKSUM),
    urgent: view.getUint16(at + URGENT),
    options: decodeHeaderOptions('tcp', view, at + TCP_HEADER_SIZE, at + size),
  }
}

/** Bytes that this header takes. */
export const tcpSize = (header: TcpHeader): number => TCP_HEADER_SIZE + headerOptionsSize(header.options)

/** Returns where the header ends. */
export function encodeTcp(header: TcpHeader, view: DataView, at: number): number {
  view.setUint16(at + SOURCE_PORT, header.sourcePort)
  view.setUint16(at + DESTINATION_PORT, header.destinationPort)
  view.setUint32(at + SEQUENCE, header.sequence)
  view.setUint32(at + ACKNOWLEDGEMENT, header.acknowledgement)
  view.setUint16(at + WORDS_AND_FLAGS, ((tcpSize(header) / 4) << 12) | header.flags)
  view.setUint16(at + WINDOW, header.window)
  view.setUint16(at + CHECKSUM, header.checksum)
  view.setUint16(at + URGENT, header.urgent)
  return encodeHeaderOptions(header.options, view, at + TCP_HEADER_SIZE)
}

/** For the per-packet path: bytes of the header at `at` as it says itself. Length already checked. */
export const tcpHeaderSize = (view: DataView, at: number): number => (view.getUint8(at + WORDS_AND_FLAGS) >> 4) * 4
