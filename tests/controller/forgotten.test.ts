// What is remembered of a change must not keep what was there before: a controller runs for months.

import { expect, test } from 'vitest'
import type { Controller } from '../../controller/controller.ts'
import { PersistentMap } from '../../controller/persistent-map.ts'
import { diff, messagesOf } from '../../controller/reconcile/diff.ts'
import { SwitchFlows } from '../../controller/reconcile/switch-flows.ts'
import { EMPTY_STATE, flowKey } from '../../controller/reconcile/switch-state.ts'
import type { FlowSpec } from '../../protocols/control/messages.ts'
import { controlledFleet, threeHosts } from '../support/controlled-fleet.ts'
import { collect } from '../support/heap.ts'

const CHANGES = 30
/** What runs, what is asked, and what was there before the last change. */
const FEW = 4

/** Those that something still holds on to. What a WeakRef has given in a turn stays to its end. */
async function held(past: readonly WeakRef<object>[]): Promise<number> {
  await new Promise((resolve) => setImmediate(resolve))
  collect()
  return past.filter((one) => one.deref() !== undefined).length
}

const CHANGED: Record<string, (controller: Controller, change: number) => Promise<void>> = {
  'policies of a vNIC': (controller, change) =>
    controller.setPolicy('a:eth0', ({ vms }) => ({ ...vms[0]!.nics[0]!.policy, ingressRate: 1_000_000 + change })),
  'whole topologies': (controller, change) => controller.apply({ ...threeHosts(), name: `change ${change}` }),
}

test.each(Object.entries(CHANGED))('what ran before changes of %s is forgotten', async (_what, change) => {
  const { controller, settle } = await controlledFleet(threeHosts())
  const past: WeakRef<object>[] = []
  for (let count = 0; count < CHANGES; count++) {
    await settle(change(controller, count))
    past.push(new WeakRef(controller.topology.vms), new WeakRef(controller.topologies.asked!))
  }
  expect(await held(past)).toBeLessThanOrEqual(FEW)
})

/** Ways in which switches share flows. */
const SHARED: Record<string, (flows: PersistentMap<string, FlowSpec>) => { flows: SwitchFlows; held: object }> = {
  'of groups': (flows) => {
    const parts = { names: ['one'], flows: [flows] }
    return { flows: new SwitchFlows(PersistentMap.empty(), parts), held: parts }
  },
  'of a network': (flows) => {
    const shared = [flows]
    return { flows: new SwitchFlows(PersistentMap.from([['network one', { own: NOTHING, shared }]])), held: shared }
  },
}
const NOTHING = new Map<string, FlowSpec>()

test.each(Object.entries(SHARED))('flows %s that switches shared before are forgotten', async (_what, switchWith) => {
  const past: WeakRef<object>[] = []
  let [flows, before] = [PersistentMap.empty<string, FlowSpec>(), EMPTY_STATE]
  for (let change = 0; change < CHANGES; change++) {
    const flow = flowOf(change)
    flows = flows.set(flowKey(flow), flow)
    const made = switchWith(flows)
    const after = { ...before, flows: made.flows }
    expect(messagesOf(diff(before, after))).toHaveLength(1)
    past.push(new WeakRef(flows), new WeakRef(made.held))
    before = after
  }
  expect(await held(past)).toBeLessThanOrEqual(FEW)
})

const flowOf = (priority: number): FlowSpec => ({
  table: 0,
  priority,
  match: [],
  cookie: 0n,
  idleTimeout: 0,
  hardTimeout: 0,
  flags: {},
  instructions: { apply: [], clear: false, write: [] },
})
