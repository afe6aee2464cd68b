// The judge and multicast groups: it knows from reports who is to hear what is for a group, and no flow is needed for that.

import { beforeEach, describe, expect, test } from 'vitest'
import { multicast } from '../../controller/apps/multicast.ts'
import { Table } from '../../controller/tables.ts'
import { Judge } from '../../lab/judge/judge.ts'
import { Surroundings } from '../../lab/judge/surroundings.ts'
import { replay } from '../../lab/replay.ts'
import { parseIpv4, parseMac } from '../../protocols/address.ts'
import type { FlowSpec } from '../../protocols/control/messages.ts'
import { udpFrame } from '../../protocols/packet/compose.ts'
import type { IgmpMessage } from '../../protocols/packet/igmp.ts'
import { ipv4MulticastMac } from '../../protocols/packet/igmp.ts'
import { MILLISECOND, SECOND } from '../../runtime/clock.ts'
import { parseTopology } from '../../topologies/load.ts'
import type { Scenario, TimelineEntry } from '../../topologies/scenario.ts'
import { breakApp } from '../support/broken-app.ts'
import { igmpFrameOf } from '../support/random-memberships.ts'
import { hello4 } from '../support/router-announcements.ts'

const NAMES = ['a', 'b', 'c', 'd'] as const
type Name = (typeof NAMES)[number]

const topology = parseTopology(
  JSON.stringify({
    version: 1,
    name: 'multicast',
    hosts: [1, 2].map((number) => ({ name: `h${number}`, vtep: `192.0.2.${number}` })),
    networks: [{ name: 'blue', type: 'vxlan', segment: 5000, igmpSnooping: { agingTime: '10s' } }],
    vms: NAMES.map((name, index) => ({
      name,
      host: `h${1 + (index % 2)}`,
      nics: [
        { name: 'eth0', network: 'blue', mac: `02:00:00:00:00:0${index + 1}`, addresses: [`10.0.0.${index + 1}`] },
      ],
    })),
  }),
  'multicast.json',
)

const G = '239.1.1.1'
const from = (name: Name) => {
  const number = NAMES.indexOf(name) + 1
  return { ethSrc: parseMac(`02:00:00:00:00:0${number}`), ipSrc: parseIpv4(`10.0.0.${number}`) }
}
const said = (name: Name, message: IgmpMessage) => igmpFrameOf(message, from(name))
const join = (name: Name, group = G) => said(name, { type: 'report', version: 2, group: parseIpv4(group) })
const leave = (name: Name) => said(name, { type: 'leave', group: parseIpv4(G) })
const query = (name: Name) => said(name, { type: 'query', group: 0, maxResponseCode: 100 })
function data(name: Name, group = G): Uint8Array {
  const ipDst = parseIpv4(group)
  return udpFrame({ ...from(name), ethDst: ipv4MulticastMac(ipDst), ipDst, srcPort: 1, dstPort: 2 })
}

describe('of a frame for a group', () => {
  let judge: Judge
  let id: number
  beforeEach(() => {
    judge = new Judge(topology, new Surroundings(topology, (vm) => topology.vms.find(({ name }) => name === vm)?.host))
    id = 0
  })

  /** At `at` seconds; it is heard by these. Gives what it was at the ears of each. */
  const send = (at: number, name: Name, bytes: Uint8Array, heardBy: readonly Name[]) => {
    const instant = at * SECOND
    judge.sent(++id, `${name}:eth0`, instant, bytes, { source: 'test', number: id, made: false })
    return heardBy.map((one) => judge.heard(id, `${one}:eth0`, instant + MILLISECOND, bytes))
  }
  const lost = () => {
    judge.finish(new Set())
    return judge.frames.lost
  }

  test('who has reported must hear it, and nobody else may', () => {
    send(0, 'b', join('b'), [])
    expect(send(2, 'a', data('a'), ['b', 'c'])).toEqual(['delivered', 'leaked'])
    send(3, 'a', data('a'), [])
    expect(lost()).toBe(1)
  })

  test('all must where nobody has, but not for a group of which somebody has just reported', () => {
    send(0, 'a', data('a'), ['b', 'c'])
    send(1, 'b', join('b'), [])
    expect(send(1.1, 'a', data('a'), ['b', 'd'])).toEqual(['delivered', 'delivered'])
    expect(send(1.2, 'a', data('a'), ['b'])).toEqual(['delivered'])
    expect(lost()).toBe(1)
  })

  test('who has left may not hear it once that has settled', () => {
    for (const name of ['b', 'c'] as const) send(0, name, join(name), [])
    send(2, 'b', leave('b'), [])
    expect(send(2.5, 'a', data('a'), ['b', 'c'])).toEqual(['delivered', 'delivered'])
    expect(send(4, 'a', data('a'), ['b', 'c'])).toEqual(['leaked', 'delivered'])
    expect(lost()).toBe(0)
  })

  test('who does not report again is no listener after the ageing time', () => {
    send(0, 'b', join('b'), [])
    send(0, 'c', join('c'), [])
    send(6, 'c', join('c'), [])
    expect(send(9, 'a', data('a'), ['b', 'c'])).toEqual(['delivered', 'delivered'])
    expect(send(12, 'a', data('a'), ['b', 'c'])).toEqual(['leaked', 'delivered'])
    send(13, 'a', data('a'), [])
    expect(lost()).toBe(1)
  })

  test('routers hear all, and reports; queries and groups of the link reach everybody', () => {
    expect(send(0, 'd', query('d'), ['a', 'b', 'c'])).toEqual(['delivered', 'delivered', 'delivered'])
    expect(send(2, 'b', join('b'), ['d', 'a'])).toEqual(['delivered', 'leaked'])
    expect(send(4, 'a', data('a'), ['b', 'd'])).toEqual(['delivered', 'delivered'])
    send(5, 'a', data('a'), ['b'])
    send(5, 'a', join('a'), [])
    send(5, 'a', query('a'), ['b'])
    send(5, 'a', data('a', '224.0.0.251'), ['b', 'd'])
    expect(lost()).toBe(4)
  })

  test('a report that may not have been heard of is open, and so is a leave', () => {
    send(0, 'c', join('c'), [])
    send(2, 'b', join('b'), [])
    judge.multicast.deafen()
    send(3, 'c', leave('c'), [])
    judge.multicast.hearAgain()
    expect(send(6, 'a', data('a'), ['b', 'c'])).toEqual(['delivered', 'delivered'])
    send(6, 'a', data('a'), [])
    send(7, 'b', join('b'), [])
    expect(send(9, 'a', data('a'), ['b', 'd'])).toEqual(['delivered', 'leaked'])
    send(9, 'a', data('a'), [])
    expect(lost()).toBe(1)
  })

  test.each(['leave', 'goodbye'])('of a %s that ends at its sender nobody has heard', (how) => {
    const isLeave = how === 'leave'
    send(0, 'b', isLeave ? join('b') : hello4(from('b')), [])
    send(2, 'b', isLeave ? leave('b') : hello4(from('b'), 0), [])
    judge.dropped(id, 'rate_limited', 'h2/br-int', 2 * SECOND)
    expect(send(4, 'a', data('a'), ['b'])).toEqual(['delivered'])
  })

  test('one that is on its way when somebody begins to listen may meet either', () => {
    send(0, 'b', join('b'), [])
    judge.sent(100, 'a:eth0', 2 * SECOND, data('a'), { source: 'test', number: 100, made: false })
    judge.heard(100, 'b:eth0', 2 * SECOND + 1, data('a'))
    send(2.001, 'c', join('c'), [])
    expect(judge.heard(100, 'c:eth0', 2.002 * SECOND, data('a'))).toBe('delivered')
    expect(judge.heard(100, 'd:eth0', 2.002 * SECOND, data('a'))).toBe('leaked')
  })
})

/** `c` on the other host moves to `b` on this; `b` and `c` listen, `d` is a router, and `a` sends. */
const timeline: TimelineEntry[] = [
  { at: 0, frame: query('d'), name: 'd' as const },
  { at: 10, frame: join('b'), name: 'b' as const },
  { at: 20, frame: join('c'), name: 'c' as const },
  ...Array.from({ length: 8 }, (_, index) => ({ at: 1500 + 100 * index, frame: data('a'), name: 'a' as const })),
  { at: 2400, frame: leave('b'), name: 'b' as const },
  ...Array.from({ length: 4 }, (_, index) => ({ at: 3500 + 100 * index, frame: data('d'), name: 'd' as const })),
].map(({ at, frame, name }) => ({
  at: at * MILLISECOND,
  step: { type: 'send', from: name, frame: Buffer.from(frame).toString('hex'), count: 1, rate: 1 },
}))

const scenario: Scenario = {
  name: 'multicast',
  topology,
  folder: '.',
  seed: 1,
  timeline: [...timeline, { at: 1850 * MILLISECOND, step: { type: 'migrate', vm: 'c', to: 'h2', pause: 0 } }],
  expect: [],
}

const outputs = (flow: FlowSpec, keeps: (type: string) => boolean): FlowSpec => ({
  ...flow,
  instructions: { ...flow.instructions, apply: flow.instructions.apply.filter(({ type }) => keeps(type)) },
})
const isGroup = ({ table, priority }: FlowSpec) => table === Table.Multicast && priority >= 300 && priority < 400
const isReport = ({ table, priority }: FlowSpec) => table === Table.Multicast && priority >= 500

const BREAKAGES: [string, (flows: FlowSpec[]) => FlowSpec[]][] = [
  ['there is no snooping', () => []],
  ['the controller hears of no report', (flows) => flows.filter(({ table }) => table !== Table.Reports)],
  [
    'listeners on other hosts are forgotten',
    (flows) => flows.map((one) => (isGroup(one) ? outputs(one, (type) => type !== 'output') : one)),
  ],
  [
    'listeners on the same host are',
    (flows) => flows.map((one) => (isGroup(one) ? outputs(one, (type) => type !== 'clone') : one)),
  ],
  [
    'reports reach nobody',
    (flows) => flows.map((one) => (isReport(one) ? outputs(one, (type) => type === 'resubmit') : one)),
  ],
  ['reports are flooded', (flows) => flows.map((one) => (isReport(one) ? flooded(one) : one))],
]

const flooded = (flow: FlowSpec): FlowSpec => {
  const [tell] = flow.instructions.apply
  return { ...flow, instructions: { ...flow.instructions, apply: [tell!, { type: 'resubmit', table: Table.Flood }] } }
}

test('with a whole controller the verdict is pass, also while a listener moves', async () => {
  const { verdict } = await replay(scenario)
  expect(verdict).toMatchObject({ verdict: 'pass', frames: { injected: 16, lost: 0, leaked: 0 } })
  expect(verdict.migrations).toMatchObject([{ vm: 'c', lost: 0, policy: 'identical' }])
})

test.each(BREAKAGES)('the verdict is fail when %s', async (_, how) => {
  breakApp(multicast, how)
  const { verdict } = await replay(scenario)
  expect(verdict.frames.leaked + verdict.frames.lost).toBeGreaterThan(0)
  expect(verdict.verdict).toBe('fail')
})
