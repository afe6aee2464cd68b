// Lists of things that say their own length in their first two bytes, or have all the same.

import { Refused } from '../control/refused.ts'
import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'

/** Reads items up to the end of `reader`. Each takes at least one byte. */
export function readAll<Item>(reader: ByteReader, readItem: (reader: ByteReader) => Item): Item[] {
  const items: Item[] = []
  while (reader.remaining > 0) items.push(readItem(reader))
  return items
}

const LENGTH_SIZE = 2

/** What stands behind a length of 16 bits that counts itself; `least` is the least that it can be. */
export function readSized(reader: ByteReader, least: number): ByteReader {
  const length = reader.u16()
  if (length < least) throw new Refused('bad_request', '', `an entry of ${length} bytes has no room for its ${least}`)
  return reader.sub(length - LENGTH_SIZE)
}

/** Writes a length of 16 bits that counts itself, and then `write`. */
export function writeSized(writer: ByteWriter, write: () => void): void {
  const start = writer.length
  writer.u16(0)
  write()
  writer.setU16(start, writer.length - start)
}
