// A port's policy is found in the parts of what its switch has. All flows of the switch, one by one, are the slow twin.

import { expect, test } from 'vitest'
import { policyOf } from '../../../controller/migration/policy.ts'
import { buildView } from '../../../controller/network/build-view.ts'
import { bareIntent } from '../../../controller/network/intent.ts'
import { PersistentMap } from '../../../controller/persistent-map.ts'
import { compile } from '../../../controller/reconcile/compile.ts'
import { SwitchFlows } from '../../../controller/reconcile/switch-flows.ts'
import { EMPTY_STATE, flowKey } from '../../../controller/reconcile/switch-state.ts'
import type { FlowSpec } from '../../../protocols/control/messages.ts'
import { seeded } from '../../../runtime/random.ts'
import { withSecurityGroups } from '../../support/random-security-groups.ts'
import { randomTopology } from '../../support/random-topologies.ts'
import { seeds } from '../../support/seeds.ts'

test.each(seeds(10))('a policy found part by part is what all flows together say (seed %i)', (seed) => {
  const random = seeded(seed)
  const topology = withSecurityGroups(random, randomTopology(random))
  const view = buildView(bareIntent(topology))
  for (const [nic, { home }] of view.bindings) {
    const state = compile(view.switches.get(home.switch)!, view)
    const flat = { ...state, flows: new Map(state.flows) }
    expect(policyOf(state, nic, home.port)).toBe(policyOf(flat, nic, home.port))
  }
})

test('a flow that another of its key covers is no part of a policy', () => {
  const view = buildView(bareIntent(randomTopology(seeded(1))))
  const [nic, { home }] = [...view.bindings][0]!
  const { flows } = compile(view.switches.get(home.switch)!, view)
  const own = [...flows.values()].find(({ match }) => match.some(({ field }) => field === 'in_port'))!
  const port = Number(own.match.find(({ field }) => field === 'in_port')!.value)
  const covered: FlowSpec = { ...own, instructions: { ...own.instructions, apply: [] } }
  const key = flowKey(own)
  const shares = { names: ['network one'], lists: [[PersistentMap.from([[key, covered]])]] }
  const layered = new SwitchFlows(PersistentMap.from([['network one', new Map([[key, own]])]]), shares)
  const flat = new Map([[key, own]])
  expect(policyOf({ ...EMPTY_STATE, flows: layered }, nic, port)).toBe(
    policyOf({ ...EMPTY_STATE, flows: flat }, nic, port),
  )
})
