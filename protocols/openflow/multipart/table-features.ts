// OFPMP_TABLE_FEATURES: OpenFlow 1.3 §7.3.5.5. What a table can do is the same of all, and written as Open vSwitch writes it
// (lib/ofp-table.c); what a request says of it is read for its form alone.
//
//   | length 16 | table 8 | pad 40 | name, 32 characters | metadata matched 64 | written 64 | config 32 | flows 32 | properties |

import type { TableFeatures } from '../../control/messages.ts'
import { ALL_TABLES, LAST_TABLE } from '../../control/messages.ts'
import { Refused } from '../../control/refused.ts'
import type { Field } from '../../fields.ts'
import { FIELDS } from '../../fields.ts'
import { ACTION_CODES, instructionCodes } from '../abilities.ts'
import type { Body } from '../body.ts'
import { listBody } from '../body.ts'
import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'
import { MultipartCode, reply, request } from '../header.ts'
import { readAll, writeSized } from '../lists.ts'
import { wireFieldOf, writeHeader } from '../oxm.ts'
import { readProperties, writeProperty } from '../properties.ts'
import { readText, writeText } from '../values.ts'

const SIZE = 64
const NAME_SIZE = 32

/** OFPTFPT_*: of a flow; of a miss one more. */
const Property = {
  Instructions: 0,
  NextTables: 2,
  WriteActions: 4,
  ApplyActions: 6,
  Match: 8,
  Wildcards: 10,
  WriteSetField: 12,
  ApplySetField: 14,
} as const
const MISS = 1
const KNOWN: ReadonlySet<number> = new Set([...Array(16).keys()].filter((type) => type !== 9 && type !== 11))

/** Instructions and actions by number, with the length of their own headers. */
function writeCodes(writer: ByteWriter, type: number, codes: readonly number[]): void {
  writeProperty(writer, type, (value) => {
    for (const code of codes) {
      value.u16(code)
      value.u16(4)
    }
  })
}

function writeFields(writer: ByteWriter, type: number, fields: readonly Field[], masks = false): void {
  writeProperty(writer, type, (value) => {
    for (const field of fields) writeHeader(value, wireFieldOf(field.name), masks && field.maskable)
  })
}

const SETTABLE = FIELDS.filter(({ settable }) => settable)

function writeInstructionProperties(writer: ByteWriter, table: number, miss: number): void {
  writeCodes(writer, Property.Instructions + miss, instructionCodes(table))
  writeProperty(writer, Property.NextTables + miss, (value) => {
    for (let next = table + 1; next <= LAST_TABLE; next++) value.u8(next)
  })
  writeCodes(writer, Property.WriteActions + miss, ACTION_CODES)
  writeFields(writer, Property.WriteSetField + miss, SETTABLE)
  writeCodes(writer, Property.ApplyActions + miss, ACTION_CODES)
  writeFields(writer, Property.ApplySetField + miss, SETTABLE)
}

function writeTable(writer: ByteWriter, features: TableFeatures): void {
  writeSized(writer, () => {
    writer.u8(features.table)
    writer.zero(5)
    writeText(writer, features.name, NAME_SIZE)
    writer.u64(features.metadataMatch)
    writer.u64(features.metadataWrite)
    writer.u32(0)
    writer.u32(features.maxFlows)
    writeInstructionProperties(writer, features.table, 0)
    writeInstructionProperties(writer, features.table, MISS)
    writeFields(writer, Property.Match, FIELDS, true)
    writeFields(writer, Property.Wildcards, FIELDS)
  })
}

/** @throws Refused OFPTFFC_BAD_LEN, OFPTFFC_BAD_TABLE, OFPTFFC_BAD_TYPE. */
function readTable(list: ByteReader): TableFeatures {
  const length = list.u16()
  if (length < SIZE || length % 8 !== 0)
    throw new Refused('OFPTFFC_BAD_LEN', 'features', `a table's features can not take ${length} bytes`)
  const reader = list.sub(length - 2, 'OFPTFFC_BAD_LEN')
  const table = reader.u8()
  if (table === ALL_TABLES) throw new Refused('OFPTFFC_BAD_TABLE', 'features', 'features are those of one table')
  reader.skip(5)
  const name = readText(reader, NAME_SIZE)
  const [metadataMatch, metadataWrite] = [reader.u64(), reader.u64()]
  reader.skip(4)
  const maxFlows = reader.u32()
  for (const { type } of readProperties(reader, 'OFPTFFC_BAD_LEN'))
    if (!KNOWN.has(type)) throw new Refused('OFPTFFC_BAD_TYPE', 'features', `tables have no property ${type}`)
  return { table, name, metadataMatch, metadataWrite, maxFlows }
}

const tables = (reader: ByteReader) => readAll(reader.sub(reader.remaining, 'OFPTFFC_BAD_LEN'), readTable)

const tableFeaturesRequest = listBody(
  'tableFeaturesRequest',
  request(MultipartCode.TableFeatures),
  ({ features }) => features ?? [],
  writeTable,
  (reader) =>
    reader.remaining === 0
      ? { type: 'tableFeaturesRequest' }
      : { type: 'tableFeaturesRequest', features: tables(reader) },
)

const tableFeaturesReply = listBody(
  'tableFeaturesReply',
  reply(MultipartCode.TableFeatures),
  (message) => message.tables,
  writeTable,
  (reader) => ({ type: 'tableFeaturesReply', tables: tables(reader) }),
)

export const TABLE_FEATURES: readonly Body[] = [tableFeaturesRequest, tableFeaturesReply]
