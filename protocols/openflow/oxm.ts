// Matches on the wire: OpenFlow 1.3 §7.2.3.

import type { FieldMatch, Match } from '../match.ts'
import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'

/** An ofp_match of type OXM, padded to 8 bytes. */
export function encodeMatch(writer: ByteWriter, match: Match): void {
  encodeOxmList(writer, match)
}

/**
 * Reads an ofp_match with its padding; its fields come in the order of fields.ts.
 * @throws Refused OFPBMC_*, as Open vSwitch's lib/nx-match.c has them.
 */
export function decodeMatch(reader: ByteReader): Match {
  return decodeOxmList(reader)
}

/** Fields without an ofp_match around them. */
export function encodeOxmList(_writer: ByteWriter, _match: Match): void {}

/** Fields up to the end of `reader`; `loose` leaves out unknown ones, and asks for no prerequisites. */
export function decodeOxmList(_reader: ByteReader, _options: { loose?: boolean } = {}): Match {
  return []
}

export function encodeOxm(_writer: ByteWriter, _part: FieldMatch): void {}

export function decodeOxm(_reader: ByteReader): FieldMatch {
  return { field: 'in_port', value: 0n }
}
