import { describe, expect, test } from 'vitest'
import { keysAgree } from '../../datapath/flow-key.ts'
import type { DatapathAction } from '../../datapath/datapath-actions.ts'
import { translate } from '../../datapath/pipeline/pipeline.ts'
import type { Action, Bucket, GroupSpec, SelectionMethod } from '../../protocols/control/messages.ts'
import { ReservedPort } from '../../protocols/control/messages.ts'
import type { FieldName } from '../../protocols/fields.ts'
import { fieldOf } from '../../protocols/fields.ts'
import { udpFrame } from '../../protocols/packet/compose.ts'
import type { Random } from '../../runtime/random.ts'
import { seeded } from '../../runtime/random.ts'
import { randomWrittenActions } from '../support/random-actions.ts'
import { chance, pick, randomBits } from '../support/random-flows.ts'
import { randomFrame } from '../support/random-frames.ts'
import { agreeingKey, randomKeys } from '../support/random-keys.ts'
import { PipelineBench, portsOf } from '../support/pipeline-bench.ts'
import { seeds } from '../support/seeds.ts'
import { expectEqual } from '../support/expect-equal.ts'

const udp = (options: object = {}) =>
  udpFrame({
    ethSrc: 1n,
    ethDst: 2n,
    ipSrc: 1,
    ipDst: 2,
    srcPort: 1,
    dstPort: 2,
    payload: new Uint8Array(4),
    ...options,
  })
const output = (port: number): Action => ({ type: 'output', port })
const toGroup = (group: number): Action => ({ type: 'group', group })

/** Eight ports, a flow that sends all to group 1 and then to port 8, and these groups. */
function benchWith(...groups: Omit<GroupSpec, 'group'>[]): PipelineBench {
  const bench = new PipelineBench(Array.from({ length: 8 }, () => ({}))).flows('actions=group:1,8')
  groups.forEach((group, index) => bench.group({ group: index + 1, ...group }))
  return bench
}

const bucketTo = (port: number, rest: Partial<Bucket> = {}): Bucket => ({ actions: [output(port)], ...rest })

test.each(seeds(1))('a group of type all does what each of its buckets does alone (seed %i)', (seed) => {
  const random = seeded(seed)
  for (let i = 0; i < 60; i++) {
    const frame = randomFrame(random)
    const buckets = Array.from({ length: random.below(4) }, () => ({
      actions: [...randomWrittenActions(random, [], 4, { ports: [1, 2, 3], groups: [9], actions: 'all' }), output(4)],
    }))
    const together = benchWith({ groupType: 'all', buckets }).receive(frame)
    const alone = buckets.flatMap((bucket) => {
      const bench = benchWith({ groupType: 'indirect', buckets: [bucket] })
      return bench.receive(frame).slice(0, -1)
    })
    const after = new PipelineBench(Array.from({ length: 8 }, () => ({}))).flows('actions=8').receive(frame)
    expect(together).toEqual([...alone, ...after])
  }
})

describe('select', () => {
  const weighted = (...weights: number[]) =>
    weights.map((weight, index) => bucketTo(index + 2, { weight, watchPort: index + 2 }))
  const chosen = (bench: PipelineBench, srcPort: number) => Number(portsOf(bench.receive(udp({ srcPort })))[0])

  test.each([undefined, 'dp_hash', 'hash'] as const)('gives buckets their share by weight (%s)', (method) => {
    const selection: SelectionMethod | undefined = method && { method, parameter: 7n, fields: [] }
    const bench = benchWith({ groupType: 'select', buckets: weighted(1, 2, 5, 0), ...(selection && { selection }) })
    const counts = [0, 0, 0, 0]
    for (let flow = 0; flow < 4000; flow++) counts[chosen(bench, flow) - 2]++
    for (const [index, share] of [500, 1000, 2500, 0].entries())
      expect(Math.abs(counts[index]! - share)).toBeLessThan(150)
  })

  test('keeps a flow, and its answers, where they are', () => {
    const bench = benchWith({ groupType: 'select', buckets: weighted(1, 1, 1, 1) })
    for (let flow = 0; flow < 50; flow++) {
      const there = portsOf(bench.receive(udp({ srcPort: flow, payload: new Uint8Array(flow) })))
      const back = udp({ ethSrc: 2n, ethDst: 1n, ipSrc: 2, ipDst: 1, srcPort: 2, dstPort: flow })
      expect(portsOf(bench.receive(back))).toEqual(there)
    }
  })

  test('moves only the flows of a bucket whose port is down', () => {
    const bench = benchWith({ groupType: 'select', buckets: weighted(1, 2, 3) })
    const before = Array.from({ length: 300 }, (_, flow) => chosen(bench, flow))
    bench.context.ports.setLink('p3', false)
    const after = Array.from({ length: 300 }, (_, flow) => chosen(bench, flow))
    expect(after).not.toContain(3)
    expect(after.filter((_, flow) => before[flow] !== 3)).toEqual(before.filter((port) => port !== 3))
  })

  test('goes by the fields that it is told, and no others', () => {
    const fields = [{ field: 'nw_dst' as const, value: 0xffffff00n }]
    const selection = { method: 'hash' as const, parameter: 1n, fields }
    const bench = benchWith({ groupType: 'select', buckets: weighted(1, 1, 1, 1), selection })
    const one = portsOf(bench.receive(udp({ ipDst: 0x0a000001 })))
    for (let flow = 0; flow < 20; flow++)
      expect(portsOf(bench.receive(udp({ ipDst: 0x0a000000 + flow, srcPort: flow, ipSrc: flow })))).toEqual(one)
    const others = Array.from({ length: 40 }, (_, net) => portsOf(bench.receive(udp({ ipDst: net << 8 })))[0])
    expect(new Set(others).size).toBe(4)
  })

  function randomSelection(random: Random): SelectionMethod {
    const names: FieldName[] = [
      'eth_src',
      'eth_dst',
      'nw_src',
      'ipv6_dst',
      'tcp_dst',
      'udp_src',
      'reg1',
      'mpls_label',
      'vlan_vid',
    ]
    const fields = names
      .filter(() => chance(random, 0.3))
      .map((field) => ({
        field,
        value: chance(random, 0.5) ? fieldOf(field).ones : randomBits(random, fieldOf(field).bits),
      }))
    return { method: pick(random, ['hash', 'dp_hash']), parameter: randomBits(random, 64), fields }
  }

  test.each(seeds(2))('depends on the bits that it says, and no others (seed %i)', (seed) => {
    const random = seeded(seed)
    const keys = randomKeys(random, 40)
    for (let i = 0; i < 10; i++) {
      const selection = randomSelection(random)
      const { context } = benchWith({ groupType: 'select', buckets: weighted(1, 1, 1, 1, 1, 1), selection })
      for (const key of keys) {
        const said = translate(context, key, 0)
        for (let other = 0; other < 10; other++) {
          const agreeing = agreeingKey(random, key, said.consulted, keys)
          expectEqual(keysAgree(agreeing, key, said.consulted), true)
          expectEqual(sentTo(translate(context, agreeing, 0).actions), sentTo(said.actions))
        }
      }
    }
  })

  const sentTo = (actions: readonly DatapathAction[]) =>
    actions.map((action) => (action.type === 'output' ? action.port : 0))
})

describe('fast failover', () => {
  const watching = (...watched: Partial<Bucket>[]) =>
    watched.map((rest, index): Bucket => ({ actions: [output(index + 2)], ...rest }))

  test('takes the first bucket whose port is up and not forbidden', () => {
    const buckets = watching({ watchPort: 9 }, { watchPort: 3 }, { watchPort: 4 })
    const bench = benchWith({ groupType: 'fast_failover', buckets })
    expect(portsOf(bench.receive(udp()))).toEqual(['3', '8'])
    bench.context.ports.setFlags(3, { down: true })
    expect(portsOf(bench.receive(udp()))).toEqual(['4', '8'])
    bench.context.ports.setLink('p4', false)
    expect(portsOf(bench.receive(udp()))).toEqual(['8'])
    bench.context.ports.setFlags(3, { down: false })
    expect(portsOf(bench.receive(udp()))).toEqual(['3', '8'])
  })

  test('a watched group lives while one of its buckets does, also where groups watch each other in a ring', () => {
    const bench = benchWith(
      { groupType: 'fast_failover', buckets: watching({ watchGroup: 2 }, { watchPort: 5 }) },
      { groupType: 'fast_failover', buckets: watching({ watchGroup: 3 }, { watchGroup: 3 }) },
      { groupType: 'fast_failover', buckets: watching({ watchGroup: 2 }, { watchGroup: 1 }, { watchPort: 6 }) },
    )
    expect(portsOf(bench.receive(udp()))).toEqual(['2', '8'])
    bench.context.ports.setLink('p6', false)
    bench.context.ports.setLink('p5', false)
    expect(portsOf(bench.receive(udp()))).toEqual(['8'])
  })
})

test('groups and the buckets that were met count frames and bytes', () => {
  const bench = benchWith(
    { groupType: 'all', buckets: [{ actions: [toGroup(2)] }, bucketTo(3)] },
    { groupType: 'fast_failover', buckets: [bucketTo(4, { watchPort: 9 }), bucketTo(5, { watchPort: 5 })] },
  )
  bench.receive(udp())
  bench.receive(udp())
  const counts = [1, 2]
    .map((number) => bench.context.groups.get(number)!)
    .map((group) => [group, ...group.buckets].map(({ packets }) => packets))
  expect(counts).toEqual([
    [2, 2, 2],
    [2, 0, 2],
  ])
  expect(bench.context.groups.get(2)).toMatchObject({ bytes: 2 * udp().length })
})

describe('a bucket', () => {
  test('that can not be done ends alone, as in Open vSwitch', () => {
    const bench = new PipelineBench(Array.from({ length: 8 }, () => ({})))
      .flows(
        'actions=group:1,8',
        'table=1,actions=push_mpls:0x8847,push_mpls:0x8847,push_mpls:0x8847,push_mpls:0x8847,2',
      )
      .group({ group: 1, groupType: 'all', buckets: [{ actions: [{ type: 'resubmit', table: 1 }] }, bucketTo(3)] })
    expect(portsOf(bench.receive(udp()))).toEqual(['3', '8'])
    expect(portsOf(bench.send(udp(), [{ type: 'resubmit', table: 1 }]))).toEqual(['drop too_many_mpls_labels'])
    expect(bench.arena.live).toBe(0)
  })

  test('whose actions exit does not end the list around its group', () => {
    const bench = benchWith({ groupType: 'indirect', buckets: [{ actions: [{ type: 'resubmit', table: 1 }] }] })
    bench.flows('table=1,actions=2,exit,3')
    expect(portsOf(bench.receive(udp()))).toEqual(['2', '8'])
  })

  test('carries its actions out in the order of an action set, and a group in it goes before an output', () => {
    const push: Action = { type: 'push_vlan', etherType: 0x8100 }
    const bench = benchWith(
      {
        groupType: 'indirect',
        buckets: [{ actions: [output(2), toGroup(2), { type: 'set_vlan_vid', vid: 5 }, push] }],
      },
      { groupType: 'indirect', buckets: [bucketTo(3)] },
    )
    const hex = Buffer.from(udp({ vlan: [{ id: 5 }] })).toString('hex')
    expect(bench.receive(udp())[0]).toBe(`3: ${hex}`)
  })

  test('tells the controller that a group sent the frame', () => {
    const bench = benchWith({ groupType: 'indirect', buckets: [{ actions: [output(ReservedPort.Controller)] }] })
    bench.receive(udp())
    expect(bench.packetIns).toMatchObject([{ reason: 'group' }])
  })
})

test('groups that go round by way of tables, or fan out without end, end', () => {
  const round = benchWith({ groupType: 'indirect', buckets: [{ actions: [{ type: 'resubmit', table: 0 }] }] })
  expect(round.receive(udp())).toEqual(['drop recursion_too_deep'])
  const fan = Array.from({ length: 12 }, (_, index) => ({
    groupType: 'all' as const,
    buckets: Array.from({ length: 10 }, () => ({ actions: [toGroup(index + 2)] })),
  }))
  expect(benchWith(...fan).receive(udp())).toEqual(['drop too_many_resubmit'])
})
