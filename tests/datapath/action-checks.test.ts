import { describe, expect, test } from 'vitest'
import type { CheckContext } from '../../datapath/flow-check.ts'
import { checkActions, checkFlowMod } from '../../datapath/flow-check.ts'
import type {
  Action,
  BundleAction,
  CtAction,
  FlowMod,
  Instructions,
  LearnAction,
  Subfield,
} from '../../protocols/control/messages.ts'
import { ReservedPort } from '../../protocols/control/messages.ts'
import type { FieldName } from '../../protocols/fields.ts'
import { fieldOf } from '../../protocols/fields.ts'
import type { FieldMatch, Match } from '../../protocols/match.ts'
import { seeded } from '../../runtime/random.ts'
import { admissible } from '../support/admissible-flows.ts'
import { EVERYTHING, randomFlow } from '../support/random-flows.ts'
import { flowMod, refusalOf } from '../support/test-tables.ts'

const there: CheckContext = {
  meterExists: (meter) => meter === 1,
  groupExists: (group) => group === 1,
  consistent: true,
}
const is = (field: FieldName, value: number, mask?: number): FieldMatch => ({
  field,
  value: BigInt(value),
  ...(mask !== undefined && { mask: BigInt(mask) }),
})
const ip: Match = [is('eth_type', 0x0800)]
const ipv6: Match = [is('eth_type', 0x86dd)]
const tcp: Match = [...ip, is('nw_proto', 6)]
const mpls: Match = [is('eth_type', 0x8847)]
const tagged: Match = [is('vlan_vid', 0x1005)]

const whole = (field: FieldName): Subfield => ({ field, offset: 0, bits: fieldOf(field).bits })
const part = (field: FieldName, offset: number, bits: number): Subfield => ({ field, offset, bits })
const set = (field: FieldName, value: number, mask?: number): Action => ({
  type: 'set_field',
  ...is(field, value, mask),
})
const output: Action = { type: 'output', port: 1 }
const push: Action = { type: 'push_vlan', etherType: 0x8100 }
const pushMpls: Action = { type: 'push_mpls', etherType: 0x8847 }
const popMpls = (etherType: number): Action => ({ type: 'pop_mpls', etherType })
const clone = (...actions: Action[]): Action => ({ type: 'clone', actions })
const conjunction = (clause: number, clauses: number): Action => ({ type: 'conjunction', id: 1, clause, clauses })
const note: Action = { type: 'note', data: new Uint8Array(6) }
const nestedClones = (depth: number): Action => (depth === 1 ? clone() : clone(nestedClones(depth - 1)))
const ct = (given: Partial<CtAction> = {}): Action => ({
  type: 'ct',
  commit: false,
  force: false,
  zone: 0,
  alg: 0,
  actions: [],
  ...given,
})
const nat = (given: Partial<Extract<Action, { type: 'nat' }>> = {}): Action => ({ type: 'nat', ...given })
const v4 = { family: 4, first: 1n, last: 2n } as const
const v6 = { family: 6, first: 1n, last: 2n } as const
const bundle = (given: Partial<BundleAction>): Action => ({
  type: 'bundle',
  fields: 'eth_src',
  basis: 0,
  algorithm: 'hrw',
  members: [1],
  ...given,
})
const multipath = (links: number, to: Subfield): Action => ({
  type: 'multipath',
  fields: 'eth_src',
  basis: 0,
  algorithm: 'modulo_n',
  links,
  argument: 0,
  to,
})
const learn = (given: Partial<LearnAction>): Action => ({
  type: 'learn',
  table: 1,
  priority: 1,
  cookie: 0n,
  idleTimeout: 0,
  hardTimeout: 0,
  finIdleTimeout: 0,
  finHardTimeout: 0,
  sendFlowRemoved: false,
  deleteLearned: false,
  limit: 0,
  specs: [],
  ...given,
})
const sample = (probability: number): Action => ({
  type: 'sample',
  probability,
  collectorSet: 0,
  observationDomain: 0,
  observationPoint: 0,
})

const applying = (match: Match, ...apply: Action[]): Partial<FlowMod> => ({
  match,
  instructions: { apply, clear: false, write: [] },
})
const writing = (match: Match, ...write: Action[]): Partial<FlowMod> => ({
  match,
  instructions: { apply: [], clear: false, write },
})
const instructing = (given: Partial<Instructions>, table = 0): Partial<FlowMod> => ({
  table,
  instructions: { apply: [], clear: false, write: [], ...given },
})

const refusal = (mod: Partial<FlowMod>) => refusalOf(() => checkFlowMod(flowMod(mod), there))
const code = (mod: Partial<FlowMod>) => refusal(mod)?.code

// What a real Open vSwitch 3.1 said of the same flows over OpenFlow 1.3.
describe('as Open vSwitch', () => {
  test.each<[string, Partial<FlowMod>]>([
    [
      'port 0, and the highest that a port may have',
      applying([], { type: 'output', port: 0 }, { type: 'output', port: 0xfeff }),
    ],
    ['TABLE', applying([], { type: 'output', port: ReservedPort.Table })],
    [
      'a look-up in its own table',
      applying(ip, { type: 'resubmit', table: 254 }, ct({ table: 254 }), learn({ table: 254 })),
    ],
    ['a controller with a meter that is not there', applying([], { type: 'controller', maxLength: 9, meter: 9 })],
    ['conjunctions and notes', applying([], conjunction(1, 2), note, conjunction(64, 64))],
    ['decapsulation', applying(ip, { type: 'decap' }, output)],
    ['encapsulation', applying([], { type: 'encap', header: 'mpls' }, set('mpls_label', 3))],
    ['a tag that was pushed', applying([], push, set('vlan_vid', 0x1010), set('vlan_pcp', 4))],
    ['tags of OpenFlow 1.0', applying([], { type: 'set_vlan_vid', vid: 3 }, { type: 'set_vlan_pcp', pcp: 2 })],
    ['a pop in an action set', writing([], { type: 'pop_vlan' }, output)],
    ['a plain output to the controller in an action set', writing([], { type: 'controller', maxLength: 0xffff })],
    ['labels that were pushed', applying(ip, pushMpls, set('mpls_tc', 1), popMpls(0x0800), { type: 'dec_ttl' })],
    ['a tag written whole', applying([], set('vlan_tci', 0x1005), set('vlan_pcp', 1))],
    ['a second tag that was pushed, and the first', applying([], push, push, { type: 'pop_vlan' }, set('vlan_pcp', 1))],
    [
      'ct of everything',
      applying(
        tcp,
        ct({
          commit: true,
          force: true,
          alg: 21,
          actions: [set('ct_mark', 1), nat({ direction: 'src', addresses: v4 })],
        }),
      ),
    ],
    [
      'a TTL of its own, and a path of sixteen',
      applying(ip, { type: 'set_nw_ttl', ttl: 3 }, multipath(16, part('reg0', 0, 4))),
    ],
  ])('takes %s', (_name, mod) => {
    expect(refusal(mod)).toBeUndefined()
  })

  test.each<[string, Partial<FlowMod>, string, string]>([
    ['a port past the last', applying([], { type: 'output', port: 0xff00 }), 'OFPBAC_BAD_OUT_PORT', '[0].port'],
    ['ANY', applying([], { type: 'output', port: ReservedPort.Any }), 'OFPBAC_BAD_OUT_PORT', '[0].port'],
    [
      'a group that is not there, in a clone',
      applying([], clone({ type: 'group', group: 7 })),
      'OFPBAC_BAD_OUT_GROUP',
      '[0].actions[0].group',
    ],
    [
      'a clone in too many others',
      applying([], nestedClones(17)),
      'OFPBAC_BAD_ARGUMENT',
      `[0]${'.actions[0]'.repeat(16)}`,
    ],
    ['no tag to take off', applying([], { type: 'pop_vlan' }), 'OFPBAC_MATCH_INCONSISTENT', '[0]'],
    ['a tag that only a clone has', applying([], clone(push), set('vlan_pcp', 3)), 'OFPBAC_MATCH_INCONSISTENT', '[1]'],
    [
      'a tag that is gone',
      applying(tagged, { type: 'pop_vlan' }, set('vlan_pcp', 4)),
      'OFPBAC_MATCH_INCONSISTENT',
      '[1]',
    ],
    [
      'a tag that was wiped',
      applying(tagged, set('vlan_tci', 0), set('vlan_pcp', 3)),
      'OFPBAC_MATCH_INCONSISTENT',
      '[1]',
    ],
    ['a VLAN without a tag', applying([], set('vlan_vid', 0x1010)), 'OFPBAC_MATCH_INCONSISTENT', '[0]'],
    ['a VLAN that is none', applying(tagged, set('vlan_vid', 0x10)), 'OFPBAC_BAD_SET_ARGUMENT', '[0].value'],
    [
      'a tag of another type',
      applying([], { type: 'push_vlan', etherType: 0x9100 }),
      'OFPBAC_BAD_ARGUMENT',
      '[0].etherType',
    ],
    [
      'a label of another type',
      applying([], { type: 'push_mpls', etherType: 0x0800 }),
      'OFPBAC_BAD_ARGUMENT',
      '[0].etherType',
    ],
    ['a TTL under a label', applying(ip, pushMpls, { type: 'dec_ttl' }), 'OFPBAC_MATCH_INCONSISTENT', '[1]'],
    [
      'a port under what was a label',
      applying(tcp, pushMpls, popMpls(0x0800), set('tcp_src', 3)),
      'OFPBAC_MATCH_INCONSISTENT',
      '[2]',
    ],
    ['a TTL of IP where there is MPLS', applying(mpls, { type: 'dec_ttl' }), 'OFPBAC_MATCH_INCONSISTENT', '[0]'],
    ['a TTL of MPLS where there is none', applying([], { type: 'dec_mpls_ttl' }), 'OFPBAC_MATCH_INCONSISTENT', '[0]'],
    [
      'the end of no TCP',
      applying([], { type: 'fin_timeout', idleTimeout: 3, hardTimeout: 0 }),
      'OFPBAC_MATCH_INCONSISTENT',
      '[0]',
    ],
    [
      'a tuple that is not there',
      applying([], { type: 'resubmit', table: 3, swapped: true }),
      'OFPBAC_MATCH_INCONSISTENT',
      '[0]',
    ],
    [
      'a field of another protocol',
      applying([is('eth_type', 0x0806)], set('icmp_type', 4)),
      'OFPBAC_MATCH_INCONSISTENT',
      '[0]',
    ],
    ['a field that is not for writing', applying([], set('eth_type', 1)), 'OFPBAC_BAD_SET_ARGUMENT', '[0].field'],
    ['a value too wide', applying([], set('vlan_tci', 1 << 16)), 'OFPBAC_BAD_SET_ARGUMENT', '[0].value'],
    ['a mark outside ct', applying(ip, set('ct_mark', 1)), 'OFPBAC_BAD_SET_ARGUMENT', '[0]'],
    ['nat outside ct', applying(ip, nat()), 'OFPBAC_BAD_SET_ARGUMENT', '[0]'],
    ['ct of what is no IP', applying([], ct()), 'OFPBAC_MATCH_INCONSISTENT', '[0]'],
    [
      'a commit of what is invalid',
      applying([...ip, is('ct_state', 0x30, 0x30)], ct({ commit: true })),
      'OFPBAC_MATCH_INCONSISTENT',
      '[0]',
    ],
    ['a forced look', applying(ip, ct({ force: true })), 'OFPBAC_BAD_ARGUMENT', '[0].force'],
    [
      'a mark without a commit',
      applying(ip, ct({ actions: [set('ct_mark', 1)] })),
      'OFPBAC_BAD_ARGUMENT',
      '[0].actions',
    ],
    ['an output in ct', applying(ip, ct({ commit: true, actions: [output] })), 'OFPBAC_BAD_ARGUMENT', '[0].actions[0]'],
    [
      'another field in ct',
      applying(ip, ct({ commit: true, actions: [set('reg0', 1)] })),
      'OFPBAC_BAD_ARGUMENT',
      '[0].actions[0]',
    ],
    ['FTP over what is no TCP', applying(ip, ct({ alg: 21 })), 'OFPBAC_MATCH_INCONSISTENT', '[0].alg'],
    ['a zone of 8 bits', applying(ip, ct({ zone: part('reg0', 0, 8) })), 'OFPBAC_BAD_SET_LEN', '[0].zone'],
    [
      'addresses of the other family',
      applying(ip, ct({ commit: true, actions: [nat({ direction: 'src', addresses: v6 })] })),
      'OFPBAC_MATCH_INCONSISTENT',
      '[0].actions[0].addresses',
    ],
    [
      'addresses without a direction',
      applying(ip, ct({ commit: true, actions: [nat({ addresses: v4 })] })),
      'OFPBAC_BAD_ARGUMENT',
      '[0].actions[0]',
    ],
    [
      'a range that runs backwards',
      applying(ip, ct({ commit: true, actions: [nat({ direction: 'dst', ports: { first: 2, last: 1 } })] })),
      'OFPBAC_BAD_ARGUMENT',
      '[0].actions[0].ports',
    ],
    [
      'five bytes of a frame',
      applying([], { type: 'output_trunc', port: 1, maxLength: 5 }),
      'OFPBAC_BAD_ARGUMENT',
      '[0].maxLength',
    ],
    [
      'a controller in a bundle',
      applying([], bundle({ members: [1, ReservedPort.Controller] })),
      'OFPBAC_BAD_OUT_PORT',
      '[0].members[1]',
    ],
    [
      'a register too narrow for a port',
      applying([], bundle({ to: part('reg0', 0, 15) })),
      'OFPBAC_BAD_ARGUMENT',
      '[0].to.bits',
    ],
    [
      'a register too narrow for a path',
      applying([], multipath(1000, part('reg0', 0, 4))),
      'OFPBAC_BAD_ARGUMENT',
      '[0].to.bits',
    ],
    ['more paths than 65536', applying([], multipath(65537, whole('reg0'))), 'OFPBAC_BAD_ARGUMENT', '[0].links'],
    ['samples of nothing', applying([], sample(0)), 'OFPBAC_BAD_ARGUMENT', '[0].probability'],
    [
      'bits past the end',
      applying([], { type: 'stack_push', from: part('reg0', 30, 4) }),
      'OFPBAC_BAD_SET_LEN',
      '[0].from',
    ],
    ['no bits', applying([], { type: 'stack_pop', to: part('reg0', 0, 0) }), 'OFPBAC_BAD_SET_LEN', '[0].to'],
    [
      'a value wider than its bits',
      applying([], { type: 'load', value: 4n, to: part('reg0', 0, 2) }),
      'OFPBAC_BAD_ARGUMENT',
      '[0].value',
    ],
    [
      'bits that do not fit',
      applying([], { type: 'move', from: whole('reg0'), to: whole('xreg0') }),
      'OFPBAC_BAD_ARGUMENT',
      '[0].to.bits',
    ],
    [
      'a target that is not for writing',
      applying([], { type: 'move', from: part('reg0', 0, 16), to: whole('eth_type') }),
      'OFPBAC_BAD_SET_ARGUMENT',
      '[0].to',
    ],
    [
      'an answer of two bits',
      applying([], { type: 'check_pkt_larger', length: 1, to: part('reg0', 0, 2) }),
      'OFPBAC_BAD_SET_LEN',
      '[0].to.bits',
    ],
    ['a table for all', applying([], learn({ table: 255 })), 'OFPBAC_BAD_ARGUMENT', '[0].table'],
    [
      'learning what the frame may not have',
      applying(
        [],
        learn({
          specs: [
            { bits: 32, source: { type: 'field', from: whole('nw_src') }, target: { type: 'load', to: whole('reg0') } },
          ],
        }),
      ),
      'OFPBAC_MATCH_INCONSISTENT',
      '[0].specs[0].source',
    ],
    [
      'matching what the learned flow does not ask',
      applying(
        ip,
        learn({
          specs: [
            {
              bits: 32,
              source: { type: 'field', from: whole('nw_src') },
              target: { type: 'match', to: whole('nw_dst') },
            },
          ],
        }),
      ),
      'OFPBAC_MATCH_INCONSISTENT',
      '[0].specs[0].target',
    ],
  ])('refuses %s', (_name, mod, wanted, at) => {
    expect(refusal(mod)).toEqual({ code: wanted, field: `instructions.apply${at}` })
  })

  test.each<[string, Action, string]>([
    ['a note', note, 'OFPBAC_BAD_TYPE'],
    ['a clone', clone(), 'OFPBAC_BAD_TYPE'],
    ['a controller by number', { type: 'controller', maxLength: 9, controllerId: 4 }, 'OFPBAC_BAD_TYPE'],
    ['learning', learn({}), 'OFPBAC_BAD_TYPE'],
    ['a conjunction', conjunction(1, 2), 'OFPBAC_BAD_TYPE'],
    ['a field that a frame may not have', set('nw_src', 1), 'OFPBAC_MATCH_INCONSISTENT'],
  ])('refuses in an action set %s', (_name, action, wanted) => {
    expect(refusal(writing([], action))).toEqual({ code: wanted, field: 'instructions.write[0]' })
  })

  test('knows in an action set what the actions before it have changed', () => {
    expect(
      refusal({ instructions: { apply: [push], clear: false, write: [set('vlan_pcp', 1), output] } }),
    ).toBeUndefined()
  })
})

test('a learned flow may match what its own constants ask for', () => {
  const specs: LearnAction['specs'] = [
    { bits: 16, source: { type: 'value', value: 0x0800n }, target: { type: 'match', to: whole('eth_type') } },
    { bits: 32, source: { type: 'field', from: whole('nw_src') }, target: { type: 'match', to: whole('nw_dst') } },
    { bits: 16, source: { type: 'field', from: part('in_port', 0, 16) }, target: { type: 'output' } },
  ]
  expect(refusal(applying(ip, learn({ specs })))).toBeUndefined()
})

// Open vSwitch takes these over OpenFlow 1.0, and does nothing to a frame that has no such header.
test('not asked for consistency, a switch takes what does nothing to some frames, and still no field that they lack', () => {
  const { consistent: _consistent, ...lenient } = there
  const check = (...actions: Action[]) => refusalOf(() => checkActions(actions, [], lenient, 'actions'))
  const fin: Action = { type: 'fin_timeout', idleTimeout: 1, hardTimeout: 0 }
  const harmless: Action[] = [{ type: 'pop_vlan' }, { type: 'dec_ttl' }, { type: 'dec_mpls_ttl' }, popMpls(0x0800), fin]
  for (const action of harmless) expect(check(action)).toBeUndefined()
  expect(check({ type: 'pop_vlan' }, set('vlan_pcp', 1))).toEqual({
    code: 'OFPBAC_MATCH_INCONSISTENT',
    field: 'actions[1]',
  })
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

// OpenFlow 1.3 defines these and Open vSwitch does not know them.
describe('as OpenFlow 1.3', () => {
  const pushPbb: Action = { type: 'push_pbb', etherType: 0x88e7 }
  test.each<[string, Partial<FlowMod>, string | undefined]>([
    ['a backbone frame', applying(ip, pushPbb, set('pbb_isid', 5), { type: 'pop_pbb' }), undefined],
    ['a backbone frame of another type', applying([], { type: 'push_pbb', etherType: 0x88a8 }), 'OFPBAC_BAD_ARGUMENT'],
    ['no backbone frame to open', applying(ip, { type: 'pop_pbb' }), 'OFPBAC_MATCH_INCONSISTENT'],
    ['IP in a backbone frame', applying(ip, pushPbb, { type: 'dec_ttl' }), 'OFPBAC_MATCH_INCONSISTENT'],
    ['copies of a TTL', applying(ip, pushMpls, { type: 'copy_ttl_out' }, { type: 'copy_ttl_in' }), undefined],
    ['a copy where there is no label', applying(ip, { type: 'copy_ttl_out' }), 'OFPBAC_MATCH_INCONSISTENT'],
    ['all queues', applying([], { type: 'set_queue', queue: 0xffffffff }), 'OFPBAC_BAD_QUEUE'],
  ])('%s', (_name, mod, wanted) => {
    expect(code(mod)).toBe(wanted)
  })
})

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

test('of a packet-out and a bucket, what the frame has shows when it is there; all else is asked', () => {
  const check = (context: CheckContext, ...actions: Action[]) =>
    refusalOf(() => checkActions(actions, [], context, 'actions'))
  for (const context of [{ ...there, packetOut: true } as const, { ...there, bucket: true } as const]) {
    expect(check(context, { type: 'pop_vlan' }, set('nw_src', 1), ct({ commit: true }), note)).toBeUndefined()
    expect(check(context, note, set('eth_type', 1))).toEqual({
      code: 'OFPBAC_BAD_SET_ARGUMENT',
      field: 'actions[1].field',
    })
  }
  expect(check(there, set('nw_src', 1))).toEqual({ code: 'OFPBAC_MATCH_INCONSISTENT', field: 'actions[0]' })
})

test.each([1, 2, 3, 4])('what flow text can say of a frame, a switch takes (seed %i)', (seed) => {
  const random = seeded(seed)
  const context = { meterExists: () => true, groupExists: () => true }
  const isInvalid = ({ match }: FlowMod) =>
    match.some(({ field, value }) => field === 'ct_state' && (value & 0x10n) !== 0n)
  for (let count = 0; count < 300; count++) {
    const mod = flowMod(admissible(randomFlow(random, EVERYTHING)))
    if (!isInvalid(mod)) expect(refusalOf(() => checkFlowMod(mod, context))).toBeUndefined()
  }
})
