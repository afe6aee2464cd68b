import { describe, expect, test } from 'vitest'
import type { CheckContext } from '../../datapath/flow-check.ts'
import { checkActions } from '../../datapath/flow-check.ts'
import type { Action, FlowMod, LearnAction } from '../../protocols/control/messages.ts'
import { ReservedPort } from '../../protocols/control/messages.ts'
import {
  applying,
  bundle,
  clone,
  code,
  conjunction,
  ct,
  ip,
  is,
  learn,
  mpls,
  multipath,
  nat,
  nestedClones,
  note,
  output,
  part,
  popMpls,
  push,
  pushMpls,
  refusal,
  sample,
  set,
  tagged,
  tcp,
  there,
  v4,
  v6,
  whole,
  writing,
} from '../support/checked-flows.ts'
import { refusalOf } from '../support/test-tables.ts'

const learnedTag: LearnAction['specs'] = [
  { bits: 1, source: { type: 'value', value: 1n }, target: { type: 'match', to: part('vlan_tci', 12, 1) } },
  { bits: 3, source: { type: 'value', value: 5n }, target: { type: 'match', to: whole('vlan_pcp') } },
]

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
    ['a VLAN that is read without a tag', applying([], { type: 'stack_push', from: whole('vlan_vid') })],
    ['half a tag that is learned, and its priority', applying([], learn({ specs: learnedTag }))],
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
    [
      'an address of a frame without an Ethernet header',
      applying([], { type: 'decap' }, set('eth_src', 1)),
      'OFPBAC_MATCH_INCONSISTENT',
      '[1]',
    ],
    [
      'a tag of which the lower bits alone were written',
      applying(tagged, set('vlan_tci', 5, 0xfff), set('vlan_pcp', 1)),
      'OFPBAC_MATCH_INCONSISTENT',
      '[1]',
    ],
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
    ['FTP over what is no TCP', applying(ip, ct({ alg: 21 })), 'OFPBAC_MATCH_INCONSISTENT', '[0]'],
    ['a zone of 8 bits', applying(ip, ct({ zone: part('reg0', 0, 8) })), 'OFPBAC_BAD_SET_LEN', '[0].zone'],
    [
      'addresses of the other family',
      applying(ip, ct({ commit: true, actions: [nat({ direction: 'src', addresses: v6 })] })),
      'OFPBAC_MATCH_INCONSISTENT',
      '[0].actions[0]',
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

test('of a packet-out and a bucket, what the frame has shows when it is there; all else is asked', () => {
  const check = (context: CheckContext, ...actions: Action[]) =>
    refusalOf(() => checkActions(actions, [], context, 'actions'))
  for (const context of [{ ...there, packetOut: { frame: undefined } } as const, { ...there, bucket: true } as const]) {
    expect(check(context, { type: 'pop_vlan' }, set('nw_src', 1), ct({ commit: true }), note)).toBeUndefined()
    expect(check(context, note, set('eth_type', 1))).toEqual({
      code: 'OFPBAC_BAD_SET_ARGUMENT',
      field: 'actions[1].field',
    })
  }
  expect(check(there, set('nw_src', 1))).toEqual({ code: 'OFPBAC_MATCH_INCONSISTENT', field: 'actions[0]' })
})
