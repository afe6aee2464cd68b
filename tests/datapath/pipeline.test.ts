import { describe, expect, test } from 'vitest'
import type { DatapathAction } from '../../datapath/datapath-actions.ts'
import { bringAbout } from '../../datapath/pipeline/effects.ts'
import { translate } from '../../datapath/pipeline/pipeline.ts'
import type { Translation } from '../../datapath/pipeline/translation.ts'
import { Refused } from '../../protocols/control/refused.ts'
import { CtState, Word } from '../../protocols/fields.ts'
import type { FieldName } from '../../protocols/fields.ts'
import type { Action, FlowMod, Instructions, PortConfig } from '../../protocols/control/messages.ts'
import { ReservedPort } from '../../protocols/control/messages.ts'
import { EtherType } from '../../protocols/match.ts'
import type { FieldMatch } from '../../protocols/match.ts'
import { parseIpv4 } from '../../protocols/address.ts'
import { parseFlow } from '../../protocols/flow-text/parse.ts'
import {
  arpRequest,
  ipFrame,
  ndFrame,
  neighbourSolicitation,
  tcpFrame,
  udpFrame,
} from '../../protocols/packet/compose.ts'
import type { Random } from '../../runtime/random.ts'
import { seeded } from '../../runtime/random.ts'
import { randomWrittenActions } from '../support/random-actions.ts'
import { chance, pick, randomActions } from '../support/random-flows.ts'
import { randomGroup } from '../support/random-groups.ts'
import { agreeingKey, keyOf, matchMetBy, randomKeys } from '../support/random-keys.ts'
import { PipelineBench } from '../support/pipeline-bench.ts'
import { flowMod, testSwitch } from '../support/test-switch.ts'
import { seeds } from '../support/seeds.ts'

const TABLES = 5
const PORTS: Partial<PortConfig>[] = [
  { vlanMode: 'access', tag: 10 },
  { vlanMode: 'trunk', trunks: [0, 10, 20] },
  { vlanMode: 'native-untagged', tag: 20 },
  { type: 'tunnel', tunnel: { localIp: 0, remoteIp: 'flow', key: 'flow' } },
  { vlanMode: 'dot1q-tunnel', tag: 30 },
  {},
]

const GROUPS = [1, 2, 3, 4, 5]
const OPTIONS = { tables: TABLES, ports: [1, 2, 3, 4, 5, 6, 9], groups: GROUPS, actions: 'all' } as const

function randomInstructions(random: Random, match: readonly FieldMatch[], table: number): Partial<Instructions> {
  return {
    apply: randomActions(random, match, 4, OPTIONS),
    clear: chance(random, 0.1),
    write: chance(random, 0.3) ? randomWrittenActions(random, match, 3, OPTIONS) : [],
    ...(chance(random, 0.2) && { writeMetadata: { value: BigInt(random.below(4)), mask: 3n } }),
    ...(table < TABLES - 1 && chance(random, 0.6) && { gotoTable: table + 1 + random.below(TABLES - 1 - table) }),
  }
}

function randomMod(random: Random, key: Uint32Array, priority: number): FlowMod {
  const table = random.below(TABLES)
  const match = matchMetBy(random, key, 0.1)
  const instructions = { apply: [], clear: false, write: [], ...randomInstructions(random, match, table) }
  return flowMod({ table, priority, match, cookie: BigInt(priority), instructions })
}

/** Calls `attempt` until `enough`; what is random may be what a switch refuses. */
function unlessRefused(attempt: (count: number) => void, enough: () => boolean): void {
  for (let count = 1; !enough(); count++) {
    try {
      attempt(count)
    } catch (error) {
      if (!(error instanceof Refused)) throw error
    }
  }
}

/** Tables, and groups that may send to those of a higher number. */
function populate(random: Random, keys: readonly Uint32Array[]) {
  const bench = new PipelineBench(PORTS)
  const { tables, groups } = bench.context
  for (const group of GROUPS) {
    const options = { ...OPTIONS, groups: GROUPS.filter((other) => other > group).concat(99) }
    unlessRefused(
      () => bench.group({ ...randomGroup(random, options), group }),
      () => groups.has(group),
    )
  }
  unlessRefused(
    (priority) => bench.mods([randomMod(random, pick(random, keys), priority)]),
    () => tables.size >= 60,
  )
  return bench
}

/** Keys as they are where a frame enters, and where it has been tracked and carries things with it. */
const keysOfAllKinds = (random: Random): Uint32Array[] =>
  randomKeys(random, 40).map((key) => {
    if (chance(random, 0.5)) return key
    for (let word = Word.metadata; word < Word.ctState; word++) if (chance(random, 0.3)) key[word] = random.uint32()
    const { New, Established, Reply, Tracked } = CtState
    key[Word.ctState] = Tracked | pick(random, [New, Established, Established | Reply])
    for (let word = Word.ctZone; word < Word.conjunctionId; word++) if (chance(random, 0.5)) key[word] = random.below(9)
    return key
  })

const told = (action: DatapathAction): object => ({
  ...action,
  ...('flow' in action && { flow: action.flow?.spec.cookie }),
  ...(action.type === 'controller' && { key: action.key.slice(0, Word.ethernetDestination) }),
  ...(action.type === 'clone' && { actions: action.actions.map(told) }),
})

/** All that a translation says; of a packet-in's key only the metadata is told. */
const answer = ({ actions, hits, effects }: Translation) => ({
  actions: actions.map(told),
  hits: hits.map((flow) => flow.spec.cookie),
  effects,
})

test.each(seeds(5))('a key that agrees on the consulted bits meets the same fate (seed %i)', (seed) => {
  const random = seeded(seed)
  const keys = keysOfAllKinds(random)
  const { context } = populate(random, keys)
  for (const key of keys) {
    const said = translate(context, key, 0)
    for (let other = 0; other < 15; other++) {
      const agreeing = agreeingKey(random, key, said.consulted, keys)
      expect(answer(translate(context, agreeing, 0))).toEqual(answer(said))
    }
    bringAbout(said.effects, context, 0)
  }
})

const addresses = { ethSrc: 0x020000000001n, ethDst: 0x020000000002n }
const ip = { ...addresses, ipSrc: parseIpv4('10.0.0.1'), ipDst: parseIpv4('10.0.0.2') }
const udp = (options: object = {}) =>
  udpFrame({ ...ip, srcPort: 1, dstPort: 2, payload: new Uint8Array(4), ...options })
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const output = (port: number): Action => ({ type: 'output', port })
const apply = (...actions: Action[]): Instructions => ({ apply: actions, clear: false, write: [] })
const set = (field: FieldName, value: bigint): Action => ({ type: 'set_field', field, value })

const isIp = { field: 'eth_type', value: BigInt(EtherType.Ipv4) } as const

function run(mods: Partial<FlowMod>[], frame: Uint8Array, inPort = 1) {
  const { sw, receive, messages } = testSwitch([{}, {}, {}])
  sw.tables.applyBundle(mods.map(flowMod))
  return { heard: receive(frame, inPort), messages: messages.filter(({ type }) => type === 'packetIn'), sw }
}

describe('instructions', () => {
  test('go on table by table; write actions wait for the end, in their own order', () => {
    const write: Action[] = [output(3), set('eth_dst', 0x02000000000an), { type: 'push_vlan', etherType: 0x8100 }]
    const { heard } = run(
      [
        { instructions: { apply: [output(2)], clear: false, write, gotoTable: 4 } },
        { table: 4, instructions: apply() },
      ],
      udp(),
    )
    expect(heard).toEqual([`2: ${hex(udp())}`, `3: ${hex(udp({ ethDst: 0x02000000000an, vlan: [{ id: 0 }] }))}`])
  })

  test('clear empties the action set', () => {
    const { heard } = run(
      [
        { instructions: { apply: [], clear: false, write: [output(2)], gotoTable: 1 } },
        { table: 1, instructions: { apply: [], clear: true, write: [] } },
      ],
      udp(),
    )
    expect(heard).toEqual(['drop drop_action_of_pipeline'])
  })

  test('metadata and registers are matched by later tables', () => {
    const { heard } = run(
      [
        { instructions: { ...apply(set('reg0', 7n)), writeMetadata: { value: 5n, mask: 0xfn }, gotoTable: 1 } },
        {
          table: 1,
          match: [
            { field: 'reg0', value: 7n },
            { field: 'metadata', value: 5n },
          ],
          instructions: apply(output(2)),
        },
      ],
      udp(),
    )
    expect(heard).toEqual([`2: ${hex(udp())}`])
  })

  test('a miss in a later table drops', () => {
    expect(run([{ instructions: { ...apply(), gotoTable: 1 } }], udp()).heard).toEqual(['drop table_miss'])
  })
})

describe('actions', () => {
  test('every output sees the frame as it is at its place in the list', () => {
    const { heard } = run(
      [{ match: [isIp], instructions: apply(output(2), set('nw_dst', 0x0a000009n), output(3)) }],
      udp(),
    )
    expect(heard).toEqual([`2: ${hex(udp())}`, `3: ${hex(udp({ ipDst: 0x0a000009 }))}`])
  })

  test('the ingress port gets nothing back unless in_port is asked for', () => {
    expect(run([{ instructions: apply(output(1)) }], udp()).heard).toEqual(['drop no_recipient'])
    expect(run([{ instructions: apply(output(ReservedPort.InPort)) }], udp()).heard).toEqual([`1: ${hex(udp())}`])
    expect(run([{ instructions: apply(set('in_port', 0n), output(1)) }], udp()).heard).toEqual([`1: ${hex(udp())}`])
  })

  test('all and flood leave through every other port', () => {
    for (const port of [ReservedPort.All, ReservedPort.Flood])
      expect(run([{ instructions: apply(output(port)) }], udp()).heard).toEqual([
        `2: ${hex(udp())}`,
        `3: ${hex(udp())}`,
      ])
  })

  test('an output to a port that is not there drops', () => {
    expect(run([{ instructions: apply(output(9)) }], udp()).heard).toEqual(['drop unknown_port'])
  })

  test('tags are pushed, popped and set', () => {
    const list: [Action[], object][] = [
      [[{ type: 'push_vlan', etherType: 0x88a8 }, set('vlan_vid', 0x1005n)], { vlan: [{ id: 5, etherType: 0x88a8 }] }],
      [
        [
          { type: 'set_vlan_vid', vid: 7 },
          { type: 'set_vlan_pcp', pcp: 3 },
        ],
        { vlan: [{ id: 7, priority: 3 }] },
      ],
      [[{ type: 'push_vlan', etherType: 0x8100 }, { type: 'pop_vlan' }], {}],
    ]
    for (const [actions, expected] of list)
      expect(run([{ instructions: apply(...actions, output(2)) }], udp()).heard).toEqual([`2: ${hex(udp(expected))}`])
  })

  test('a third tag pushes the innermost off, as in Open vSwitch', () => {
    const vlan = [{ id: 1, etherType: 0x88a8 }, { id: 2 }]
    const push: Action[] = [{ type: 'push_vlan', etherType: 0x8100 }, set('vlan_vid', 0x1003n)]
    expect(run([{ instructions: apply(...push, output(2)) }], udp({ vlan })).heard).toEqual([
      `2: ${hex(udp({ vlan: [{ id: 3 }, vlan[0]] }))}`,
    ])
    expect(run([{ instructions: apply(...push, { type: 'pop_vlan' }, output(2)) }], udp({ vlan })).heard).toEqual([
      `2: ${hex(udp({ vlan: [vlan[0]] }))}`,
    ])
  })

  test('clearing the tag control information takes the tags off', () => {
    const { heard } = run(
      [{ instructions: apply(set('vlan_tci', 0n), output(2)) }],
      udp({ vlan: [{ id: 1 }, { id: 2 }] }),
    )
    expect(heard).toEqual([`2: ${hex(udp())}`])
  })

  test('move copies bits between fields', () => {
    const move: Action = {
      type: 'move',
      from: { field: 'nw_src', offset: 0, bits: 8 },
      to: { field: 'nw_dst', offset: 8, bits: 8 },
    }
    const { heard } = run([{ match: [isIp], instructions: apply(move, output(2)) }], udp())
    expect(heard).toEqual([`2: ${hex(udp({ ipDst: parseIpv4('10.0.1.2') }))}`])
  })

  test('dec_ttl counts down, and at 1 tells the controller and stops', () => {
    const mods = [{ match: [isIp], instructions: apply({ type: 'dec_ttl' }, output(2)) }]
    expect(run(mods, udp({ ttl: 2 })).heard).toEqual([`2: ${hex(udp({ ttl: 1 }))}`])
    const late = run(mods, udp({ ttl: 1 }))
    expect(late.heard).toEqual(['drop ttl_expired'])
    expect(late.messages).toMatchObject([{ reason: 'invalid_ttl', inPort: 1, frame: udp({ ttl: 1 }) }])
  })

  test('resubmit looks up with another port but keeps its own', () => {
    const { heard } = run(
      [
        { priority: 1, instructions: apply({ type: 'resubmit', port: 3, table: 2 }, output(3)) },
        { table: 2, match: [{ field: 'in_port', value: 3n }], instructions: apply(output(2), output(1)) },
      ],
      udp(),
    )
    expect(heard).toEqual([`2: ${hex(udp())}`, `3: ${hex(udp())}`])
  })

  test('a resubmit by another port holds for its table and not for those that it goes on to', () => {
    const { heard } = run(
      [
        { instructions: apply({ type: 'resubmit', port: 3, table: 1 }) },
        { table: 1, match: [{ field: 'in_port', value: 3n }], instructions: { ...apply(), gotoTable: 2 } },
        { table: 2, match: [{ field: 'in_port', value: 1n }], instructions: apply(output(2)) },
      ],
      udp(),
    )
    expect(heard).toEqual([`2: ${hex(udp())}`])
  })

  test('no flow sees the ports of a fragment, be it the first, but all may write them', () => {
    const first = udp()
    first.set([0x20, 0x00], 20)
    const isUdp = [isIp, { field: 'nw_proto', value: 17n }] as const
    const flow = (port: bigint, ...actions: Action[]) => ({
      match: [...isUdp, { field: 'udp_dst', value: port } as const],
      instructions: apply(...actions),
    })
    expect(run([flow(2n, output(2)), flow(0n, output(3))], first).heard).toEqual([`3: ${hex(first)}`])
    expect(run([flow(2n, output(2)), flow(0n, output(3))], udp()).heard).toEqual([`2: ${hex(udp())}`])
    const rewritten = first.slice()
    rewritten.set(udp({ dstPort: 9 }).subarray(34), 34)
    expect(run([flow(0n, set('udp_dst', 9n), output(2))], first).heard).toEqual([`2: ${hex(rewritten)}`])
  })

  test('a network header whose protocol cannot be seen is not written to, as in Open vSwitch', () => {
    const CUT_SHORT = 51
    const unseen = (ethDst = 2n) =>
      ipFrame({ ...ip, ethDst, ipSrc: 1n, ipDst: 2n, protocol: CUT_SHORT, segment: new Uint8Array(4) })
    const isIpv6 = { field: 'eth_type', value: BigInt(EtherType.Ipv6) } as const
    const write = apply(set('ipv6_dst', 9n), set('eth_dst', 7n), output(2))
    expect(run([{ match: [isIpv6], instructions: write }], unseen()).heard).toEqual([`2: ${hex(unseen(7n))}`])
  })

  test('an ARP operation has eight bits, as in Open vSwitch', () => {
    const request = arpRequest({ ethSrc: 0x0a0bn, ipSrc: 1, ipDst: 2 })
    const move: Action = {
      type: 'move',
      from: { field: 'arp_sha', offset: 0, bits: 16 },
      to: { field: 'arp_op', offset: 0, bits: 16 },
    }
    const changed = request.slice()
    changed.set([0x00, 0x0b], 20)
    const isArp = { field: 'eth_type', value: BigInt(EtherType.Arp) } as const
    expect(run([{ match: [isArp], instructions: apply(move, output(2)) }], request).heard).toEqual([
      `2: ${hex(changed)}`,
    ])
  })

  test('a solicitation becomes an advertisement in one go: the type of the option is written before its address', () => {
    const [asker, owner] = [0x02000000000an, 0x02000000000bn]
    const flows = [
      'icmp6,icmp_type=135,icmp_code=0,actions=set_field:2->nd_options_type,set_field:0x60000000->nd_reserved,set_field:136->icmpv6_type,goto_table:1',
      'table=1,icmp6,icmp_type=136,icmp_code=0,actions=set_field:02:00:00:00:00:0b->nd_tll,2',
    ]
    const asked = neighbourSolicitation({ ethSrc: asker, ethDst: owner, ipSrc: 1n, ipDst: 2n, target: 3n })
    const answered = ndFrame(
      { ethSrc: asker, ethDst: owner, ipSrc: 1n, ipDst: 2n },
      {
        type: 'neighbour-advertisement',
        router: false,
        solicited: true,
        override: true,
        target: 3n,
        options: [{ type: 'target-link-layer', mac: owner }],
      },
    )
    const { heard } = run(
      flows.map((text) => parseFlow(text)),
      asked,
    )
    expect(heard).toEqual([`2: ${hex(answered)}`])
  })

  test('resubmit without end drops the frame whole', () => {
    const mods = [{ instructions: apply(output(2), { type: 'resubmit', table: 0 }) }]
    expect(run(mods, udp()).heard).toEqual(['drop recursion_too_deep'])
    const twice = apply(output(2), { type: 'resubmit', table: 0 }, { type: 'resubmit', table: 0 })
    expect(run([{ instructions: twice }], udp()).heard).toEqual(['drop recursion_too_deep'])
  })

  test('a long way through all tables again and again ends as too many resubmits', () => {
    const mods = Array.from({ length: 254 }, (_, table) => ({
      table,
      instructions: apply({ type: 'resubmit', table: (table + 1) % 254 }),
    }))
    expect(run(mods, udp()).heard).toEqual(['drop too_many_resubmit'])
  })

  test('the controller is told why, by which flow, and what the metadata was', () => {
    const toController = apply(set('reg3', 9n), { type: 'controller', maxLength: 20 })
    const { heard, messages } = run([{ cookie: 77n, priority: 0, instructions: toController }], udp())
    expect(heard).toEqual(['drop to_controller'])
    expect(messages).toEqual([
      {
        type: 'packetIn',
        reason: 'no_match',
        table: 0,
        cookie: 77n,
        inPort: 1,
        totalLength: udp().length,
        match: [
          { field: 'reg3', value: 9n },
          { field: 'in_port', value: 1n },
        ],
        frame: udp(),
      },
    ])
  })

  test('what a frame does not have is not written', () => {
    const write = [set('tcp_dst', 99n), output(2)]
    const bench = new PipelineBench([{}, {}])
    expect(bench.send(udp(), write)).toEqual([`2: ${hex(udp())}`])
    const tcp = { ...ip, srcPort: 1, dstPort: 2 }
    expect(bench.send(tcpFrame(tcp), write)).toEqual([`2: ${hex(tcpFrame({ ...tcp, dstPort: 99 }))}`])
  })
})

test('a flow counts the frames that met it', () => {
  const { sw } = run([{ instructions: apply(output(2)) }], udp())
  expect([...sw.tables]).toMatchObject([{ packets: 1, bytes: udp().length }])
  expect(keyOf(udp())[Word.transportDestination]).toBe(2)
})
