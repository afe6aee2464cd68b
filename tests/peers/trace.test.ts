// The same flows and the same flow to trace, in a real Open vSwitch's `ofproto/trace` and in ours: the same text.
//
// What is masked, and why:
//   - Numbers that each gives as it likes: of recirculations, of LOCAL in the datapath, of meters; and the order of FLOOD's ports.
//   - `Megaflow:`. Which bits a look-up consults is up to the classifier: theirs depend on its subtables, stages and tries. That
//     ours are enough is tried by changing the others.
//   - `Datapath actions:` with a `clone` in them. We do what has no effect on the rest of the list to a copy; Open vSwitch does
//     it to the frame, and undoes it, but for meters, ct and cut copies.
//   - `Datapath actions:` with a masked `set`. Ours has the bits that are written; Open vSwitch adds those that were consulted.
//   - `rule_cookie=` of a packet-in from an action set: of the flow that wrote it, or there of the first table's.
//   - What is written at the end and nobody gets to see: of a bucket ours writes it down at its beginning, whether it sends or not.
//   - That it takes the slow path, which is Open vSwitch's own way of doing what its datapath can not.
//   - What Open vSwitch does when it is given a frame: it learns the address and sends the packet-in. We change nothing.
//   - Fields of its tunnels that we do not have, and pbb_isid, which it does not have.
//
// To repeat a case, add -t '(seed N)'. Needs the Debian package openvswitch-switch; nobody need be root.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { FlowKey } from '../../datapath/flow-key.ts'
import type { Switch } from '../../datapath/switch.ts'
import { applyChanges } from '../../datapath/control/handlers/changes.ts'
import { translate } from '../../datapath/pipeline/pipeline.ts'
import { KEY_WORDS } from '../../protocols/fields.ts'
import { parseFlow, parseGroupMod, parseMeterMod } from '../../protocols/flow-text/parse.ts'
import type { Random } from '../../runtime/random.ts'
import type { TraceCase } from './support/trace-cases.ts'
import { GROUPS, METERS, traceCase } from './support/trace-cases.ts'
import { printFlow } from '../../protocols/flow-text/print.ts'
import { ReservedPort } from '../../protocols/control/messages.ts'
import { seeded } from '../../runtime/random.ts'
import { parseTraceWords } from '../../datapath/trace/request.ts'
import { formatTrace, traceFrame } from '../../datapath/trace/trace.ts'
import { seeds } from '../support/seeds.ts'
import { flowMod, testSwitch } from '../support/test-switch.ts'
import type { Ovs } from './support/ovs.ts'
import { ovsInstalled, startOvs } from './support/ovs.ts'
import { PORTS, normalCase, pipelineCase } from './support/switch-cases.ts'
import type { SwitchCase } from './support/switch-cases.ts'

/** By its name, the local port is number 100 of a dummy datapath; the others have the numbers of their names. */
const BRIDGE = 'br0'

describe.runIf(ovsInstalled())('a trace beside Open vSwitch', () => {
  let ovs: Ovs

  beforeAll(async () => {
    ovs = await startOvs()
    await ovs.vsctl('set', 'Open_vSwitch', '.', 'other_config:vlan-limit=0')
    await ovs.addBridge(BRIDGE)
    for (const number of PORTS) await ovs.addPort(BRIDGE, `p${number}`, number)
    await ovs.ofctl('-O', 'OpenFlow15', 'add-groups', ovs.bridge(BRIDGE), written(ovs, GROUPS))
    for (const meter of METERS) await ovs.ofctl('-O', 'OpenFlow15', 'add-meter', ovs.bridge(BRIDGE), meter)
  })
  afterAll(() => ovs?.stop())

  test.each(seeds(120))('of flows and frames (seed %i)', async (seed) => {
    const { ours, theirs, asked } = await traces(ovs, pipelineCase(seeded(seed), 'OpenFlow15'))
    expect(ours, asked).toEqual(theirs)
  })

  test.each(seeds(70))('of groups, connections, labels and copies (seed %i)', async (seed) => {
    const random = seeded(seed)
    const asked = traceCase(random)
    const { ours, theirs, unsound } = await tracesOfText(ovs, asked, random)
    expect(ours, asked.flows.join('\n')).toEqual(theirs)
    expect(unsound, asked.flows.join('\n')).toEqual([])
  })

  test.each(seeds(20))('of NORMAL (seed %i)', async (seed) => {
    const asked = normalCase(seeded(seed))
    const { ours, theirs } = await traces(ovs, { ...asked, flows: asked.flows.slice(0, 1), vlans: [] })
    expect(ours).toEqual(theirs)
  })
})

/** Starting a process for every question takes its time. */
const FRAMES = 4

/** Sets up both switches, and traces frames of the case through each of them. */
async function traces(ovs: Ovs, { flows, version, frames }: SwitchCase) {
  const file = written(ovs, ['delete', ...flows.map((flow) => printFlow(flow).trim())])
  await ovs.ofctl('-O', version, 'add-flows', ovs.bridge(BRIDGE), file)
  const sw = bridge()
  sw.tables.applyBundle(flows.map((flow) => flowMod(flow)))
  const answered: Record<'ours' | 'theirs', string[]> = { ours: [], theirs: [] }
  for (const { bytes, port } of frames.slice(0, FRAMES)) {
    const words = [`in_port=${port}`, Buffer.from(bytes).toString('hex')]
    await ovs.appctl('fdb/flush', BRIDGE)
    const theirs = await ovs.appctl('ofproto/trace', BRIDGE, ...words)
    const ours = formatTrace(traceFrame(sw, parseTraceWords(sw, words)))
    const same = INCOMPARABLE.test(ours) ? withoutActions : (text: string) => text
    answered.ours.push(same(masked(ours)))
    answered.theirs.push(same(masked(theirs)))
  }
  return { ...answered, asked: flows.map((flow) => printFlow(flow)).join('\n') }
}

/** As `traces`, of a case in text; beside it, the changes of bits that our megaflows wildcard which change the answer. */
async function tracesOfText(ovs: Ovs, { flows, traces: asked }: TraceCase, random: Random) {
  await ovs.ofctl('-O', 'OpenFlow15', 'add-flows', ovs.bridge(BRIDGE), written(ovs, ['delete', ...flows]))
  const sw = bridge()
  applyChanges(sw, [
    ...METERS.map((meter) => parseMeterMod(meter, {})),
    ...GROUPS.map((group) => parseGroupMod(group, {})),
  ])
  sw.tables.applyBundle(flows.map((flow) => flowMod(parseFlow(flow))))
  const answered = { ours: [] as string[], theirs: [] as string[], unsound: [] as string[] }
  for (const words of asked) {
    await ovs.appctl('fdb/flush', BRIDGE)
    const theirs = await ovs.appctl('ofproto/trace', BRIDGE, ...words)
    const request = { connectionStates: [], ...parseTraceWords(sw, words) }
    const ours = formatTrace(traceFrame(sw, request))
    const same = INCOMPARABLE.test(ours) || COPIED.test(theirs) ? withoutActions : (text: string) => text
    answered.ours.push(same(masked(ours)))
    answered.theirs.push(same(masked(theirs)))
    answered.unsound.push(...wrongWildcards(sw, request.key, random).map((bit) => `${words.join(' ')}: ${bit}`))
  }
  return answered
}

/** Changes what the answer is said not to depend on, bit by bit, and tells which bits it depended on after all. */
function wrongWildcards(sw: Switch, key: FlowKey, random: Random): string[] {
  const now = sw.clock.now()
  const { consulted, hits } = translate(sw, key, now)
  return Array.from({ length: 40 }, () => [random.below(KEY_WORDS), random.below(32)] as const).flatMap(
    ([word, bit]) => {
      if (((consulted[word]! >>> bit) & 1) !== 0) return []
      const other = key.slice()
      other[word]! ^= 1 << bit
      const met = translate(sw, other, now).hits
      return met.length === hits.length && met.every((flow, index) => flow === hits[index])
        ? []
        : [`word ${word}, bit ${bit}`]
    },
  )
}

function written(ovs: Ovs, lines: readonly string[]): string {
  const file = join(ovs.directory, 'lines.txt')
  writeFileSync(file, lines.join('\n'))
  return file
}

/** Ours, with the ports of theirs. */
function bridge(): Switch {
  const local = { number: ReservedPort.Local, name: BRIDGE, type: 'local' } as const
  return testSwitch([...PORTS.map((number) => ({ number, name: `p${number}` })), local]).sw
}

const COPIED = /^Datapath actions: .*clone\(/m
const INCOMPARABLE = /^Datapath actions: .*(clone\(|set\(\w+\([^)]*\/)/m
const withoutActions = (text: string) => text.replaceAll(/^Datapath actions: .*$/gm, 'Datapath actions:')

function masked(text: string): string {
  return text
    .replaceAll(/^Megaflow: .*$/gm, 'Megaflow:')
    .replaceAll(/\nThis flow is handled by .*((\n {2}- ).*)+/g, '')
    .replaceAll(/recirc(_id=|\()(0x)?[0-9a-f]+/g, 'recirc$1N')
    .replaceAll(/meter\(\d+\)/g, 'meter(N)')
    .replaceAll(/bridge\("(h1\/br-int|br0)"\)\n-+/g, 'bridge')
    .replaceAll(/^Datapath actions: .*$/gm, maskedActions)
    .replaceAll(/^ *-> learned that .*\n/gm, '')
    .replaceAll(/,tun_id=\w+(?=,tun_src)/g, '')
    .replaceAll(/,pbb_isid=(0x)?[0-9a-f]+|,(tun_(ipv6|gbp|tos|ttl|erspan|flags)|gtpu_)\w*=[^,]*/g, '')
    .trimEnd()
}

const RUN_OF_PORTS = /(?<=[ ,])(\d+|LOCAL)(,(\d+|LOCAL))+(?=,|$)/g

const maskedActions = (line: string): string =>
  line
    .replace(/^(Datapath actions: )(set\(([^()]|\([^()]*\))*\),?)+$/, '$1drop')
    .replaceAll(/\b(LOCAL|100)\b/g, 'LOCAL')
    .replaceAll(/(dont_send|recirc_id|rule_cookie)=\w+/g, '$1=N')
    .replaceAll(RUN_OF_PORTS, (run) => run.split(',').sort().join(','))
