// The first message each way, and which version the two agree on: OpenFlow 1.3 §6.3.1 and §7.5.1.

import type { Body } from './body.ts'
import { body } from './body.ts'
import { ByteReader } from './byte-reader.ts'
import { HEADER_SIZE, MessageCode, VERSION, readHeader } from './header.ts'

/** OFPHET_VERSIONBITMAP. */
const VERSION_BITMAP = 1
const ELEMENT_HEADER_SIZE = 4
const BITMAP_SIZE = 4

export interface Offer {
  /** The highest version that the sender speaks. */
  version: number
  /** All of them, where it said so. */
  versions?: number[]
}

/** What we offer: OpenFlow 1.3 and nothing else. */
export const OFFER: Offer = { version: VERSION, versions: [VERSION] }

/** The sender's highest version is the header's. */
export const HELLO: Body = body(
  'hello',
  { message: MessageCode.Hello },
  (writer, { versions }) => {
    if (versions === undefined) return
    writer.u16(VERSION_BITMAP)
    const bitmaps = toBitmaps(versions)
    writer.u16(ELEMENT_HEADER_SIZE + BITMAP_SIZE * bitmaps.length)
    for (const bitmap of bitmaps) writer.u32(bitmap)
    writer.alignTo8(HEADER_SIZE)
  },
  (reader, { version }) => offerIn(reader, version),
)

function toBitmaps(versions: readonly number[]): number[] {
  const bitmaps = Array.from({ length: 1 + (Math.max(0, ...versions) >> 5) }, () => 0)
  for (const version of versions) bitmaps[version >> 5] = ((bitmaps[version >> 5] ?? 0) | (1 << (version & 31))) >>> 0
  return bitmaps
}

/** Reads a hello of any version. Elements that nobody knows, and what is left of one cut short, say nothing. */
export function decodeHello(bytes: Uint8Array): Offer {
  const reader = new ByteReader(bytes)
  return offerIn(reader, readHeader(reader).version)
}

function offerIn(reader: ByteReader, version: number): Offer & { type: 'hello' } {
  const versions = readVersions(reader)
  reader.skip(reader.remaining)
  return { type: 'hello', version, ...(versions !== undefined && { versions }) }
}

function readVersions(reader: ByteReader): number[] | undefined {
  let versions: number[] | undefined
  while (reader.remaining >= ELEMENT_HEADER_SIZE) {
    const [type, length] = [reader.u16(), reader.u16()]
    const size = length - ELEMENT_HEADER_SIZE
    if (size < 0 || size > reader.remaining) return versions
    const element = reader.sub(size)
    reader.skip(Math.min((8 - (length % 8)) % 8, reader.remaining))
    if (type === VERSION_BITMAP && versions === undefined) versions = readBitmap(element)
  }
  return versions
}

function readBitmap(element: ByteReader): number[] {
  const versions: number[] = []
  for (let first = 0; element.remaining >= BITMAP_SIZE && first <= 0xff; first += 32) {
    const bits = element.u32()
    for (let bit = 0; bit < 32; bit++) if (((bits >>> bit) & 1) === 1) versions.push(first + bit)
  }
  return versions
}

/** Whether the sender speaks OpenFlow 1.3: by its list, or, where it has none, since the lower of both highest versions is it. */
export const agreesOn13 = ({ version, versions }: Offer): boolean =>
  versions === undefined || versions.length === 0 ? version >= VERSION : versions.includes(VERSION)
