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
import { EVERYTHING, inOrder, randomBits, randomMatch } from '../../support/random-flows.ts'

test.each([1, 2, 3, 4, 5])('a match that was written is read again (seed %i)', (seed) => {
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

describe('a match is refused as Open vSwitch refuses it', () => {
  test.each([
    ['unknown field', '8000fe02 0001', 'OFPBMC_BAD_FIELD'],
    ['unknown experimenter', 'ffff5406 00001234 0012', 'OFPBMC_BAD_FIELD'],
    ['known field of another length', '80000a03 080000', 'OFPBMC_BAD_FIELD'],
    ['cut in the header', '80000a', 'OFPBMC_BAD_LEN'],
    ['cut in the value', '80000a02 08', 'OFPBMC_BAD_LEN'],
    ['no room for the experimenter', 'ffff5403 4f4e4600', 'OFPBMC_BAD_LEN'],
    ['given twice', '80000004 00000001 80000004 00000001', 'OFPBMC_DUP_FIELD'],
    ['given twice, as a half and a whole', '00010004 00000001 80010008 0000000000000001', 'OFPBMC_DUP_FIELD'],
    ['given twice under two names', '80000d04 1000 1000 00000802 1005', 'OFPBMC_DUP_FIELD'],
    ['masked and unmaskable', '80000b04 0800 0fff', 'OFPBMC_BAD_MASK'],
    ['bits outside the mask', '00010108 00000003 00000001', 'OFPBMC_BAD_WILDCARDS'],
    ['a VLAN of 14 bits', '80000c02 3001', 'OFPBMC_BAD_VALUE'],
    ['an ARP operation of 9 bits', '80000a02 0806 80002a02 0100', 'OFPBMC_BAD_VALUE'],
    ['a port between 16 and 32 bits', '80000004 00010000', 'OFPBMC_BAD_VALUE'],
    ['an ECN in the traffic class', '80000a02 0800 00000a01 b9', 'OFPBMC_BAD_VALUE'],
    ['a port without a protocol', '80000a02 0800 80001a02 0050', 'OFPBMC_BAD_PREREQ'],
    ['a port before its protocol', '80000a02 0800 80001a02 0050 80001401 06', 'OFPBMC_BAD_PREREQ'],
  ])('%s', (_name, text, code) => {
    expect(codeOf(() => readAll(hex(text), (reader) => decodeOxmList(reader)))).toBe(code)
  })

  test.each([
    ['no header', '000100', 'OFPBMC_BAD_LEN'],
    ['another type', '0000 0058', 'OFPBMC_BAD_TYPE'],
    ['a length less than the header', '0001 0003 00000000', 'OFPBMC_BAD_LEN'],
    ['a length past the end', '0001 000a 80000a02 08', 'OFPBMC_BAD_LEN'],
    ['padding past the end', '0001 000a 80000a02 0800', 'OFPBMC_BAD_LEN'],
  ])('%s', (_name, text, code) => {
    expect(codeOf(() => readAll(hex(text), decodeMatch))).toBe(code)
  })
})

test('what follows a match is where its padding ends', () => {
  const reader = new ByteReader(hex('0001 000a 80000a02 0800 000000000000 2a'))
  expect(decodeMatch(reader)).toEqual([{ field: 'eth_type', value: 0x0800n }])
  expect(reader.u8()).toBe(42)
})

test.each([1, 2, 3])('damaged matches are read or refused by OpenFlow names (seed %i)', (seed) => {
  const random = seeded(seed)
  for (let i = 0; i < 3000; i++) {
    const bytes = damaged(
      random,
      written((writer) => encodeMatch(writer, randomMatch(random, EVERYTHING))),
    )
    const code = codeOf(() => readAll(bytes, (reader) => decodeMatch(reader, { loose: random.below(2) === 0 })))
    expect(code).toMatch(/^taken$|^OFPBMC_/)
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
    expect(codeOf(() => readAll(bytes, (reader) => decodeOxmList(reader)))).toMatch(/^taken$|^OFPBMC_/)
  }
})
