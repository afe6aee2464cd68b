// How a select group chooses: Netronome's property of OpenFlow 1.5's groups, which Open vSwitch took over (netronome-ext.h).
//
//   | type 16 | length 16 | experimenter 32 | kind 32 | pad 32 | method, 16 characters | parameter 64 | fields |
//
// A field's value is the set of bits that count.

import type { SelectionMethod } from '../control/messages.ts'
import { Refused } from '../control/refused.ts'
import type { FieldMatch } from '../match.ts'
import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'
import { decodeOxm, encodeOxm } from './oxm.ts'
import { readProperties, writeProperty } from './properties.ts'
import { readText, writeText } from './values.ts'

const EXPERIMENTER_PROPERTY = 0xffff
const NETRONOME = 0x154d
const SELECTION_METHOD = 1
const METHOD_SIZE = 16

export function encodeSelection(writer: ByteWriter, { method, parameter, fields }: SelectionMethod): void {
  writeProperty(writer, EXPERIMENTER_PROPERTY, (value) => {
    value.u32(NETRONOME)
    value.u32(SELECTION_METHOD)
    value.zero(4)
    writeText(value, method, METHOD_SIZE)
    value.u64(parameter)
    for (const { field, value: bits } of fields) encodeOxm(value, { field, value: bits })
  })
}

/** @throws Refused OFPBRC_BAD_LEN, and `unsupported` for properties and methods that nobody knows. */
export function decodeSelection(reader: ByteReader): SelectionMethod | undefined {
  let selection: SelectionMethod | undefined
  for (const { type, value } of readProperties(reader)) {
    if (type !== EXPERIMENTER_PROPERTY || value.u32() !== NETRONOME || value.u32() !== SELECTION_METHOD)
      throw new Refused('unsupported', 'selection', `groups have no property ${type}`)
    selection = readSelection(value)
  }
  return selection
}

function readSelection(value: ByteReader): SelectionMethod {
  value.skip(4)
  const method = readText(value, METHOD_SIZE)
  if (method !== 'hash' && method !== 'dp_hash')
    throw new Refused('unsupported', 'selection.method', `nobody chooses by ${method}`)
  const parameter = value.u64()
  const fields: FieldMatch[] = []
  while (value.remaining > 0) fields.push(decodeOxm(value))
  return { method, parameter, fields }
}
