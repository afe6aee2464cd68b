import { describe, expect, test } from 'vitest'
import { checkFlowMod } from '../../datapath/flow-check.ts'
import type { FlowMod } from '../../protocols/control/messages.ts'
import { ReservedPort } from '../../protocols/control/messages.ts'
import { parseFlow } from '../../protocols/flow-text/parse.ts'
import { printFlow } from '../../protocols/flow-text/print.ts'
import { seeded } from '../../runtime/random.ts'
import {
  applying,
  clone,
  code,
  conjunction,
  instructing,
  ip,
  ipv6,
  is,
  output,
  refusal,
  tagged,
  tcp,
} from '../support/checked-flows.ts'
import { EVERYTHING, randomFlow } from '../support/random-flows.ts'
import { flowMod } from '../support/test-tables.ts'
import { seeds } from '../support/seeds.ts'

test.each<[string, Partial<FlowMod>, string, string]>([
  ['a table past the last', { table: 254 }, 'OFPFMFC_BAD_TABLE_ID', 'table'],
  ['all tables for an add', { table: 255 }, 'OFPFMFC_BAD_TABLE_ID', 'table'],
  ['a missing prerequisite', { match: [is('nw_src', 1)] }, 'OFPBMC_BAD_PREREQ', 'match.nw_src'],
  [
    'a port of a later fragment',
    { match: [...tcp, is('ip_frag', 3), is('tcp_src', 1)] },
    'OFPBMC_BAD_PREREQ',
    'match.tcp_src',
  ],
  [
    'a tuple of nothing known',
    { match: [...ip, is('ct_state', 0x20, 0x20), is('ct_nw_src', 1)] },
    'OFPBMC_BAD_PREREQ',
    'match.ct_nw_src',
  ],
  [
    'a tuple of the other family',
    { match: [...ipv6, is('ct_state', 0x21, 0x21), is('ct_nw_src', 1)] },
    'OFPBAC_MATCH_INCONSISTENT',
    'match.ct_nw_src',
  ],
  ['a masked priority', { match: [...tagged, is('vlan_pcp', 1, 1)] }, 'OFPBMC_BAD_MASK', 'match.vlan_pcp'],
  ['a bit outside its mask', { match: [is('reg0', 3, 1)] }, 'OFPBMC_BAD_WILDCARDS', 'match.reg0'],
  ['a value too wide', { match: [{ field: 'in_port', value: 1n << 32n }] }, 'OFPBMC_BAD_VALUE', 'match.in_port'],
  ['the same field twice', { match: [is('in_port', 1), is('in_port', 1)] }, 'OFPBMC_DUP_FIELD', 'match.in_port'],
  ['a packet that was not kept', { bufferId: 7 }, 'OFPBRC_BUFFER_UNKNOWN', 'bufferId'],
  ['a timeout past its field', { idleTimeout: 65536 }, 'bad_request', 'idleTimeout'],
  ['a filter for no port', { outPort: 0x10000 }, 'OFPBAC_BAD_OUT_PORT', 'outPort'],
  ['no such meter', instructing({ meter: 4 }), 'OFPMMFC_INVALID_METER', 'instructions.meter'],
  ['meter 0', instructing({ meter: 0 }), 'OFPMMFC_INVALID_METER', 'instructions.meter'],
  ['a way back', instructing({ gotoTable: 3 }, 3), 'OFPBIC_BAD_TABLE_ID', 'instructions.gotoTable'],
  ['a way past the last table', instructing({ gotoTable: 254 }), 'OFPBIC_BAD_TABLE_ID', 'instructions.gotoTable'],
])('a flow mod with %s is refused', (_name, mod, wanted, field) => {
  expect(refusal(mod)).toEqual({ code: wanted, field })
})

test.each([
  [0x01, 0x01],
  [0x20, 0x30],
  [0x40, 0x40],
  [0x08, 0x08],
])('a tuple can be matched where ct_state is %i/%i', (value, mask) => {
  expect(refusal({ match: [...ip, is('ct_state', value, mask), is('ct_nw_src', 1)] })).toBeUndefined()
})

test('a delete may name all tables, and what it would do is not looked at', () => {
  const mod: Partial<FlowMod> = { command: 'delete', table: 255, outPort: ReservedPort.Any, bufferId: 7 }
  expect(refusal({ ...mod, ...applying([], { type: 'output', port: 0xffff }), table: 255 })).toBeUndefined()
})

describe('a conjunction', () => {
  test.each<[string, Partial<FlowMod>]>([
    ['beside an output', applying([], conjunction(1, 2), output)],
    ['of one clause', applying([], conjunction(1, 1))],
    ['of 65 clauses', applying([], conjunction(1, 65))],
    ['past its last clause', applying([], conjunction(3, 2))],
    ['with a way on', instructing({ apply: [conjunction(1, 2)], gotoTable: 1 })],
    ['in a clone', applying([], clone(conjunction(1, 2)))],
  ])('%s is refused', (_name, mod) => {
    expect(code(mod)).toBe('NXBAC_BAD_CONJUNCTION')
  })
})

test.each(seeds(2))('flow text and a switch refuse the same flows (seed %i)', (seed) => {
  const random = seeded(seed)
  const context = { meterExists: () => true, groupExists: () => true, consistent: true } as const
  let refused = 0
  for (let index = 0; index < 500; index++) {
    const flow = randomFlow(random, EVERYTHING)
    const text = printFlow(flow)
    // Flow text lets a tag be taken off any frame, as OpenFlow 1.0 does.
    if (text.includes('pop_vlan')) continue
    const bySwitch = isThrown(() => checkFlowMod(flowMod(flow), context))
    expect([text, isThrown(() => parseFlow(text))]).toEqual([text, bySwitch])
    if (bySwitch) refused++
  }
  expect(refused).toBeGreaterThan(0)
})

function isThrown(action: () => void): boolean {
  try {
    action()
    return false
  } catch {
    return true
  }
}
