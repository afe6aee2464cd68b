import { describe, expect, test } from 'vitest'
import { ConnectionTracker } from '../../datapath/conntrack/connection-tracker.ts'
import type { Tracked, TrackRequest, Tracker } from '../../datapath/conntrack/tracker.ts'
import type { FrameHandle } from '../../datapath/frames.ts'
import { translate } from '../../datapath/pipeline/pipeline.ts'
import type { DatapathAction } from '../../datapath/datapath-actions.ts'
import { CtState, Word } from '../../protocols/fields.ts'
import { seeded } from '../../runtime/random.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { agreeingKey, keyOf, randomKeys } from '../support/random-keys.ts'
import { PipelineBench, hex, portsOf, udp } from '../support/pipeline-bench.ts'

/** Writes down what it is asked, and says of every frame that it is new in the zone that was asked for. */
class Listener implements Tracker {
  requests: TrackRequest[] = []
  before: (Tracked | undefined)[] = []

  track(_arena: unknown, frame: FrameHandle, request: TrackRequest, before?: Tracked) {
    this.requests.push(request)
    this.before.push(before)
    const words = new Uint32Array(Word.ctTransportDestination - Word.ctState + 1)
    words[0] = CtState.Tracked | CtState.New
    words[Word.ctZone - Word.ctState] = request.zone
    words[Word.ctMark - Word.ctState] = request.mark?.value ?? 0
    return [{ frame, words }]
  }
}

function benchWith(...flows: string[]) {
  const tracker = new Listener()
  const bench = new PipelineBench([{}, {}, {}, {}], { tracker }).flows(...flows)
  return { bench, tracker }
}

describe('ct', () => {
  test('asks for what it says, of the frame as it is there', () => {
    const { bench, tracker } = benchWith(
      'ip,actions=load:7->NXM_NX_REG0[],load:0xab->NXM_NX_REG1[],' +
        'ct(commit,force,zone=NXM_NX_REG0[0..15],exec(load:0x3->NXM_NX_CT_MARK[4..7],move:NXM_NX_REG1[0..7]->NXM_NX_CT_LABEL[32..39]),nat(src=10.0.0.9-10.0.0.12:5-9,random))',
    )
    bench.receive(udp())
    expect(tracker.requests).toEqual([
      {
        zone: 7,
        commit: true,
        force: true,
        mark: { value: 0x30, mask: 0xf0 },
        label: { value: Uint32Array.of(0, 0, 0xab, 0), mask: Uint32Array.of(0, 0, 0xff, 0) },
        nat: {
          direction: 'src',
          addresses: { family: 4, first: 0x0a000009n, last: 0x0a00000cn },
          ports: { first: 5, last: 9 },
          persistent: false,
          algorithm: 'random',
        },
        alg: 0,
      },
    ])
  })

  test('sends a copy on at its table, tracked; what follows sees the frame untracked, as in Open vSwitch', () => {
    const { bench } = benchWith(
      'ip,actions=set_field:3->reg2,ct(commit,zone=9,table=1,exec(set_field:5->ct_mark)),resubmit(,2)',
      'table=1,ct_state=+trk+new,ct_zone=9,ct_mark=5,reg2=3,ip,actions=2',
      'table=2,ct_state=0,ct_mark=0,ct_zone=0,actions=3',
    )
    expect(portsOf(bench.receive(udp()))).toEqual(['2', '3'])
    expect(bench.arena.live).toBe(0)
  })

  test('gives the copy the action set of its place, and leaves the frame its own', () => {
    const { bench } = benchWith(
      'actions=write_actions(output:2),goto_table:1',
      'table=1,ip,actions=ct(table=2)',
      'table=2,actions=3',
    )
    expect(portsOf(bench.receive(udp()))).toEqual(['3', '2', '2'])
  })

  test('says whom it saw before, until ct_clear', () => {
    const { bench, tracker } = benchWith(
      'ip,actions=ct(table=1)',
      'table=1,ip,actions=ct(zone=1,table=2)',
      'table=2,ip,actions=ct_clear,ct(zone=2),resubmit(,3)',
      'table=3,ct_state=0,actions=2',
    )
    expect(portsOf(bench.receive(udp()))).toEqual(['2'])
    expect(tracker.before.map((before) => before !== undefined)).toEqual([false, true, false])
  })

  test('again and again ends by name', () => {
    const { bench, tracker } = benchWith('ip,actions=ct(table=0)')
    expect(bench.receive(udp())).toEqual(['drop recirculation_too_deep'])
    expect(tracker.requests).toHaveLength(7)
    expect(bench.arena.live).toBe(0)
  })

  test('lets a reply be looked up by the tuple of its connection, and says which bits decided', () => {
    const flows = [
      'table=0,priority=2,ct_state=+trk+est,ip,actions=resubmit(,1,ct)',
      'table=0,priority=1,actions=drop',
      'table=1,udp,nw_src=10.0.0.0/24,udp_dst=53,actions=2',
    ]
    const { bench } = benchWith(...flows)
    const key = keyOf(udp({ ipSrc: 0x0b000001, dstPort: 9 }))
    key[Word.ctState] = CtState.Tracked | CtState.Established
    key[Word.ctProtocol] = 17
    key[Word.ctIpv4Source] = 0x0a000007
    key[Word.ctTransportDestination] = 53
    const sent = (actions: readonly DatapathAction[]) =>
      actions.map((action) => (action.type === 'output' ? action.port : action.type))
    const said = translate(bench.context, key, 0)
    expect(sent(said.actions)).toEqual([2])
    const random = seeded(1)
    const others = randomKeys(random, 20)
    for (let i = 0; i < 300; i++)
      expect(sent(translate(bench.context, agreeingKey(random, key, said.consulted, others), 0).actions)).toEqual([2])
    key[Word.ctIpv4Source] = 0x0b000007
    expect(sent(translate(bench.context, key, 0).actions)).toEqual(['drop'])
  })

  test('lets replies in and others not, with the real tracker', () => {
    const clock = new VirtualClock()
    const tracker = new ConnectionTracker({ clock, random: seeded(1) })
    const bench = new PipelineBench([{}, {}], { tracker }).flows(
      'priority=9,arp,actions=NORMAL',
      'in_port=1,ip,actions=ct(commit,zone=5),2',
      'in_port=2,ip,ct_state=-trk,actions=ct(zone=5,table=1)',
      'table=1,in_port=2,ip,ct_state=+trk+est,actions=1',
      'table=1,priority=1,actions=drop',
    )
    const back = (srcPort: number) => udp({ ipSrc: 2, ipDst: 1, srcPort, dstPort: 1 })
    expect(bench.receive(back(2), 2)).toEqual(['drop drop_action_of_pipeline'])
    expect(portsOf(bench.receive(udp(), 1))).toEqual(['2'])
    expect(portsOf(bench.receive(back(2), 2))).toEqual(['1'])
    expect(bench.receive(back(3), 2)).toEqual(['drop drop_action_of_pipeline'])
    tracker.close()
  })

  test('that holds pieces of a datagram lets all go on when the last has come', () => {
    const held: FrameHandle[] = []
    const words = new Uint32Array(Word.ctTransportDestination - Word.ctState + 1).fill(
      CtState.Tracked | CtState.New,
      0,
      1,
    )
    const tracker: Tracker = {
      track(_arena, frame) {
        held.push(frame)
        return held.length < 3 ? [] : held.splice(0).map((one) => ({ frame: one, words }))
      },
    }
    const bench = new PipelineBench([{}, {}], { tracker }).flows(
      'ip,actions=ct(table=1)',
      'table=1,ct_state=+new+trk,ip,actions=2',
    )
    const pieces = [1, 2, 3].map((ttl) => udp({ ttl }))
    expect(bench.receive(pieces[0]!)).toEqual([])
    expect(bench.receive(pieces[1]!)).toEqual([])
    expect(bench.receive(pieces[2]!)).toEqual(pieces.map((piece) => `2: ${hex(piece)}`))
    expect(bench.arena.live).toBe(0)
  })
})

describe('check_pkt_larger', () => {
  test.each([
    [50, '3'],
    [49, '2'],
  ])('a frame of 50 bytes against %i', (length, port) => {
    const { bench } = benchWith(
      `actions=load:0xff->NXM_NX_REG0[],check_pkt_larger(${length})->NXM_NX_REG0[3],resubmit(,1)`,
      'table=1,reg0=0xff,actions=2',
      'table=1,reg0=0xf7,actions=3',
    )
    expect(udp()).toHaveLength(50)
    expect(portsOf(bench.receive(udp()))).toEqual([port])
  })

  test('goes on with all lists that it stands in, and with the action set, once', () => {
    const { bench } = benchWith(
      'actions=resubmit(,1),write_actions(output:4),goto_table:3',
      'table=1,actions=check_pkt_larger(20)->NXM_NX_REG0[0],resubmit(,2)',
      'table=2,reg0=1,actions=2',
      'table=3,actions=3',
    )
    expect(portsOf(bench.receive(udp()))).toEqual(['2', '3', '4'])
  })

  test('over and over ends by name', () => {
    const { bench } = benchWith(`actions=${'check_pkt_larger(9)->NXM_NX_REG0[0],'.repeat(200)}2`)
    expect(bench.receive(udp())).toEqual(['drop recirculation_too_deep'])
  })
})
