// What a change does to answers that are kept: those that it touches go, and no other. Counted, not timed.

import { expect, test } from 'vitest'
import type { FlowCommand } from '../../../protocols/control/messages.ts'
import { parseFlow } from '../../../protocols/flow-text/parse.ts'
import { udpFrame } from '../../../protocols/packet/compose.ts'
import { seeded } from '../../../runtime/random.ts'
import { flowMod, testSwitch } from '../../support/test-switch.ts'

const FLOWS = 200
const CHANGES = 24_000

const frameTo = (dstPort: number, source = 1) =>
  udpFrame({ ethSrc: 1n, ethDst: 2n, ipSrc: source, ipDst: 9, srcPort: 5, dstPort })

/** One flow of table 1 for each UDP port, and a megaflow of each. */
function switchInUse() {
  const made = testSwitch([{}, {}, {}])
  const { sw } = made
  const change = (flow: string, command: FlowCommand = 'add') =>
    sw.tables.applyBundle([flowMod({ ...parseFlow(flow), command })])
  change('udp,actions=set_field:7->reg0,goto_table:1')
  for (let port = 0; port < FLOWS; port++) change(`table=1,priority=10,udp,reg0=7,tp_dst=${port},actions=2`)
  const receiveAll = () => {
    for (let port = 0; port < FLOWS; port++) expect(made.receive(frameTo(port), 1)).toHaveLength(1)
  }
  for (let round = 0; round < 3; round++) receiveAll()
  const { statistics } = sw.cache
  /** What has happened meanwhile. */
  const since = (act: () => void) => {
    const { miss, outdated, revalidated } = { ...statistics }
    act()
    return {
      miss: statistics.miss - miss,
      outdated: statistics.outdated - outdated,
      revalidated: statistics.revalidated - revalidated,
    }
  }
  return { ...made, change, receiveAll, since }
}

test('24,000 flows that come and go leave all answers in place that they do not touch', () => {
  const { sw, since, receiveAll } = switchInUse()
  const random = seeded(1)
  const packets = () => sw.cache.megaflows(0).map((megaflow) => sw.cache.usesOf(megaflow).packets)
  const mods = Array.from({ length: 1000 }, () => [
    `table=1,priority=20,udp,reg0=7,tp_dst=${FLOWS + random.below(1000)},nw_src=10.0.${random.below(256)}.1`,
    `table=1,priority=5,tcp,tp_src=${random.below(1000)}`,
    `table=1,priority=30,udp,reg0=8`,
    `table=2,priority=3,udp`,
  ])
    .flat()
    .map((flow) => parseFlow(`${flow},actions=3`))
  const churn = () => {
    for (let done = 0; done < CHANGES; done += 2 * mods.length) {
      sw.tables.applyBundle(mods.map((mod) => flowMod({ ...mod, command: 'add' })))
      sw.tables.applyBundle(mods.map((mod) => flowMod({ ...mod, command: 'delete-strict' })))
    }
  }
  expect(since(churn)).toEqual({ miss: 0, outdated: 0, revalidated: 0 })
  // Each is asked for again once, however many changes there were.
  expect(since(receiveAll)).toEqual({ miss: 0, outdated: 0, revalidated: FLOWS })
  expect(packets()).toEqual(new Array(FLOWS).fill(4))
  expect(since(receiveAll)).toEqual({ miss: 0, outdated: 0, revalidated: 0 })
})

test('a few flows that no frame of an answer could match do not even have the pipeline asked', () => {
  const { change, since, receiveAll } = switchInUse()
  for (const flow of ['table=1,priority=20,tcp,actions=3', 'table=1,reg0=8,actions=3', 'table=2,actions=3']) {
    change(flow)
    expect(since(receiveAll)).toEqual({ miss: 0, outdated: 0, revalidated: 0 })
  }
})

test('a flow that could be matched but is not has answers asked for again, which stay', () => {
  const { change, since, receiveAll } = switchInUse()
  change('table=1,priority=1,udp,actions=3')
  expect(since(receiveAll)).toEqual({ miss: 0, outdated: 0, revalidated: FLOWS })
})

test.each([3, 100])('of %i flows that take frames away, each takes those that it matches, and no others', (count) => {
  const { change, since, receive, heard } = switchInUse()
  for (let port = 0; port < count; port++) change(`table=1,priority=20,udp,reg0=7,tp_dst=${port},actions=3`)
  const sent = since(() => {
    for (let port = 0; port < FLOWS; port++) receive(frameTo(port), 1)
  })
  expect(sent).toMatchObject({ miss: count, outdated: count })
  expect(heard()).toEqual([])
  for (let port = 0; port < count; port++) expect(receive(frameTo(port), 1)[0]).toMatch(/^3:/)
  expect(receive(frameTo(count), 1)[0]).toMatch(/^2:/)
})

test('what looks at more of a frame than an answer did makes it another, even where this frame goes the same way', () => {
  const { change, since, receive } = switchInUse()
  change('table=1,priority=20,udp,reg0=7,tp_dst=3,nw_src=10.0.0.0/8,actions=3')
  expect(since(() => receive(frameTo(3), 1))).toEqual({ miss: 1, outdated: 1, revalidated: 1 })
  expect(receive(frameTo(3, 0x0a000001), 1)[0]).toMatch(/^3:/)
  expect(receive(frameTo(3), 1)[0]).toMatch(/^2:/)
})

test('a flow that is deleted and comes again is another: what it had counted is gone', () => {
  const { sw, change, receive } = switchInUse()
  change('table=1,priority=10,udp,reg0=7,tp_dst=3,actions=2', 'delete-strict')
  change('table=1,priority=10,udp,reg0=7,tp_dst=3,actions=2')
  receive(frameTo(3), 1)
  const counted = [...sw.tables].filter(({ spec }) => spec.match.some(({ value }) => value === 3n))
  expect(counted.map(({ packets }) => packets)).toEqual([1])
})
