// Matches, actions and instructions in bytes, beside `ovs-ofctl`: it reads ours as what they say, and we read its own.

import { describe, expect, test } from 'vitest'
import type { Action, FlowSpec, NatAction, SampleAction, Subfield } from '../../protocols/control/messages.ts'
import { ReservedPort } from '../../protocols/control/messages.ts'
import type { FieldName } from '../../protocols/fields.ts'
import { FIELDS, fieldOf } from '../../protocols/fields.ts'
import type { Match } from '../../protocols/match.ts'
import { encodeActions } from '../../protocols/openflow/actions.ts'
import { ByteReader } from '../../protocols/openflow/byte-reader.ts'
import type { ByteWriter } from '../../protocols/openflow/byte-writer.ts'
import { decodeInstructions, encodeInstructions } from '../../protocols/openflow/instructions.ts'
import { decodeMatch, encodeMatch } from '../../protocols/openflow/oxm.ts'
import { seeded } from '../../runtime/random.ts'
import { hex, written } from '../support/openflow-bytes.ts'
import type { Refusal } from '../support/openflow-refusals.ts'
import { ACTION_REFUSALS, FIELD_REFUSALS, INSTRUCTION_REFUSALS, MATCH_REFUSALS } from '../support/openflow-refusals.ts'
import { EVERYTHING, randomFlow, randomMatch } from '../support/random-flows.ts'
import { actionsRead, flowModsFor, instructionsRead, printed } from './support/openflow-peer.ts'
import { ovsInstalled } from './support/ovs.ts'

/** What Open vSwitch has no name for. */
const UNKNOWN_FIELDS: ReadonlySet<FieldName> = new Set(['in_phy_port', 'pbb_isid', 'ipv6_exthdr'])
type Unknown = 'push_pbb' | 'pop_pbb' | 'copy_ttl_in' | 'copy_ttl_out'
const UNKNOWN_ACTIONS: ReadonlySet<Action['type']> = new Set<Unknown>([
  'push_pbb',
  'pop_pbb',
  'copy_ttl_in',
  'copy_ttl_out',
])

// ---- flow mods by hand: OpenFlow 1.3 §7.3.4.1 ----------------------------------------------------------------------

const FLOW_MOD = 14
const FLOW_MOD_SIZE = 48

function flowMod(table: number, write: (writer: ByteWriter) => void): Uint8Array {
  return written((writer) => {
    writer.u8(4)
    writer.u8(FLOW_MOD)
    writer.u16(0)
    writer.u32(1)
    writer.zero(16)
    writer.u8(table)
    writer.zero(5)
    writer.u16(32768)
    for (let none = 0; none < 3; none++) writer.u32(0xffffffff)
    writer.zero(4)
    write(writer)
    writer.setU16(2, writer.length)
  })
}

const flowModOf = ({ table, match, instructions }: Pick<FlowSpec, 'table' | 'match' | 'instructions'>) =>
  flowMod(table, (writer) => {
    encodeMatch(writer, match)
    encodeInstructions(writer, instructions, match)
  })

function flowOf(message: Uint8Array): Pick<FlowSpec, 'table' | 'match' | 'instructions'> {
  const reader = new ByteReader(message, FLOW_MOD_SIZE)
  return { table: message[24]!, match: decodeMatch(reader), instructions: decodeInstructions(reader) }
}

/** Of what `ovs-ofctl` prints, the flow: as it can be given to it again. */
function flowText(print: string, table: number): string {
  const found = /ADD (?:table:\d+ )?(.*?) ?(actions=.*)$/s.exec(print)
  if (found === null) throw new Error(`no flow mod: ${print}`)
  return [`table=${table}`, found[1]!.replaceAll(' ', ','), found[2]!].filter((part) => part !== '').join(',')
}

const withoutXid = (print: string) => print.replace(/\(xid=0x[0-9a-f]+\)/, '')

/** Open vSwitch calls these by the names of other versions. */
const OTHER_NAMES = new Map([
  ['OFPBAC_BAD_VENDOR', 'OFPBAC_BAD_EXPERIMENTER'],
  ['OFPBAC_BAD_VENDOR_TYPE', 'OFPBAC_BAD_EXP_TYPE'],
  ['OFPBPC_BAD_TYPE', 'OFPTFFC_BAD_TYPE'],
  ['OFPBPC_BAD_LEN', 'OFPTFFC_BAD_LEN'],
])

describe.runIf(ovsInstalled())('the OpenFlow wire beside Open vSwitch', () => {
  test.each([1, 2, 3])('random matches come back as they were (seed %i)', async (seed) => {
    const random = seeded(seed)
    const fields = new Set(FIELDS.map(({ name }) => name).filter((name) => !UNKNOWN_FIELDS.has(name)))
    fields.delete('vlan_tci')
    const matches = Array.from({ length: 400 }, () => randomMatch(random, { ...EVERYTHING, fields }))
    const nothing = { apply: [], clear: false, write: [] }
    const prints = await printed(matches.map((match) => flowModOf({ table: 0, match, instructions: nothing })))
    const theirs = await flowModsFor(prints.map((print) => flowText(print, 0)))
    expect(theirs.map((message) => bitsOf(flowOf(message).match))).toEqual(matches.map(bitsOf))
    expect(new Set(matches.flat().map(({ field }) => field))).toEqual(fields)
  })

  test.each([1, 2, 3])(
    'what it writes for random flows, we read and write so that it prints the same (seed %i)',
    async (seed) => {
      const flows = speakable(seed, 500)
      const ours = flows.map(flowModOf)
      const prints = await printed(ours)
      const taken = prints.flatMap((print, index) =>
        print.includes('***') ? [] : [flowText(print, flows[index]!.table)],
      )
      // It holds actions against matches more narrowly than the random ones do, and finds nothing else amiss.
      const narrower = ['taken', 'OFPBAC_MATCH_INCONSISTENT', 'OFPBAC_BAD_TAG']
      expect(prints.map(refusalIn).filter((code) => !narrower.includes(code))).toEqual([])
      expect(taken.length).toBeGreaterThan(flows.length / 2)
      const theirs = await flowModsFor(taken)
      const again = theirs.map((message) => flowModOf(flowOf(message)))
      const [said, resaid] = [await printed(theirs), await printed(again)]
      expect(resaid.map(withoutXid)).toEqual(said.map(withoutXid))
    },
  )

  test('an action says what its text says, both ways', async () => {
    const ours = CASES.map(({ action }) => written((writer) => encodeActions(writer, [action])))
    expect(await actionsRead(ours)).toEqual(CASES.map(({ text }) => `actions=${text}`))
    const theirs = await flowModsFor(CASES.map(({ text, match }) => `${match},actions=${text}`))
    expect(theirs.map((message) => flowOf(message).instructions.apply)).toEqual(CASES.map(({ heard }) => heard))
  })

  test('it refuses what we refuse, by the same codes', async () => {
    const actions = await actionsRead(ACTION_REFUSALS.map(([, text]) => hex(text)))
    expect(byName(ACTION_REFUSALS, actions)).toEqual(expected(ACTION_REFUSALS))
    const instructions = await instructionsRead(INSTRUCTION_REFUSALS.map(([, text]) => hex(text)))
    expect(byName(INSTRUCTION_REFUSALS, instructions)).toEqual(expected(INSTRUCTION_REFUSALS))
    const fields = FIELD_REFUSALS.map(([, text]) => flowMod(0, (writer) => putMatch(writer, hex(text))))
    expect(byName(FIELD_REFUSALS, (await printed(fields)).map(refusalIn))).toEqual(expected(FIELD_REFUSALS))
    const matches = MATCH_REFUSALS.map(([, text]) => flowMod(0, (writer) => writer.bytes(hex(text))))
    expect(byName(MATCH_REFUSALS, (await printed(matches)).map(refusalIn))).toEqual(expected(MATCH_REFUSALS))
  })
})

function putMatch(writer: ByteWriter, fields: Uint8Array): void {
  writer.u16(1)
  writer.u16(4 + fields.length)
  writer.bytes(fields)
  writer.alignTo8()
}

/** Value and mask of the words of a key that a match is about: a wide register is the narrow ones in it. */
function bitsOf(match: Match): Record<string, string> {
  const said: Record<string, { value: bigint; mask: bigint }> = {}
  for (const part of match) {
    const { word, shift, bits: width, ones } = fieldOf(part.field)
    const words = Math.ceil(width / 32)
    for (let index = 0; index < words; index++) {
      const inWord = (all: bigint) => BigInt.asUintN(32, (all >> BigInt(32 * (words - 1 - index))) << BigInt(shift))
      const before = said[word + index] ?? { value: 0n, mask: 0n }
      said[word + index] = {
        value: before.value | inWord(part.value),
        mask: before.mask | inWord(part.mask ?? ones),
      }
    }
  }
  const kept = Object.entries(said).filter(([, { mask }]) => mask !== 0n)
  return Object.fromEntries(kept.map(([word, { value, mask }]) => [word, `${value}/${mask}`]))
}

const refusalIn = (print: string) => /decode error: (\w+)/.exec(print)?.[1] ?? 'taken'

/** By the name of the case, so that a difference says where. */
const byName = (refusals: readonly Refusal[], codes: readonly string[]) =>
  Object.fromEntries(refusals.map(([name], index) => [name, OTHER_NAMES.get(codes[index]!) ?? codes[index]]))

const expected = (refusals: readonly Refusal[]) => Object.fromEntries(refusals.map(([name, , code]) => [name, code]))

/** Flows of whose matches and actions Open vSwitch has heard. */
function speakable(seed: number, count: number): FlowSpec[] {
  const random = seeded(seed)
  const fields = new Set(FIELDS.map(({ name }) => name).filter((name) => !UNKNOWN_FIELDS.has(name)))
  const flows: FlowSpec[] = []
  while (flows.length < count) {
    const flow = randomFlow(random, { ...EVERYTHING, fields })
    if (!mentions(flow.instructions.apply) && !mentions(flow.instructions.write)) flows.push(flow)
  }
  return flows
}

/** Whether an action that Open vSwitch does not have is among these, or within one of them. */
const mentions = (actions: readonly Action[]): boolean =>
  actions.some((action) => UNKNOWN_ACTIONS.has(action.type) || (action.type === 'clone' && mentions(action.actions)))

// ---- actions in text and as they are -------------------------------------------------------------------------------

interface Case {
  text: string
  action: Action
  match: string
  /** What Open vSwitch says in OpenFlow 1.3 for the text. */
  heard: Action[]
}

const bits = (field: FieldName, offset: number, count: number): Subfield => ({ field, offset, bits: count })
const reg0 = bits('reg0', 0, 32)

const sets = (text: string, action: Action, more: Partial<Case> = {}): Case => ({
  text,
  action,
  match: 'dl_vlan=5,tcp',
  heard: [action],
  ...more,
})

const LEARNED = {
  type: 'learn',
  table: 1,
  priority: 32768,
  cookie: 0n,
  idleTimeout: 0,
  hardTimeout: 10,
  finIdleTimeout: 0,
  finHardTimeout: 0,
  sendFlowRemoved: false,
  deleteLearned: false,
  limit: 0,
  specs: [
    {
      bits: 12,
      source: { type: 'field', from: bits('vlan_tci', 0, 12) },
      target: { type: 'match', to: bits('vlan_tci', 0, 12) },
    },
    {
      bits: 48,
      source: { type: 'field', from: bits('eth_src', 0, 48) },
      target: { type: 'match', to: bits('eth_dst', 0, 48) },
    },
    {
      bits: 5,
      source: { type: 'value', value: 17n },
      target: { type: 'load', to: bits('reg1', 3, 5) },
    },
    {
      bits: 16,
      source: { type: 'field', from: bits('in_port', 0, 16) },
      target: { type: 'output' },
    },
  ],
} as const satisfies Action

const LEARNED_SPECS =
  'NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0x11->NXM_NX_REG1[3..7],output:NXM_OF_IN_PORT[]'

/** One of each at least; what OpenFlow 1.0 alone has is tested without a peer, as what Open vSwitch lacks. */
const ACTIONS: Record<Exclude<Action['type'], 'set_vlan_vid' | 'set_vlan_pcp' | 'set_tunnel' | Unknown>, Case[]> = {
  output: [
    sets('output:7', { type: 'output', port: 7 }),
    sets('IN_PORT', { type: 'output', port: ReservedPort.InPort }),
    sets('LOCAL', { type: 'output', port: ReservedPort.Local }),
  ],
  output_reg: [
    sets('output:NXM_NX_REG0[]', { type: 'output_reg', from: reg0, maxLength: 0xffff }),
    sets('output:NXM_NX_REG0[3..18]', { type: 'output_reg', from: bits('reg0', 3, 16), maxLength: 0xffff }),
  ],
  output_trunc: [sets('output(port=7,max_len=100)', { type: 'output_trunc', port: 7, maxLength: 100 })],
  controller: [
    sets('CONTROLLER:128', { type: 'controller', maxLength: 128 }),
    sets('controller(reason=invalid_ttl,max_len=64,id=5)', {
      type: 'controller',
      maxLength: 64,
      controllerId: 5,
      reason: 'invalid_ttl',
    }),
    sets('controller(reason=no_match,id=5,userdata=01.02.03,meter_id=9)', {
      type: 'controller',
      maxLength: 0xffff,
      controllerId: 5,
      reason: 'no_match',
      userdata: Uint8Array.of(1, 2, 3),
      meter: 9,
    }),
  ],
  group: [sets('group:7', { type: 'group', group: 7 })],
  set_queue: [sets('set_queue:7', { type: 'set_queue', queue: 7 })],
  pop_queue: [sets('pop_queue', { type: 'pop_queue' })],
  push_vlan: [sets('push_vlan:0x88a8', { type: 'push_vlan', etherType: 0x88a8 })],
  pop_vlan: [sets('pop_vlan', { type: 'pop_vlan' })],
  push_mpls: [sets('push_mpls:0x8847', { type: 'push_mpls', etherType: 0x8847 })],
  pop_mpls: [sets('pop_mpls:0x0800', { type: 'pop_mpls', etherType: 0x0800 }, { match: 'mpls' })],
  encap: [
    sets('encap(mpls)', { type: 'encap', header: 'mpls' }),
    sets('encap(mpls_mc)', { type: 'encap', header: 'mpls_mc' }),
    sets('encap(ethernet)', { type: 'encap', header: 'ethernet' }),
  ],
  decap: [
    sets('decap()', { type: 'decap' }),
    sets('decap(packet_type(ns=1,type=0x800))', { type: 'decap', packetType: 0x10800 }),
  ],
  set_field: [
    sets('set_field:10.0.0.1->ip_dst', { type: 'set_field', field: 'nw_dst', value: 0x0a000001n }),
    sets('set_field:80->tcp_dst', { type: 'set_field', field: 'tcp_dst', value: 80n }),
    sets('set_field:4101->vlan_vid', { type: 'set_field', field: 'vlan_vid', value: 0x1005n }),
    sets('set_field:46->ip_dscp', { type: 'set_field', field: 'ip_dscp', value: 46n }),
    sets('set_field:7->in_port', { type: 'set_field', field: 'in_port', value: 7n }),
    sets(
      'set_field:0x20/0x30->reg0',
      { type: 'set_field', field: 'reg0', value: 0x20n, mask: 0x30n },
      { heard: [{ type: 'load', value: 2n, to: bits('reg0', 4, 2) }] },
    ),
  ],
  load: [
    sets('load:0x5->NXM_NX_REG0[]', { type: 'load', value: 5n, to: reg0 }),
    sets('load:0x5->NXM_OF_ETH_DST[8..11]', { type: 'load', value: 5n, to: bits('eth_dst', 8, 4) }),
    sets('load:0x1->OXM_OF_METADATA[63]', { type: 'load', value: 1n, to: bits('metadata', 63, 1) }),
  ],
  move: [
    sets('move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]', {
      type: 'move',
      from: bits('eth_src', 0, 48),
      to: bits('eth_dst', 0, 48),
    }),
    sets('move:NXM_OF_IN_PORT[]->NXM_NX_REG0[16..31]', {
      type: 'move',
      from: bits('in_port', 0, 16),
      to: bits('reg0', 16, 16),
    }),
    sets('move:ONFOXM_ET_ACTSET_OUTPUT[]->NXM_NX_REG0[]', {
      type: 'move',
      from: bits('actset_output', 0, 32),
      to: reg0,
    }),
  ],
  stack_push: [sets('push:NXM_NX_REG0[3..5]', { type: 'stack_push', from: bits('reg0', 3, 3) })],
  stack_pop: [sets('pop:NXM_NX_XXREG1[]', { type: 'stack_pop', to: bits('xxreg1', 0, 128) })],
  dec_ttl: [sets('dec_ttl', { type: 'dec_ttl' }), sets('dec_ttl(1,2,3)', { type: 'dec_ttl', controllers: [1, 2, 3] })],
  set_nw_ttl: [sets('mod_nw_ttl:7', { type: 'set_nw_ttl', ttl: 7 })],
  set_mpls_ttl: [sets('set_mpls_ttl(7)', { type: 'set_mpls_ttl', ttl: 7 }, { match: 'mpls' })],
  dec_mpls_ttl: [sets('dec_mpls_ttl', { type: 'dec_mpls_ttl' }, { match: 'mpls' })],
  resubmit: [
    sets('resubmit:7', { type: 'resubmit', port: 7 }),
    sets('resubmit(,7)', { type: 'resubmit', table: 7 }),
    sets('resubmit(7,8)', { type: 'resubmit', port: 7, table: 8 }),
    sets('resubmit(,7,ct)', { type: 'resubmit', table: 7, swapped: true }, { match: 'tcp,ct_state=+trk+est' }),
  ],
  clone: [
    sets('clone(push_vlan:0x8100,output:7)', {
      type: 'clone',
      actions: [
        { type: 'push_vlan', etherType: 0x8100 },
        { type: 'output', port: 7 },
      ],
    }),
  ],
  exit: [sets('exit', { type: 'exit' })],
  note: [sets('note:01.02.03.04.05.06', { type: 'note', data: Uint8Array.of(1, 2, 3, 4, 5, 6) })],
  learn: [
    sets(`learn(table=1,hard_timeout=10,${LEARNED_SPECS})`, LEARNED),
    sets(
      `learn(table=1,idle_timeout=1,hard_timeout=10,fin_idle_timeout=2,fin_hard_timeout=3,priority=5,send_flow_rem,` +
        `delete_learned,cookie=0x9,limit=6,result_dst=NXM_NX_REG0[4],${LEARNED_SPECS})`,
      {
        ...LEARNED,
        priority: 5,
        cookie: 9n,
        idleTimeout: 1,
        finIdleTimeout: 2,
        finHardTimeout: 3,
        sendFlowRemoved: true,
        deleteLearned: true,
        limit: 6,
        result: bits('reg0', 4, 1),
      },
    ),
  ],
  conjunction: [sets('conjunction(7,2/3)', { type: 'conjunction', id: 7, clause: 2, clauses: 3 })],
  ct: [
    sets('ct(table=1,zone=5)', { type: 'ct', commit: false, force: false, zone: 5, table: 1, alg: 0, actions: [] }),
    sets('ct(commit,force,zone=NXM_NX_REG0[0..15],exec(load:0x5->NXM_NX_CT_MARK[]),alg=ftp)', {
      type: 'ct',
      commit: true,
      force: true,
      zone: bits('reg0', 0, 16),
      alg: 21,
      actions: [{ type: 'load', value: 5n, to: bits('ct_mark', 0, 32) }],
    }),
  ],
  nat: [
    sets('ct(table=1,nat)', ctOf(false, { type: 'nat' })),
    sets(
      'ct(commit,table=1,nat(src=10.0.0.1-10.0.0.9:80-90,persistent,random))',
      ctOf(true, {
        type: 'nat',
        direction: 'src',
        addresses: { family: 4, first: 0x0a000001n, last: 0x0a000009n },
        ports: { first: 80, last: 90 },
        persistent: true,
        algorithm: 'random',
      }),
    ),
    sets(
      'ct(commit,table=1,nat(dst=fe80::1,hash))',
      ctOf(true, {
        type: 'nat',
        direction: 'dst',
        addresses: { family: 6, first: (0xfe80n << 112n) | 1n, last: (0xfe80n << 112n) | 1n },
        algorithm: 'hash',
      }),
      { match: 'tcp6' },
    ),
  ],
  ct_clear: [sets('ct_clear', { type: 'ct_clear' })],
  multipath: [
    sets('multipath(symmetric_l4,50,iter_hash,16,32,NXM_NX_REG0[2..9])', {
      type: 'multipath',
      fields: 'symmetric_l4',
      basis: 50,
      algorithm: 'iter_hash',
      links: 16,
      argument: 32,
      to: bits('reg0', 2, 8),
    }),
  ],
  bundle: [
    sets('bundle(symmetric_l3,60,hrw,ofport,members:1,2,3)', {
      type: 'bundle',
      fields: 'symmetric_l3',
      basis: 60,
      algorithm: 'hrw',
      members: [1, 2, 3],
    }),
    sets('bundle_load(eth_src,0,active_backup,ofport,NXM_NX_REG0[8..23],members:1,2)', {
      type: 'bundle',
      fields: 'eth_src',
      basis: 0,
      algorithm: 'active_backup',
      members: [1, 2],
      to: bits('reg0', 8, 16),
    }),
  ],
  fin_timeout: [
    sets('fin_timeout(idle_timeout=7,hard_timeout=8)', { type: 'fin_timeout', idleTimeout: 7, hardTimeout: 8 }),
  ],
  check_pkt_larger: [
    sets('check_pkt_larger(1500)->NXM_NX_REG0[5]', { type: 'check_pkt_larger', length: 1500, to: bits('reg0', 5, 1) }),
  ],
  sample: [
    sets('sample(probability=7,collector_set_id=8,obs_domain_id=9,obs_point_id=10)', SAMPLE()),
    sets('sample(probability=7,collector_set_id=8,obs_domain_id=9,obs_point_id=10,sampling_port=3)', {
      ...SAMPLE(),
      samplingPort: 3,
    }),
    sets('sample(probability=7,collector_set_id=8,obs_domain_id=9,obs_point_id=10,sampling_port=3,egress)', {
      ...SAMPLE(),
      samplingPort: 3,
      direction: 'egress',
    }),
  ],
}

function ctOf(commit: boolean, nat: NatAction): Action {
  return { type: 'ct', commit, force: false, zone: 0, table: 1, alg: 0, actions: [nat] }
}

function SAMPLE(): SampleAction {
  return { type: 'sample', probability: 7, collectorSet: 8, observationDomain: 9, observationPoint: 10 }
}

const CASES = Object.values(ACTIONS).flat()
