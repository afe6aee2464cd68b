import { expect, test } from 'vitest'
import { performanceCommands } from '../../../datapath/vswitchd/performance-commands.ts'
import { udpFrame } from '../../../protocols/packet/compose.ts'
import { parseFlow } from '../../../protocols/flow-text/parse.ts'
import { flowMod, testSwitch } from '../../support/test-switch.ts'

/** Each look at it is a microsecond later. */
const ticking = () => {
  let now = 0
  return () => (now += 1000)
}

function watched(...flows: string[]) {
  const made = testSwitch([{}, {}], { stopwatch: ticking() })
  made.sw.tables.applyBundle(flows.map((flow) => flowMod(parseFlow(flow))))
  const commands = performanceCommands(made.sw)
  const ask = (method: string, ...words: string[]) => commands[method]!.run(words)
  const meet = (ports: number[]) => {
    const frames = ports.map((dstPort) =>
      made.arena.allocateFrom(udpFrame({ ethSrc: 1n, ethDst: 2n, ipSrc: 1, ipDst: 9, srcPort: 5, dstPort })),
    )
    made.sw.receive(frames, frames.length, 1)
  }
  return { ...made, ask, meet }
}

const STATISTICS = 'dpif-netdev/pmd-stats-show'

test('each frame is counted where its answer came from', () => {
  const { ask, meet, sw } = watched('udp,tp_dst=9,actions=2', 'udp,tp_dst=10,actions=ct(table=1)', 'table=1,actions=2')
  meet([9, 9, 10])
  meet([9, 10, 9])
  meet([])
  expect(ask(STATISTICS)).toContain(
    [
      'main thread:',
      '  packets received: 6',
      '  packet recirculations: 2',
      '  avg. datapath passes per packet: 1.33',
      '  simple match hits: 0',
      '  emc hits: 2',
      '  megaflow hits: 3',
      '  avg. subtable lookups per megaflow hit: 1.33',
      '  miss with success upcall: 3',
      '  avg. packets per vector: 3.00',
      '',
    ].join('\n'),
  )
  expect(ask('dpctl/show')).toBe(
    [
      'h1/br-int:',
      '  lookups: hit:5 missed:3 lost:0',
      '  flows: 3',
      '  masks: hit:4 total:3 hit/pkt:0.50',
      '  cache: hit:2 hit-rate:25.00%',
      '  port 1: p1 (uplink)',
      '  port 2: p2 (uplink)',
      '',
    ].join('\n'),
  )
  expect(ask('dpctl/show', '-s', sw.name)).toContain('    RX packets:6 errors:? dropped:0 overruns:? frame:?\n')
  expect(ask('upcall/show')).toContain('(current 3) (max 3) (limit 200000)')
})

test('as many answers are kept as is said, and those beyond it go at once', () => {
  const { ask, meet, sw } = watched('udp,tp_dst=9,actions=2', 'udp,tp_dst=10,actions=2', 'udp,tp_dst=11,actions=2')
  meet([9, 10, 11])
  expect(ask('upcall/set-flow-limit', '2')).toBe('set flow_limit to 2\n')
  expect(ask('upcall/show')).toContain('(current 2) (max 3) (limit 2)')
  meet([9, 10, 11])
  expect(sw.cache.size).toBe(2)
  expect(ask('upcall/set-flow-limit', '0')).toBe('set flow_limit to 0\n')
  meet([9])
  expect(sw.cache.size).toBe(0)
  expect(ask('upcall/set-flow-limit', '999999')).toBe('set flow_limit to 200000\n')
  meet([9])
  expect(sw.cache.size).toBe(1)
  expect(() => ask('upcall/set-flow-limit', 'many')).toThrow('expected a number of flows')
})

test('what was counted before is forgotten by those commands alone that forget', () => {
  const { ask, meet, sw } = watched('actions=2')
  meet([1, 2, 3])
  expect(ask('dpif-netdev/pmd-stats-clear')).toBe('')
  expect(ask(STATISTICS)).toMatch(/received: 0\n[^]*simple match hits: 0\n/)
  meet([4])
  expect(ask(STATISTICS)).toMatch(/received: 1\n[^]*simple match hits: 1\n[^]*upcall: 0\n/)
  expect(sw.cache.statistics).toMatchObject({ only: 1, megaflow: 2, miss: 1 })
})

test('vectors are told by size, and one in 64 is timed', () => {
  const { ask, meet, sw } = watched('actions=2')
  for (let round = 0; round < 64; round++) meet([1, 2, 3])
  expect(sw.stageTimes.totals.frames).toBe(3)
  meet([1])
  expect(sw.stageTimes.totals).toMatchObject({ frames: 4, found: 3, asked: 1 })
  const told = ask('dpif-netdev/pmd-perf-show')
  expect(told).toMatch(/Vectors: +65 {2}\(2\.97 pkts\/vector\)\n/)
  expect(told).toMatch(/Upcalls: +1 {2}\( 0\.5 %, 1\.0 us\/upcall\)\n/)
  expect(told).toMatch(/Simple hits: +190 /)
  expect(told).toMatch(/Time per stage: +4 {2}packets timed\n/)
  expect(told).toMatch(/\n {3}1 +1\n {3}2 +0\n {3}4 +64\n {3}8 +0\n/)
  expect(ask('dpif-netdev/pmd-perf-show', '-nh')).not.toContain('Histograms')
})

test('timing a vector changes nothing but what is known of its time', () => {
  const [timed, plain] = [watched('udp,actions=2'), testSwitch([{}, {}])]
  plain.sw.tables.applyBundle([flowMod(parseFlow('udp,actions=2'))])
  for (let round = 0; round < 200; round++) {
    const bytes = udpFrame({ ethSrc: 1n, ethDst: 2n, ipSrc: 1, ipDst: 9, srcPort: 5, dstPort: round % 7 })
    expect(timed.receive(bytes, 1)).toEqual(plain.receive(bytes, 1))
  }
  expect(timed.sw.stageTimes.totals.frames).toBe(4)
  expect(timed.sw.cache.statistics).toEqual(plain.sw.cache.statistics)
})

test('without a stopwatch it says that nothing was timed', () => {
  const { sw, receive } = testSwitch([{}])
  receive(udpFrame({ ethSrc: 1n, ethDst: 2n, ipSrc: 1, ipDst: 9, srcPort: 5, dstPort: 6 }), 1)
  const commands = performanceCommands(sw)
  expect(commands[STATISTICS]!.run([])).toContain('per packet: not measured\n')
  expect(commands['dpif-netdev/pmd-perf-show']!.run([])).toContain('Time per stage:  not measured\n')
  expect(() => commands[STATISTICS]!.run(['br9'])).toThrow("'br9' is neither an option nor the datapath")
})
