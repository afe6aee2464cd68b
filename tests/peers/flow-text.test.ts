// The same flows through `ovs-ofctl` and a real Open vSwitch: what it prints is what we print.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Action, FlowSpec } from '../../protocols/control/messages.ts'
import { parseFlow } from '../../protocols/flow-text/parse.ts'
import { printFlow } from '../../protocols/flow-text/print.ts'
import { seeded } from '../../runtime/random.ts'
import { randomFlow } from '../support/random-flows.ts'
import type { Ovs } from './support/ovs.ts'
import { ovsInstalled, startOvs } from './support/ovs.ts'

const BRIDGE = 'sbx-text'
const VERSION = ['-O', 'OpenFlow15']
const FLOWS = 500

/** A tag has to be there before it can be changed, in ways that Open vSwitch follows action by action; they are tested below. */
const TAG_ACTIONS = new Set<Action['type']>(['set_vlan_vid', 'set_vlan_pcp', 'push_vlan', 'pop_vlan'])

const changesTag = (action: Action) =>
  TAG_ACTIONS.has(action.type) || (action.type === 'set_field' && action.field.startsWith('vlan'))

/** The actions but for those that change a tag, in clones too. */
const keepingTag = (actions: readonly Action[]): Action[] =>
  actions
    .filter((action) => !changesTag(action))
    .map((action) => (action.type === 'clone' ? { ...action, actions: keepingTag(action.actions) } : action))

describe.runIf(ovsInstalled())('flow text beside Open vSwitch', () => {
  let ovs: Ovs

  beforeAll(async () => {
    ovs = await startOvs()
    await ovs.addBridge(BRIDGE)
  })

  afterAll(() => ovs.stop())

  test.each([1, 2, 3])(`${FLOWS} random flows are printed alike (seed %i)`, async (seed) => {
    const flows = expressible(seed)
    const dumped = await throughOvs(flows)
    for (const flow of flows) expect(dumped.get(flow.cookie)).toBe(printFlow(flow))
  })

  test('what Open vSwitch prints is read as the flow that it was given', async () => {
    const flows = expressible(4)
    const dumped = await throughOvs(flows)
    for (const flow of flows) expect(parseFlow(dumped.get(flow.cookie)!)).toEqual(flow)
  })

  test.each([
    'dl_vlan=5,actions=set_field:4101->vlan_vid,set_field:3->vlan_pcp,pop_vlan,output:1',
    'actions=push_vlan:0x8100,set_field:4101->vlan_vid,output:1',
    'vlan_tci=0x1000/0x1000,actions=pop_vlan,output:1',
    'dl_vlan=5,dl_vlan_pcp=3,actions=push_vlan:0x88a8,output:1',
    'vlan_tci=0x1010/0x10f0,actions=write_actions(pop_vlan,output:1)',
    'actions=clone(resubmit(,30)),clone(clone(push_vlan:0x8100,set_field:4101->vlan_vid,output:1),output:2),clone(drop)',
    'dl_vlan=0xffff,actions=push_vlan:0x8100,set_field:2->vlan_pcp,output:1',
  ])('%s is printed alike', async (text) => {
    const flow = { ...parseFlow(text), cookie: 1n }
    expect((await throughOvs([flow])).get(1n)).toBe(printFlow(flow))
  })

  /** Adds the flows as we print them; gives what the switch has then, by cookie. */
  async function throughOvs(flows: readonly FlowSpec[]): Promise<Map<bigint, string>> {
    const file = join(ovs.directory, 'flows.txt')
    writeFileSync(file, flows.map((flow) => printFlow(flow)).join('\n'))
    await ovs.ofctl(...VERSION, 'del-flows', ovs.bridge(BRIDGE))
    await ovs.ofctl(...VERSION, 'add-flows', ovs.bridge(BRIDGE), file)
    const dump = await ovs.ofctl(...VERSION, '--no-names', 'dump-flows', '--no-stats', ovs.bridge(BRIDGE))
    const lines = dump.split('\n').filter((line) => line.includes('actions='))
    return new Map(lines.map((line) => [BigInt(/cookie=(0x[0-9a-f]+)/.exec(line)![1]!), line]))
  }
})

/** Flows that OpenFlow 1.5 can carry, each with a cookie and a priority of its own. Its matches know no vlan_tci. */
function expressible(seed: number): FlowSpec[] {
  const random = seeded(seed)
  return Array.from({ length: FLOWS }, (_, index) => {
    const flow = randomFlow(random)
    const { meter: _meter, ...instructions } = flow.instructions
    return {
      ...flow,
      cookie: BigInt(index + 1),
      priority: 1000 + index,
      match: flow.match.filter((part) => part.field !== 'vlan_tci'),
      instructions: {
        ...instructions,
        apply: keepingTag(instructions.apply),
        write: keepingTag(instructions.write),
      },
    }
  })
}
