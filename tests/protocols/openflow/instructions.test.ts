import { expect, test } from 'vitest'
import type { Instructions } from '../../../protocols/control/messages.ts'
import { decodeInstructions, encodeInstructions } from '../../../protocols/openflow/instructions.ts'
import { seeded } from '../../../runtime/random.ts'
import { codeOf, damaged, hex, readAll, spokenInstructions, written } from '../../support/openflow-bytes.ts'
import { INSTRUCTION_REFUSALS } from '../../support/openflow-refusals.ts'
import { EVERYTHING, randomFlow } from '../../support/random-flows.ts'
import { seeds } from '../../support/seeds.ts'

const bytesFor = (instructions: Instructions) => written((writer) => encodeInstructions(writer, instructions))
const read = (bytes: Uint8Array) => readAll(bytes, decodeInstructions)

const NOTHING: Instructions = { apply: [], clear: false, write: [] }
const OUTPUT = '0000 0010 00000001 0000 000000000000'
const output = { type: 'output', port: 1 } as const

test.each(seeds(1))('instructions that were written are read again (seed %i)', (seed) => {
  const random = seeded(seed)
  for (let i = 0; i < 500; i++) {
    const instructions = spokenInstructions(randomFlow(random, EVERYTHING).instructions)
    const bytes = bytesFor(instructions)
    expect(bytes.length % 8).toBe(0)
    expect(read(bytes)).toEqual(instructions)
  }
})

test('no instructions are no bytes', () => {
  expect(bytesFor(NOTHING)).toHaveLength(0)
  expect(read(hex(''))).toEqual(NOTHING)
})

test.each<[string, string, Instructions]>([
  ['goto_table', '0001 0008 07 000000', { ...NOTHING, gotoTable: 7 }],
  [
    'write_metadata',
    '0002 0018 00000000 0000000000000012 00000000000000ff',
    { ...NOTHING, writeMetadata: { value: 0x12n, mask: 0xffn } },
  ],
  ['write_actions', `0003 0018 00000000 ${OUTPUT}`, { ...NOTHING, write: [output] }],
  ['apply_actions', `0004 0018 00000000 ${OUTPUT}`, { ...NOTHING, apply: [output] }],
  ['clear_actions', '0005 0008 00000000', { ...NOTHING, clear: true }],
  ['meter', '0006 0008 00000005', { ...NOTHING, meter: 5 }],
  [
    'the order of writing is of no account',
    `0001 0008 07 000000 0004 0018 00000000 ${OUTPUT} 0006 0008 00000005`,
    { ...NOTHING, apply: [output], meter: 5, gotoTable: 7 },
  ],
])('%s', (_name, text, instructions) => {
  expect(read(hex(text))).toEqual(instructions)
})

test.each(INSTRUCTION_REFUSALS)('%s is refused', (_name, text, code) => {
  expect(codeOf(() => read(hex(text)))).toBe(code)
})

test.each(seeds(1))('damaged instructions are read or refused by OpenFlow names (seed %i)', (seed) => {
  const random = seeded(seed)
  for (let i = 0; i < 2000; i++) {
    const bytes = damaged(random, bytesFor(randomFlow(random, EVERYTHING).instructions))
    expect(codeOf(() => read(bytes))).toMatch(
      /^taken$|^OFPBIC_|^OFPBAC_|^OFPBMC_|^NXB|^OFPTFFC_|^NXFMFC_INVALID_TLV_FIELD$/,
    )
  }
})
