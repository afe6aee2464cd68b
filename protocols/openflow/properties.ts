// Lists of properties, each padded to 8 bytes: OpenFlow 1.3 §7.3.5.5.2 and, the same, in Open vSwitch's extensions (lib/ofp-prop.c).
//
//   | type 16 | length 16, without the padding | value |

import type { ErrorCode } from '../control/error-codes.ts'
import { Refused } from '../control/refused.ts'
import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'

const HEADER_SIZE = 4

export interface Property {
  type: number
  value: ByteReader
}

/** All properties up to the end of `reader`. @throws Refused with `code` where one does not fit. */
export function readProperties(reader: ByteReader, code: ErrorCode = 'OFPBRC_BAD_LEN'): Property[] {
  const properties: Property[] = []
  const list = reader.sub(reader.remaining, code)
  while (list.remaining > 0) {
    const type = list.u16()
    const length = list.u16()
    if (length < HEADER_SIZE) throw new Refused(code, '', `property length ${length} is less than its header's`)
    properties.push({ type, value: list.sub(length - HEADER_SIZE, code) })
    list.skip(Math.min((8 - (length % 8)) % 8, list.remaining))
  }
  return properties
}

export function writeProperty(writer: ByteWriter, type: number, writeValue: (writer: ByteWriter) => void): void {
  const start = writer.length
  writer.u16(type)
  writer.u16(0)
  writeValue(writer)
  writer.setU16(start + 2, writer.length - start)
  writer.alignTo8(start)
}

/** A property whose value starts at a multiple of 8 bytes: 64-bit numbers, and properties in it. */
export function writeAlignedProperty(writer: ByteWriter, type: number, writeValue: (writer: ByteWriter) => void): void {
  writeProperty(writer, type, (inner) => {
    inner.zero(4)
    writeValue(inner)
  })
}
