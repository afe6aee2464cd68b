// RFC 768.
//
//   | source port 16 | destination port 16 | length 16 | checksum 16 |

import { requireBytes } from '../bytes.ts'
import { Malformed } from '../errors.ts'

const SOURCE_PORT = 0
const DESTINATION_PORT = 2
const LENGTH = 4
const CHECKSUM = 6
export const UDP_HEADER_SIZE = 8

export interface UdpHeader {
  sourcePort: number
  destinationPort: number
  /** Bytes of header and data together. */
  length: number
  /** As it stands in the packet; 0 over IPv4 is none. */
  checksum: number
}

/** @throws Malformed fewer than eight bytes, or a length of fewer. */
export function decodeUdp(view: DataView, at: number, end = view.byteLength): UdpHeader {
  requireBytes('udp', 'header', at, end, UDP_HEADER_SIZE)
  const length = view.getUint16(at + LENGTH)
  if (length < UDP_HEADER_SIZE) throw new Malformed('udp', `length ${length} is too small`, at + LENGTH)
  return {
    sourcePort: view.getUint16(at + SOURCE_PORT),
    destinationPort: view.getUint16(at + DESTINATION_PORT),
    length,
    checksum: view.getUint16(at + CHECKSUM),
  }
}

/** Returns where the header ends. */
export function encodeUdp(header: UdpHeader, view: DataView, at: number): number {
  view.setUint16(at + SOURCE_PORT, header.sourcePort)
  view.setUint16(at + DESTINATION_PORT, header.destinationPort)
  view.setUint16(at + LENGTH, header.length)
  view.setUint16(at + CHECKSUM, header.checksum)
  return at + UDP_HEADER_SIZE
}
