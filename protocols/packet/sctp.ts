// RFC 9260 §3.1: the common header; chunks follow.
//
//   | source port 16 | destination port 16 | verification tag 32 | checksum 32 |

import { requireBytes } from '../bytes.ts'
import { crc32c } from '../checksum.ts'

const SOURCE_PORT = 0
const DESTINATION_PORT = 2
const VERIFICATION_TAG = 4
const CHECKSUM = 8
export const SCTP_HEADER_SIZE = 12

export interface SctpHeader {
  sourcePort: number
  destinationPort: number
  verificationTag: number
  /** The CRC-32C as it stands in the packet; the only field that goes least significant byte first. */
  checksum: number
}

/** @throws Malformed fewer than twelve bytes. */
export function decodeSctp(view: DataView, at: number, end = view.byteLength): SctpHeader {
  requireBytes('sctp', 'header', at, end, SCTP_HEADER_SIZE)
  return {
    sourcePort: view.getUint16(at + SOURCE_PORT),
    destinationPort: view.getUint16(at + DESTINATION_PORT),
    verificationTag: view.getUint32(at + VERIFICATION_TAG),
    checksum: view.getUint32(at + CHECKSUM, true),
  }
}

/** Returns where the header ends. */
export function encodeSctp(header: SctpHeader, view: DataView, at: number): number {
  view.setUint16(at + SOURCE_PORT, header.sourcePort)
  view.setUint16(at + DESTINATION_PORT, header.destinationPort)
  view.setUint32(at + VERIFICATION_TAG, header.verificationTag)
  view.setUint32(at + CHECKSUM, header.checksum, true)
  return at + SCTP_HEADER_SIZE
}

const NO_CHECKSUM = new Uint8Array(4)

/**
 * The CRC-32C of a packet of `length` bytes, its own checksum field counted as zero. At least a header must be there. For the
 * per-packet path too: allocates nothing. Write it with `setUint32(at + 8, crc, true)`.
 */
export function sctpChecksum(bytes: Uint8Array, at: number, length: number): number {
  const ports = crc32c(bytes, at, CHECKSUM)
  const header = crc32c(NO_CHECKSUM, 0, 4, ports)
  return crc32c(bytes, at + SCTP_HEADER_SIZE, length - SCTP_HEADER_SIZE, header)
}
