// How well the fast path does, by the names and in the layouts of ovs-appctl(8): dpif-netdev(7)'s pmd-stats-show and
// pmd-perf-show (lib/dpif-netdev-perf.c), dpctl/show, upcall/show. What Open vSwitch calls its simple match is here the answer
// that goes by the port alone, and its exact-match cache (EMC) the microflows. Where it tells cycles, these are nanoseconds,
// and where it counts masks (subtables) that look-ups asked, steps down the trie of megaflows.

import { SECOND } from '../../runtime/clock.ts'
import { formatPort } from '../../protocols/flow-text/ports.ts'
import type { FastPathCounts, StageCosts } from '../figures.ts'
import { costsOf, countsOf, countsSince, ratio, stateOf, sum } from '../figures.ts'
import type { Port } from '../port.ts'
import { VECTOR_SIZES } from '../stage-times.ts'
import type { Switch } from '../switch.ts'
import { otherWords, requireDatapath } from './datapath-words.ts'
import type { UnixctlCommand } from './unixctl.ts'

export function performanceCommands(device: Switch): Record<string, UnixctlCommand> {
  /** As `pmd-stats-clear` left them; nothing else forgets anything. */
  let before = countsOf(device)
  let startedAt = device.clock.now()
  const counts = () => countsSince(before, countsOf(device))
  return {
    'dpctl/show': { usage: '[-s] [dp]', run: (words) => showDatapath(device, words) },
    'dpif-netdev/pmd-perf-show': {
      usage: '[-nh] [dp]',
      run: (words) => {
        requireDatapath(device, words, /^-nh$/)
        const seconds = (device.clock.now() - startedAt) / SECOND
        return showPerformance(counts(), seconds, !words.includes('-nh'))
      },
    },
    'dpif-netdev/pmd-stats-clear': {
      usage: '[dp]',
      run: (words) => {
        requireDatapath(device, words, /^$/)
        before = countsOf(device)
        startedAt = device.clock.now()
        return ''
      },
    },
    'dpif-netdev/pmd-stats-show': {
      usage: '[dp]',
      run: (words) => {
        requireDatapath(device, words, /^$/)
        return showStatistics(counts())
      },
    },
    'upcall/set-flow-limit': { usage: 'flow-limit-number', run: (words) => setFlowLimit(device, words) },
    'upcall/show': { usage: '', run: () => showUpcalls(device) },
  }
}

const THREAD = 'main thread:'

function showStatistics(counts: FastPathCounts): string {
  const { passes, recirculated, only, microflow, megaflow, miss, probes } = counts
  const received = passes - recirculated
  return [
    THREAD,
    `  packets received: ${received}`,
    `  packet recirculations: ${recirculated}`,
    `  avg. datapath passes per packet: ${ratio(passes, received).toFixed(2)}`,
    `  simple match hits: ${only}`,
    `  emc hits: ${microflow}`,
    `  megaflow hits: ${megaflow}`,
    `  avg. subtable lookups per megaflow hit: ${ratio(probes, megaflow).toFixed(2)}`,
    `  miss with success upcall: ${miss}`,
    `  avg. packets per vector: ${ratio(received, sum(counts.vectors)).toFixed(2)}`,
    ...timeLines(costsOf(counts.times)),
    '',
  ].join('\n')
}

function timeLines({ frames, perFrame, recall, find, ask, rest }: StageCosts): string[] {
  if (frames === 0) return ['  avg. processing time per packet: not measured']
  const [all, ...parts] = [perFrame, recall, find, ask, rest].map((time) => `${time.toFixed(1)} ns`)
  return [
    `  avg. processing time per packet: ${all} (of ${frames})`,
    ...['lookup by bytes', 'lookup by key', 'upcall', 'actions and output'].map(
      (stage, index) => `  - ${stage}: ${parts[index]}`,
    ),
  ]
}

function showPerformance(counts: FastPathCounts, seconds: number, histograms: boolean): string {
  const { passes, recirculated, vectors, sent } = counts
  const costs = costsOf(counts.times)
  const received = passes - recirculated
  const lines = [
    `Measurement duration: ${seconds.toFixed(3)} s`,
    '',
    THREAD,
    '',
    line('Vectors:', sum(vectors), `${ratio(received, sum(vectors)).toFixed(2)} pkts/vector`),
    ...(received === 0 ? [line('Rx packets:', 0)] : receivedLines(counts, received, seconds, costs)),
    sent === 0 ? line('Tx packets:', 0) : line('Tx packets:', sent, kpps(sent, seconds)),
    '',
    ...stageLines(costs),
    ...(histograms ? histogramLines(vectors) : []),
    '',
  ]
  return lines.join('\n')
}

function receivedLines(counts: FastPathCounts, received: number, seconds: number, costs: StageCosts): string[] {
  const { passes, only, microflow, megaflow, miss, probes } = counts
  const share = (hits: number) => `${((100 * hits) / passes).toFixed(1).padStart(4)} %`
  const cost = costs.frames === 0 ? '' : `, ${costs.perFrame.toFixed(0)} ns/pkt`
  const upcall = costs.perAsk === 0 ? '' : `, ${(costs.perAsk / 1000).toFixed(1)} us/upcall`
  return [
    line('Rx packets:', received, `${kpps(received, seconds)}${cost}`),
    line('Datapath passes:', passes, `${ratio(passes, received).toFixed(2)} passes/pkt`),
    line('- Simple hits:', only, share(only)),
    line('- EMC hits:', microflow, share(microflow)),
    line('- Megaflow hits:', megaflow, `${share(megaflow)}, ${ratio(probes, megaflow).toFixed(2)} subtbl lookups/hit`),
    line('- Upcalls:', miss, `${share(miss)}${upcall}`),
  ]
}

const line = (name: string, count: number, remark?: string) =>
  `  ${name.padEnd(16)} ${String(count).padStart(12)}${remark === undefined ? '' : `  (${remark})`}`

const kpps = (frames: number, seconds: number) => `${ratio(frames, seconds * 1000).toFixed(0)} Kpps`

function stageLines(costs: StageCosts): string[] {
  if (costs.frames === 0) return ['  Time per stage:  not measured']
  const stage = (name: string, time: number, remark = '') =>
    `  ${name.padEnd(20)} ${time.toFixed(1).padStart(8)} ns/pkt  (${((100 * time) / costs.perFrame).toFixed(1).padStart(4)} %${remark})`
  return [
    `  Time per stage:  ${String(costs.frames).padStart(12)}  packets timed`,
    stage('- lookup by bytes:', costs.recall),
    stage('- lookup by key:', costs.find, costs.perFind === 0 ? '' : `, ${costs.perFind.toFixed(0)} ns/lookup`),
    stage('- upcall:', costs.ask, costs.perAsk === 0 ? '' : `, ${costs.perAsk.toFixed(0)} ns/upcall`),
    stage('- actions, output:', costs.rest),
  ]
}

const histogramLines = (vectors: readonly number[]): string[] => [
  '',
  'Histograms',
  '   pkts/vector',
  ...vectors.map(
    (count, index) => `   ${(VECTOR_SIZES[index] === Infinity ? '>' : String(VECTOR_SIZES[index])).padEnd(9)} ${count}`,
  ),
]

function showDatapath(device: Switch, words: readonly string[]): string {
  const unknown = otherWords(device, words, /^(-s|--statistics)$/)
  if (unknown.length > 0) requireDatapath(device, unknown, /^$/)
  const withCounters = words.some((word) => word === '-s' || word === '--statistics')
  const { passes, only, microflow, miss, probes, vainProbes } = countsOf(device)
  const { megaflows, masks } = stateOf(device)
  const hits = passes - miss
  const asked = probes + vainProbes
  return [
    `${device.name}:`,
    // An upcall is a call here, and none is lost.
    `  lookups: hit:${hits} missed:${miss} lost:0`,
    `  flows: ${megaflows}`,
    `  masks: hit:${asked} total:${masks} hit/pkt:${ratio(asked, passes).toFixed(2)}`,
    `  cache: hit:${only + microflow} hit-rate:${(100 * ratio(only + microflow, passes)).toFixed(2)}%`,
    ...[...device.ports].flatMap((port) => [
      `  port ${formatPort(port.number, {})}: ${port.name} (${port.config.type})`,
      ...(withCounters ? counterLines(port) : []),
    ]),
    '',
  ].join('\n')
}

const counterLines = ({ counters }: Port): string[] => [
  `    RX packets:${counters.receivedPackets} errors:? dropped:${counters.receivedDropped} overruns:? frame:?`,
  `    TX packets:${counters.sentPackets} errors:? dropped:${counters.sentDropped} aborted:? carrier:?`,
  '    collisions:?',
  `    RX bytes:${counters.receivedBytes}  TX bytes:${counters.sentBytes}`,
]

/**
 * Open vSwitch takes this for the most, and keeps fewer where its revalidators take more than a second to go through them. Nobody goes
 * through them here: one costs memory, and a question when its next frame comes after a change. So it is what is set.
 */
function setFlowLimit(device: Switch, words: readonly string[]): string {
  const [limit = '', ...more] = words
  if (!/^\d{1,9}$/.test(limit) || more.length > 0) throw new Error(`'${words.join(' ')}': expected a number of flows`)
  device.cache.limit = Number(limit)
  return `set flow_limit to ${device.cache.limit}\n`
}

/** Nothing dumps the cache to hold it against the tables: what changes is held against an answer when it is next asked for. */
function showUpcalls(device: Switch): string {
  const { megaflows, mostMegaflows, megaflowLimit, microflows } = stateOf(device)
  const { miss, revalidated, outdated, evicted } = countsOf(device)
  return [
    `${device.name}:`,
    `  flows         : (current ${megaflows}) (max ${mostMegaflows}) (limit ${megaflowLimit})`,
    `  microflows    : (current ${microflows})`,
    `  upcalls       : ${miss}`,
    `  revalidation  : (asked again ${revalidated}) (outdated ${outdated}) (evicted ${evicted})`,
    '',
  ].join('\n')
}
