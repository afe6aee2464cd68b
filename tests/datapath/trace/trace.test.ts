import { describe, expect, test } from 'vitest'
import { formatMegaflows } from '../../../datapath/trace/megaflow-lines.ts'
import { parseTraceWords } from '../../../datapath/trace/request.ts'
import { formatTrace, traceFrame } from '../../../datapath/trace/trace.ts'
import { parseFlow } from '../../../protocols/flow-text/parse.ts'
import { tcpFrame } from '../../../protocols/packet/compose.ts'
import { seeded } from '../../../runtime/random.ts'
import { randomFlow, randomMatch } from '../../support/random-flows.ts'
import { randomFrame } from '../../support/random-frames.ts'
import type { TestSwitch } from '../../support/test-switch.ts'
import { flowMod, testSwitch } from '../../support/test-switch.ts'
import { seeds } from '../../support/seeds.ts'

const PORTS = [{ number: 1 }, { number: 2 }, { number: 3 }]

/** All that a frame might change. */
const stateOf = ({ sw, messages }: TestSwitch) =>
  JSON.stringify(
    {
      flows: [0, 1, 2, 3]
        .flatMap((number) => [...sw.tables.table(number)])
        .map(({ packets, bytes, usedAt, spec }) => [packets, bytes, usedAt, spec]),
      tables: [0, 1, 2, 3].map((number) => [sw.tables.table(number).lookups, sw.tables.table(number).matched]),
      addresses: sw.macTable.entries(sw.clock.now()),
      connections: sw.connections.dump(),
      drops: sw.drops,
      ports: [...sw.ports].map(({ counters }) => counters),
      messages: messages.length,
    },
    (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value),
  )

function randomSwitch(seed: number): TestSwitch {
  const random = seeded(seed)
  const ours = testSwitch(PORTS)
  const options = { tables: 4, ports: [1, 2, 3] }
  for (let index = 0; index < 30; index++) {
    const flow = { ...randomFlow(random, options), priority: index, idleTimeout: 0, hardTimeout: 0, flags: {} }
    const match = index < 8 ? [] : randomMatch(random, options)
    try {
      ours.sw.tables.applyBundle([flowMod({ ...flow, match, table: index % 4 })])
    } catch {
      // What the switch refuses is the subject of other tests.
    }
  }
  return ours
}

describe('a trace', () => {
  test.each(seeds(15))('changes nothing and tells what really leaves (seed %i)', (seed) => {
    const ours = randomSwitch(seed)
    const random = seeded(seed)
    for (let round = 0; round < 8; round++) {
      const bytes = randomFrame(random)
      const hex = Buffer.from(bytes).toString('hex')
      const before = stateOf(ours)
      const trace = traceFrame(ours.sw, parseTraceWords(ours.sw, ['in_port=1', hex]))
      expect(formatTrace(trace)).toMatch(/^Flow: .*\n\nbridge/)
      expect(stateOf(ours)).toBe(before)
      const told = trace.outputs.map(({ port, frame }) => `${port}: ${Buffer.from(frame).toString('hex')}`)
      const left = ours.receive(bytes, 1).filter((line) => !line.startsWith('drop'))
      expect(told.sort()).toEqual(left.sort())
    }
  })

  test('knows the connection that the switch holds, and believes --ct-next', () => {
    const ours = testSwitch(PORTS)
    const flows = ['tcp actions=ct(commit,zone=5,table=1)', 'table=1,ct_state=+est,tcp actions=output:2']
    ours.sw.tables.applyBundle(flows.map((flow) => flowMod(parseFlow(flow))))
    const ends = { ethSrc: 1n, ethDst: 2n, srcPort: 5, dstPort: 80 }
    const there = tcpFrame({ ...ends, ipSrc: 1, ipDst: 2, flags: 0x02 })
    const back = tcpFrame({ ...ends, ipSrc: 2, ipDst: 1, srcPort: 80, dstPort: 5, flags: 0x12, acknowledgement: 1 })
    const asked = (frame: Uint8Array, ...words: string[]) =>
      formatTrace(
        traceFrame(ours.sw, parseTraceWords(ours.sw, [...words, 'in_port=1', Buffer.from(frame).toString('hex')])),
      )
    expect(asked(back)).not.toContain('ct_state=est')
    ours.receive(there, 1)
    expect(asked(back)).toContain('resume conntrack with ct_state=est|rpl|trk')
    expect(asked(back)).toContain('Datapath actions: 2')
    expect(asked(there, '--ct-next', 'trk,est')).toContain('resume conntrack with ct_state=est|trk')
    expect(ours.sw.connections.dump()).toHaveLength(1)
  })

  test('takes a TCP flow without tcp_flags for a connection that begins, or for one that is known', () => {
    const ours = testSwitch(PORTS)
    const flows = ['tcp actions=ct(commit,zone=5,table=1)', 'table=1 actions=output:2']
    ours.sw.tables.applyBundle(flows.map((flow) => flowMod(parseFlow(flow))))
    const ends = { ethSrc: 1n, ethDst: 2n, srcPort: 5, dstPort: 80 }
    const asked = (flow: string) =>
      formatTrace(traceFrame(ours.sw, parseTraceWords(ours.sw, [`in_port=1,tcp,${flow}`])))
    const there = 'nw_src=0.0.0.1,nw_dst=0.0.0.2,tp_src=5,tp_dst=80'
    expect(asked(there)).toContain('resume conntrack with ct_state=new|trk')
    expect(asked(there)).not.toContain('tcp_flags=ack')
    ours.receive(tcpFrame({ ...ends, ipSrc: 1, ipDst: 2, flags: 0x02, sequence: 1000 }), 1)
    const back = tcpFrame({
      ethSrc: 1n,
      ethDst: 2n,
      ipSrc: 2,
      ipDst: 1,
      srcPort: 80,
      dstPort: 5,
      flags: 0x12,
      sequence: 9_000_000,
      acknowledgement: 1001,
    })
    ours.receive(back, 1)
    expect(asked(there)).toContain('resume conntrack with ct_state=est|trk')
    expect(asked('nw_src=0.0.0.2,nw_dst=0.0.0.1,tp_src=80,tp_dst=5')).toContain('ct_state=est|rpl|trk')
  })

  test.each(['tcp', 'udp', 'tcp6', 'udp6'])(
    'takes a flow of %s without ports for a connection that begins',
    (protocol) => {
      const ours = testSwitch(PORTS)
      const flows = [
        'ip actions=ct(commit,zone=5,table=1)',
        'ipv6 actions=ct(commit,table=1)',
        'table=1 actions=output:2',
      ]
      ours.sw.tables.applyBundle(flows.map((flow) => flowMod(parseFlow(flow))))
      const asked = (...words: string[]) => formatTrace(traceFrame(ours.sw, parseTraceWords(ours.sw, words)))
      expect(asked(`in_port=1,${protocol}`)).toContain('resume conntrack with ct_state=new|trk')
      const frame = tcpFrame({ ethSrc: 1n, ethDst: 2n, ipSrc: 1, ipDst: 2, srcPort: 0, dstPort: 80, flags: 0x02 })
      expect(asked('in_port=1', Buffer.from(frame).toString('hex'))).toContain('ct_state=inv|trk')
    },
  )

  test('masks addresses by as many bits as they have', () => {
    const { sw } = testSwitch(PORTS)
    sw.tables.applyBundle([flowMod(parseFlow('actions=NORMAL'))])
    const text = formatTrace(traceFrame(sw, parseTraceWords(sw, ['in_port=1,dl_dst=02:00:00:00:00:09'])))
    expect(text).toMatch(/^Megaflow: .*dl_dst=02:00:00:00:00:09(,|$)/m)
  })

  test.each(['--ct-next', '-x', 'in_port=1,nonsense=2', 'in_port=1 zz'])('refuses %s', (words) => {
    const { sw } = testSwitch(PORTS)
    expect(() => parseTraceWords(sw, words.split(' '))).toThrow(/\S/)
  })
})

describe('the list of megaflows', () => {
  test('counts frames that had one answer together, and forgets the idle', async () => {
    const ours = testSwitch(PORTS)
    ours.sw.tables.applyBundle([flowMod(parseFlow('tcp,tp_dst=80 actions=output:2'))])
    const ends = { ethSrc: 1n, ethDst: 2n, ipSrc: 1, ipDst: 2, dstPort: 80 }
    for (const srcPort of [5, 6, 7]) ours.receive(tcpFrame({ ...ends, srcPort, flags: 0x02 }), 1)
    const [line, ...others] = formatMegaflows(ours.sw.cache, ours.clock.now())
    expect(others).toEqual([])
    expect(line).toBe(
      'recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0x0800),ipv4(proto=6,frag=no),tcp(dst=80), packets:3, bytes:162, used:0s, flags:S, actions:2',
    )
    await ours.clock.run(11e9)
    expect(formatMegaflows(ours.sw.cache, ours.clock.now())).toEqual([])
  })
})
