import { describe, expect, test } from 'vitest'
import type { Action } from '../../protocols/control/messages.ts'
import { EtherType } from '../../protocols/match.ts'
import { ethernetFrame, mplsFrame, pbbFrame, udpFrame } from '../../protocols/packet/compose.ts'
import { seeded } from '../../runtime/random.ts'
import { bench, hex } from '../support/pipeline-bench.ts'

const link = { ethSrc: 0x020000000001n, ethDst: 0x020000000002n }
const udp = (options: object = {}) =>
  udpFrame({
    ...link,
    ipSrc: 1,
    ipDst: 2,
    srcPort: 1,
    dstPort: 2,
    dscp: 10,
    ttl: 9,
    payload: new Uint8Array(8),
    ...options,
  })
/** What is behind the Ethernet header. */
const packet = (options: object = {}) => udp(options).subarray(14)
const to2 = (frame: Uint8Array) => [`2: ${hex(frame)}`]
const push: Action = { type: 'push_mpls', etherType: EtherType.Mpls }
const label = (number: number, trafficClass = 0, ttl = 64) => ({ label: number, trafficClass, ttl })

describe('the first label', () => {
  test('bears traffic class and TTL of an IP header, and the null label of its version, as in Open vSwitch', () => {
    const flow = bench('actions=push_mpls:0x8847,2')
    expect(flow.receive(udp())).toEqual(to2(mplsFrame({ ...link, labels: [label(0, 10 & 7, 9)], payload: packet() })))
    const ipv6 = { ipSrc: 1n, ipDst: 2n }
    const labels = [label(2, 10 & 7, 9)]
    expect(flow.receive(udp(ipv6))).toEqual(to2(mplsFrame({ ...link, labels, payload: packet(ipv6) })))
    const other = ethernetFrame({ ...link, etherType: 0x88cc, payload: new Uint8Array(50) })
    expect(flow.receive(other)).toEqual(to2(mplsFrame({ ...link, labels: [label(0)], payload: new Uint8Array(50) })))
  })

  test('hides what is behind it: a table sees no IP, and what was written there before is there', () => {
    const flow = bench(
      'ip,actions=mod_nw_ttl:33,push_mpls:0x8847,resubmit(,1)',
      'table=1,priority=2,ip,actions=3',
      'table=1,priority=1,mpls,mpls_ttl=33,mpls_bos=1,actions=2',
    )
    const labels = [label(0, 10 & 7, 33)]
    expect(flow.receive(udp())).toEqual(to2(mplsFrame({ ...link, labels, payload: packet({ ttl: 33 }) })))
  })
})

test.each([1, 2, 3, 4, 5])(
  'labels pushed, popped and set make the stack that one would write by hand (seed %i)',
  (seed) => {
    const random = seeded(seed)
    for (let i = 0; i < 100; i++) {
      const start = Array.from({ length: 1 + random.below(3) }, () =>
        label(random.below(1 << 20), random.below(8), 2 + random.below(200)),
      )
      const stack = start.map((entry) => ({ ...entry }))
      const actions: Action[] = []
      for (let step = random.below(9); step > 0; step--) {
        const top = stack[0]!
        switch (random.below(6)) {
          case 0:
            if (stack.length === 3) break
            actions.push(push)
            stack.unshift({ ...top })
            break
          case 1:
            if (stack.length === 1) break
            actions.push({ type: 'pop_mpls', etherType: EtherType.Mpls })
            stack.shift()
            break
          case 2:
            top.label = random.below(1 << 20)
            actions.push({ type: 'set_field', field: 'mpls_label', value: BigInt(top.label) })
            break
          case 3:
            top.ttl = 1 + random.below(255)
            actions.push({ type: 'set_mpls_ttl', ttl: top.ttl })
            break
          case 4:
            if (top.ttl === 1) break
            top.ttl--
            actions.push({ type: 'dec_mpls_ttl' })
            break
          case 5: {
            const [outer, inner] = stack
            if (outer === undefined || inner === undefined) break
            const isOut = random.below(2) === 0
            actions.push({ type: isOut ? 'copy_ttl_out' : 'copy_ttl_in' })
            if (isOut) outer.ttl = inner.ttl
            else inner.ttl = outer.ttl
          }
        }
      }
      const frame = mplsFrame({ ...link, vlan: [{ id: 7 }], labels: start, payload: packet() })
      const expected = mplsFrame({ ...link, vlan: [{ id: 7 }], labels: stack, payload: packet() })
      const heard = bench().send(frame, [...actions, { type: 'output', port: 2 }])
      expect(heard).toEqual(to2(expected))
    }
  },
)

test('the type in front of labels is that of the last one pushed or popped', () => {
  const labelled = mplsFrame({ ...link, labels: [label(5), label(6)], payload: packet() })
  const multicast = { ...link, payload: packet(), etherType: EtherType.MplsMulticast }
  const act = (type: 'push_mpls' | 'pop_mpls') =>
    bench().send(labelled, [
      { type, etherType: EtherType.MplsMulticast },
      { type: 'output', port: 2 },
    ])
  expect(act('push_mpls')).toEqual(to2(mplsFrame({ ...multicast, labels: [label(5), label(5), label(6)] })))
  expect(act('pop_mpls')).toEqual(to2(mplsFrame({ ...multicast, labels: [label(6)] })))
})

describe('what was under a label', () => {
  const labelled = mplsFrame({ ...link, labels: [label(5, 0, 2)], payload: packet() })

  test('is seen after the frame was read anew, by actions and by tables', () => {
    const flow = bench(
      'mpls,actions=pop_mpls:0x0800,dec_ttl,resubmit(,1),3',
      'table=1,udp,udp_dst=2,nw_ttl=8,actions=2',
    )
    expect(flow.receive(labelled)).toEqual([...to2(udp({ ttl: 8 })), `3: ${hex(udp({ ttl: 8 }))}`])
    expect(flow.translations).toHaveLength(2)
  })

  test('is not waited for where nobody looks', () => {
    const flow = bench('mpls,actions=pop_mpls:0x0800,mod_dl_dst:02:00:00:00:00:09,mod_vlan_vid:3,2')
    expect(flow.receive(labelled)).toEqual(to2(udp({ ethDst: 0x020000000009n, vlan: [{ id: 3 }] })))
    expect(flow.translations).toHaveLength(1)
  })

  test('is seen by the table that is gone to, with registers, action set, stack and queue as they were', () => {
    const flow = bench(
      'mpls,actions=load:5->NXM_NX_REG3[],push:NXM_NX_REG3[],set_queue:4,pop_mpls:0x0800,write_actions(output:3),goto_table:1',
      'table=1,udp,reg3=5,actions=pop:NXM_NX_REG4[],goto_table:2',
      'table=2,reg4=5,ip,actions=2',
    )
    expect(flow.receive(labelled)).toEqual([`2 queue 4: ${hex(udp())}`, `3 queue 4: ${hex(udp())}`])
  })

  test('a clone that waits for it keeps nobody else waiting', () => {
    const flow = bench('mpls,actions=clone(pop_mpls:0x0800,dec_ttl,2),set_field:9->mpls_label,3')
    const relabelled = mplsFrame({ ...link, labels: [label(9, 0, 2)], payload: packet() })
    expect(flow.receive(labelled)).toEqual([...to2(udp({ ttl: 8 })), `3: ${hex(relabelled)}`])
    expect(flow.arena.live).toBe(0)
  })

  test('gives its TTL to the label, and the label its own to it', () => {
    const out = mplsFrame({ ...link, labels: [label(5, 0, 9)], payload: packet() })
    const act = (...actions: Action[]) => bench().send(labelled, [...actions, { type: 'output', port: 2 }])
    expect(act({ type: 'copy_ttl_out' })).toEqual(to2(out))
    expect(act({ type: 'copy_ttl_out' }, { type: 'dec_mpls_ttl' })).toEqual(
      to2(mplsFrame({ ...link, labels: [label(5, 0, 8)], payload: packet() })),
    )
    expect(act({ type: 'copy_ttl_in' }, { type: 'pop_mpls', etherType: EtherType.Ipv4 })).toEqual(to2(udp({ ttl: 2 })))
  })
})

describe('the TTL of a label', () => {
  test('that is up goes to the controller', () => {
    const flow = bench('mpls,actions=dec_mpls_ttl,2')
    expect(flow.receive(mplsFrame({ ...link, labels: [label(1, 0, 1)], payload: packet() }))).toEqual([
      'drop ttl_expired',
    ])
    expect(flow.packetIns).toMatchObject([{ reason: 'invalid_ttl', maxLength: 0xffff }])
  })

  test('ends a list that counts it where there is no label, as in Open vSwitch', () => {
    expect(bench().send(udp(), [{ type: 'dec_mpls_ttl' }, { type: 'output', port: 2 }])).toEqual(['drop ttl_expired'])
  })
})

test('more labels than can be seen are neither added to nor taken from', () => {
  const deep = mplsFrame({ ...link, labels: [1, 2, 3, 4].map((number) => label(number)), payload: packet() })
  const pop: Action = { type: 'pop_mpls', etherType: EtherType.Mpls }
  for (const action of [push, pop])
    expect(bench().send(deep, [{ type: 'output', port: 3 }, action, { type: 'output', port: 2 }])).toEqual([
      'drop too_many_mpls_labels',
    ])
})

describe('a backbone header', () => {
  test('is put around the whole frame, and shows its service', () => {
    const flow = bench(
      'actions=push_pbb:0x88e7,set_field:0x123456->pbb_isid,mod_dl_src:02:00:00:00:00:0a,push_vlan:0x88a8,set_field:4099->vlan_vid,resubmit(,1)',
      'table=1,dl_type=0x88e7,pbb_isid=0x123456,dl_vlan=3,actions=2',
    )
    const inner = udp({ vlan: [{ id: 5 }] })
    const outer = pbbFrame({
      ...link,
      ethSrc: 0x02000000000an,
      vlan: [{ id: 3, etherType: 0x88a8 }],
      serviceId: 0x123456,
      inner,
    })
    expect(flow.receive(inner)).toEqual(to2(outer))
  })

  test('taken off gives what was within, which tables see', () => {
    const inner = udp({ vlan: [{ id: 5 }] })
    const outer = pbbFrame({ ethSrc: 8n, ethDst: 9n, serviceId: 1, inner })
    const flow = bench(
      'dl_type=0x88e7,actions=pop_pbb,resubmit(,1)',
      'table=1,dl_vlan=5,udp,dl_src=02:00:00:00:00:01,actions=2',
    )
    expect(flow.receive(outer)).toEqual(to2(inner))
  })
})

describe('an Ethernet header', () => {
  test('off and on again has no addresses but those it is given', () => {
    const flow = bench('ip,actions=decap(),dec_ttl,encap(ethernet),set_field:00:00:00:00:00:05->eth_dst,2')
    expect(flow.receive(udp())).toEqual(to2(udp({ ethSrc: 0n, ethDst: 5n, ttl: 8 })))
  })

  test('is needed by every port', () => {
    expect(bench('actions=decap(),2').receive(udp())).toEqual(['drop unsupported_packet_type'])
    expect(bench('actions=encap(ethernet),2').receive(udp())).toEqual(['drop unsupported_packet_type'])
  })

  test('goes under a label with the frame, and comes out again', () => {
    const there = bench(
      'actions=encap(mpls),set_field:77->mpls_label,encap(ethernet),set_field:00:00:00:00:00:05->eth_dst,2',
    )
    const tunnelled = mplsFrame({ ethSrc: 0n, ethDst: 5n, labels: [label(77, 0, 64)], payload: udp() })
    expect(there.receive(udp())).toEqual(to2(tunnelled))
    const back = bench().send(tunnelled, [
      { type: 'decap' },
      { type: 'decap', packetType: 0 },
      { type: 'resubmit', table: 0 },
    ])
    expect(back).toEqual(['drop table_miss'])
    const home = bench('udp,dl_src=02:00:00:00:00:01,actions=2')
    expect(
      home.send(tunnelled, [{ type: 'decap' }, { type: 'decap', packetType: 0 }, { type: 'resubmit', table: 0 }]),
    ).toEqual(to2(udp()))
  })
})
