import { describe, expect, test } from 'vitest'
import { ReservedPort } from '../../../protocols/control/messages.ts'
import type { Field, FieldName, OxmHeader } from '../../../protocols/fields.ts'
import { FIELDS, OxmClass } from '../../../protocols/fields.ts'
import type { Match } from '../../../protocols/match.ts'
import { ByteReader } from '../../../protocols/openflow/byte-reader.ts'
import {
  decodeMatch,
  decodeOxm,
  decodeOxmList,
  encodeMatch,
  encodeOxm,
  encodeOxmList,
} from '../../../protocols/openflow/oxm.ts'
import { seeded } from '../../../runtime/random.ts'
import { codeOf, damaged, hex, readAll, written } from '../../support/openflow-bytes.ts'
import { FIELD_REFUSALS, MATCH_REFUSALS } from '../../support/openflow-refusals.ts'
import { EVERYTHING, inOrder, randomBits, randomMatch } from '../../support/random-flows.ts'
import { seeds } from '../../support/seeds.ts'

test.each(seeds(1))('a match that was written is read again (seed %i)', (seed) => {
  const random = seeded(seed)
  for (let i = 0; i < 500; i++) {
    const match = randomMatch(random, EVERYTHING)
    const bytes = written((writer) => encodeMatch(writer, match))
    expect(bytes.length % 8).toBe(0)
    expect(readAll(bytes, decodeMatch)).toEqual(inOrder(match))
  }
})

test.each([1, 2])('fields are written behind what they need, in whatever order they are given (seed %i)', (seed) => {
  const random = seeded(seed)
  for (let i = 0; i < 300; i++) {
    const match = randomMatch(random, EVERYTHING)
    const shuffled = match.toSorted(() => random.fraction() - 0.5)
    const bytes = written((writer) => encodeOxmList(writer, shuffled))
    expect(readAll(bytes, (reader) => decodeOxmList(reader))).toEqual(inOrder(match))
  }
})

/** Bytes that are not the least that hold the field's bits. */
const WIDER = new Map<FieldName, number>([
  ['mpls_label', 4],
  ['ipv6_label', 4],
])

/** A value of the field under the header, by OpenFlow 1.3 §7.2.3.2. */
function under(field: Field, header: OxmHeader, value: bigint): Uint8Array {
  const bytes = WIDER.get(field.name) ?? Math.ceil(field.bits / 8)
  const experimenter = header.class === OxmClass.ONFOXM_ET ? '4f4e4600' : ''
  const head = [header.class >> 8, header.class & 0xff, header.field << 1, bytes + experimenter.length / 2]
  return hex(`${Buffer.from(head).toString('hex')}${experimenter}${value.toString(16).padStart(2 * bytes, '0')}`)
}

const headers = FIELDS.flatMap((field) => field.headers.map((header) => ({ field, header, name: header.name })))

test.each(headers)('$name is $field.name', ({ field, header }) => {
  expect(readAll(under(field, header, 1n), decodeOxm)).toEqual({ field: field.name, value: 1n })
})

test.each(FIELDS)('$name is said by its first header', (field) => {
  const part = { field: field.name, value: 1n }
  expect(written((writer) => encodeOxm(writer, part))).toEqual(under(field, field.headers[0]!, 1n))
})

describe('fields as others wrote them', () => {
  test.each<[string, Match[number]]>([
    ['80000a02 0800', { field: 'eth_type', value: 0x0800n }],
    ['8000070c 010000000000 010000000000', { field: 'eth_dst', value: 1n << 40n, mask: 1n << 40n }],
    ['80000d04 1000 1000', { field: 'vlan_vid', value: 0x1000n, mask: 0x1000n }],
    ['ffff5508 4f4e4600 0002 0012', { field: 'tcp_flags', value: 2n, mask: 0x12n }],
    ['0001d308 00000021 00000021', { field: 'ct_state', value: 0x21n, mask: 0x21n }],
    ['00000002 0007', { field: 'in_port', value: 7n }],
    ['00000002 fffe', { field: 'in_port', value: BigInt(ReservedPort.Local) }],
    ['00000a01 b8', { field: 'ip_dscp', value: 46n }],
    ['8000110203 ff', { field: 'ip_dscp', value: 3n }],
    // A mask of all ones, over the bits of the field or of all its bytes, says nothing.
    ['80000d04 1005 1fff', { field: 'vlan_vid', value: 0x1005n }],
    ['80000d04 1005 ffff', { field: 'vlan_vid', value: 0x1005n }],
  ])('%s', (text, part) => {
    expect(readAll(hex(text), decodeOxm)).toEqual(part)
  })

  test('a mask of all zeros leaves the field out, and one of all ones is no mask', () => {
    const bytes = hex('80000d04 0000 0000  80000d04 1005 1fff')
    expect(readAll(bytes, (reader) => decodeOxmList(reader))).toEqual([{ field: 'vlan_vid', value: 0x1005n }])
  })

  test('the packet type that Open vSwitch adds says nothing', () => {
    expect(readAll(hex('80005804 00000000 80000004 00000001'), (reader) => decodeOxmList(reader))).toEqual([
      { field: 'in_port', value: 1n },
    ])
  })

  test('of an unknown field nothing is known but its length: a loose reader goes on behind it', () => {
    const bytes = hex('8000fe03 010203 80003a01 87')
    expect(readAll(bytes, (reader) => decodeOxmList(reader, { loose: true }))).toEqual([
      { field: 'icmpv6_type', value: 0x87n },
    ])
  })
})

test.each(FIELD_REFUSALS)('%s is refused', (_name, text, code) => {
  expect(codeOf(() => readAll(hex(text), (reader) => decodeOxmList(reader)))).toBe(code)
})

test.each(MATCH_REFUSALS)('%s is refused', (_name, text, code) => {
  expect(codeOf(() => readAll(hex(text), decodeMatch))).toBe(code)
})

test('a match whose padding is missing is refused', () => {
  expect(codeOf(() => readAll(hex('0001 000a 80000a02 0800'), decodeMatch))).toBe('OFPBMC_BAD_LEN')
})

test('what follows a match is where its padding ends', () => {
  const reader = new ByteReader(hex('0001 000a 80000a02 0800 000000000000 2a'))
  expect(decodeMatch(reader)).toEqual([{ field: 'eth_type', value: 0x0800n }])
  expect(reader.u8()).toBe(42)
})

test.each(seeds(1))('damaged matches are read or refused by OpenFlow names (seed %i)', (seed) => {
  const random = seeded(seed)
  for (let i = 0; i < 3000; i++) {
    const bytes = damaged(
      random,
      written((writer) => encodeMatch(writer, randomMatch(random, EVERYTHING))),
    )
    const code = codeOf(() => readAll(bytes, (reader) => decodeMatch(reader, { loose: random.below(2) === 0 })))
    expect(code).toMatch(/^taken$|^OFPBMC_|^NXFMFC_INVALID_TLV_FIELD$/)
  }
})

test.each([1, 2])('any bytes at all are read or refused (seed %i)', (seed) => {
  const random = seeded(seed)
  for (let i = 0; i < 3000; i++) {
    const length = random.below(40)
    const bytes = hex(
      randomBits(random, 8 * length)
        .toString(16)
        .padStart(2 * length, '0'),
    )
    expect(codeOf(() => readAll(bytes, (reader) => decodeOxmList(reader)))).toMatch(
      /^taken$|^OFPBMC_|^NXFMFC_INVALID_TLV_FIELD$/,
    )
  }
})
