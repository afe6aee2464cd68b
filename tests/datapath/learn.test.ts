import { describe, expect, test } from 'vitest'
import { printFlow } from '../../protocols/flow-text/print.ts'
import { tcpFrame, udpFrame } from '../../protocols/packet/compose.ts'
import { TcpFlag } from '../../protocols/packet/tcp.ts'
import { seeded } from '../../runtime/random.ts'
import { bench, portsOf } from '../support/pipeline-bench.ts'

const A = 0x02000000000an
const B = 0x02000000000bn
const udp = (options: object = {}) =>
  udpFrame({ ethSrc: A, ethDst: B, ipSrc: 1, ipDst: 2, srcPort: 1, dstPort: 2, payload: new Uint8Array(8), ...options })

/** Of Open vSwitch's own tests (learn.at): a switch that learns by flows alone. */
const SWITCH = [
  'actions=learn(table=1,hard_timeout=60,NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),resubmit(,1)',
  'table=1,priority=0,actions=flood',
]

test('a switch that learns by flows alone floods until it knows', () => {
  const learning = bench(...SWITCH)
  expect(portsOf(learning.receive(udp(), 3))).toEqual(['1', '2', '4'])
  expect(portsOf(learning.receive(udp({ ethSrc: B, ethDst: A }), 1))).toEqual(['3'])
  expect(portsOf(learning.receive(udp(), 3))).toEqual(['1'])
  expect([...learning.context.tables.table(1)].map(({ spec }) => spec.hardTimeout).sort((a, b) => a - b)).toEqual([
    0, 60, 60,
  ])
})

test('asking what would become of a frame teaches nothing', () => {
  const learning = bench(...SWITCH)
  const before = learning.context.tables.size
  learning.receive(udp(), 3)
  expect(learning.translations[0]?.effects).toMatchObject([{ type: 'learn_flow', mod: { table: 1 } }])
  expect(learning.context.tables.size).toBe(before + 1)
})

test.each([1, 2, 3])(
  'what was learned is met by what agrees with the teacher, and by nothing else (seed %i)',
  (seed) => {
    const random = seeded(seed)
    const learning = bench(
      'in_port=1,udp,actions=learn(table=1,priority=5,eth_type=0x800,nw_proto=17,NXM_OF_IP_SRC[8..31],udp_dst=udp_src,load:NXM_OF_IP_DST[0..15]->NXM_NX_REG1[16..31],load:3->NXM_NX_REG2[]),4',
      'in_port=2,actions=resubmit(,1),resubmit(,2)',
      'table=2,reg2=3,actions=move:NXM_NX_REG1[16..31]->NXM_OF_VLAN_TCI[],3',
    )
    const draw = () => ({
      ipSrc: random.below(1024),
      ipDst: random.below(0x1000),
      srcPort: random.below(3),
      dstPort: random.below(3),
    })
    const taught = new Set<string>()
    for (let i = 0; i < 300; i++) {
      const packet = draw()
      if (random.below(3) === 0) {
        learning.receive(udp(packet), 1)
        taught.add(`${packet.ipSrc >> 8} ${packet.srcPort}`)
        continue
      }
      const isKnown = taught.has(`${packet.ipSrc >> 8} ${packet.dstPort}`)
      expect(portsOf(learning.receive(udp(packet), 2))).toEqual([isKnown ? '3' : 'drop table_miss'])
    }
    expect(learning.context.tables.table(1).size).toBe(taught.size)
  },
)

test('a limit holds for all flows of the cookie, and the result bit says whether there was room', () => {
  const learning = bench(
    'udp,actions=learn(table=1,cookie=7,limit=2,result_dst=NXM_NX_REG0[0],eth_type=0x800,NXM_OF_IP_SRC[]),resubmit(,2)',
    'table=2,reg0=1,actions=2',
    'table=2,reg0=0,actions=3',
  )
  const tries = [1, 2, 3, 4].map((ipSrc) => portsOf(learning.receive(udp({ ipSrc })))[0])
  expect(tries).toEqual(['2', '2', '3', '3'])
  expect(learning.context.tables.table(1).size).toBe(2)
})

test('several lessons of one frame share the limit', () => {
  const lesson = (field: string) => `learn(table=1,cookie=7,limit=1,result_dst=NXM_NX_REG0[0],eth_type=0x800,${field})`
  const learning = bench(
    `udp,actions=${lesson('NXM_OF_IP_SRC[]')},${lesson('NXM_OF_IP_DST[]')},resubmit(,2)`,
    'table=2,reg0=0,actions=3',
  )
  expect(portsOf(learning.receive(udp()))).toEqual(['3'])
  expect(learning.context.tables.table(1).size).toBe(1)
})

describe('fin_timeout', () => {
  const tcp = (flags: number) => tcpFrame({ ethSrc: A, ethDst: B, ipSrc: 1, ipDst: 2, srcPort: 1, dstPort: 2, flags })

  test.each([
    [TcpFlag.Ack, 60],
    [TcpFlag.Ack | TcpFlag.Fin, 5],
    [TcpFlag.Rst, 5],
  ])('shortens the flow that says it when a connection ends (flags %i)', (flags, expected) => {
    const flow = bench('idle_timeout=60,tcp,actions=fin_timeout(idle_timeout=5),2')
    flow.receive(tcp(flags))
    expect([...flow.context.tables].map(({ spec }) => spec.idleTimeout)).toEqual([expected])
  })
})

// What a real Open vSwitch 3.1 does of the same flows with a packet-out from LOCAL.
test('the ports of NXM_OF_IN_PORT have 16 bits, and its reserved ones are those of in_port', () => {
  const moving = bench(
    'in_port=1,actions=load:0xfffe->NXM_OF_IN_PORT[],resubmit(,1)',
    'table=1,in_port=LOCAL,actions=move:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15],resubmit(,2)',
    'table=2,reg0=0xfffe,actions=push:NXM_OF_IN_PORT[],load:2->NXM_OF_IN_PORT[],resubmit(,3),pop:NXM_OF_IN_PORT[],resubmit(,4)',
    'table=3,in_port=2,actions=3',
    'table=4,in_port=LOCAL,actions=learn(table=10,NXM_OF_IN_PORT[],load:NXM_OF_IN_PORT[]->NXM_NX_REG1[0..15]),resubmit(,5)',
    'table=5,actions=load:0->NXM_OF_IN_PORT[8..15],resubmit(,6)',
    'table=6,in_port=254,actions=learn(table=11,NXM_OF_IN_PORT[0..7]),4',
  )
  expect(portsOf(moving.receive(udp(), 1))).toEqual(['3', '4'])
  const learned = [10, 11].flatMap((table) => [...moving.context.tables.table(table)])
  expect(learned.map(({ spec }) => printFlow(spec))).toEqual([
    ' table=10, in_port=LOCAL actions=load:0xfffe->NXM_NX_REG1[0..15]',
    ' table=11, actions=drop',
  ])
})
