// What is remembered of a change must not keep what was there before: a controller runs for months.

import { expect, test } from 'vitest'
import type { Controller } from '../../controller/controller.ts'
import { buildView } from '../../controller/network/build-view.ts'
import { patchView } from '../../controller/network/patch-view.ts'
import { bareIntent, type Intent } from '../../controller/network/intent.ts'
import { LearnedAddresses } from '../../controller/network/learned.ts'
import { PersistentMap } from '../../controller/persistent-map.ts'
import { Compiler } from '../../controller/reconcile/compile.ts'
import { diff, messagesOf } from '../../controller/reconcile/diff.ts'
import { type FlowsByKey, NO_SHARES, SwitchFlows } from '../../controller/reconcile/switch-flows.ts'
import { EMPTY_STATE, flowKey } from '../../controller/reconcile/switch-state.ts'
import type { FlowSpec } from '../../protocols/control/messages.ts'
import { shapeTopology } from '../../topologies/shapes.ts'
import { controlledFleet, threeHosts } from '../support/controlled-fleet.ts'
import { fewerThanChained, held } from '../support/heap.ts'

const CHANGES = 50

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
  expect(await held(past)).toBeLessThan(fewerThanChained(past))
})

const TWO_NETWORKS = shapeTopology('single,3', { vmsPerHost: 2, networks: 2, type: 'vlan' })
const IGMP_SNOOPING = { tableSize: CHANGES, agingTime: 1e9, floodUnregistered: false, fastLeave: false }
const QUIET = bareIntent({
  ...TWO_NETWORKS,
  networks: TWO_NETWORKS.networks.map((one) => ({ ...one, igmpSnooping: IGMP_SNOOPING })),
})

const HEARD: Record<string, (intent: Intent, network: string, change: number) => Intent> = {
  'addresses learned outside': ({ learned, ...intent }, network, change) => ({
    ...intent,
    learned: learned.learn(network, BigInt(change + 1), { kind: 'outside', switches: ['h1/br-int'] }),
  }),
  'multicast groups': ({ memberships, ...intent }, network, change) => ({
    ...intent,
    memberships: memberships.with({ network, group: `239.1.1.${change}`, spot: { kind: 'outside' } }),
  }),
}

test.each(Object.entries(HEARD))('networks with %s by turns are forgotten', async (_what, heard) => {
  const compiler = new Compiler()
  const past: WeakRef<object>[] = []
  let view = buildView(QUIET)
  for (let change = 0; change < CHANGES; change++) {
    const { name } = QUIET.topology.networks[change % 2]!
    view = patchView(view, heard(view.intent, name, change))
    compiler.follow(view)
    past.push(new WeakRef(view.networks.get(name)!))
  }
  expect(await held(past)).toBeLessThan(fewerThanChained(past))
  expect(compiler.stateOf('h1/br-int').flows.size).toBeGreaterThan(CHANGES)
})

/** What a host has by itself: bridges to which all else is one way have ways of their own. */
const OUTSIDE = new LearnedAddresses().learn('net1', 1n, { kind: 'outside', switches: ['h1/br-int'] })

test('what switches that are gone had of a network is forgotten', async () => {
  const topology = QUIET.topology
  const [, , third] = topology.hosts
  const compiler = new Compiler()
  const past: WeakRef<object>[] = []
  const quiet: Intent = { ...QUIET, learned: OUTSIDE }
  let view = buildView(quiet)
  for (let change = 0; change < CHANGES; change++) {
    const host = { ...third!, name: `gone${change}`, bridges: [{ name: 'br-int' }, { name: 'br-web', peer: 'br-int' }] }
    const vms = topology.vms.map((vm) => (vm.host === third!.name ? { ...vm, host: host.name } : vm))
    view = buildView({ ...quiet, topology: { ...topology, hosts: topology.hosts.with(2, host), vms } }, view)
    compiler.follow(view)
    const [own, others] = [`${host.name}/br-web`, 'h1/br-int'].map((name) => listsAt(compiler, name))
    const alone = own!.filter((flows) => !others!.includes(flows))
    expect(alone.length).toBeGreaterThan(1)
    past.push(...alone.map((flows) => new WeakRef(flows)))
  }
  expect(await held(past)).toBeLessThan(fewerThanChained(past))
})

const listsAt = (compiler: Compiler, name: string): readonly FlowsByKey[] =>
  compiler
    .stateOf(name)
    .flows.slot('network net1')!
    .shared.filter(({ size }) => size > 0)

/** Ways in which switches share flows. */
const SHARED: Record<string, (flows: PersistentMap<string, FlowSpec>) => { flows: SwitchFlows; held: object }> = {
  'of groups': (flows) => {
    const parts = { names: ['one'], flows: [flows] }
    return { flows: new SwitchFlows(PersistentMap.empty(), NO_SHARES, parts), held: parts }
  },
  'of a network': (flows) => {
    const shared = [flows]
    return { flows: new SwitchFlows(PersistentMap.empty(), { names: ['network one'], lists: [shared] }), held: shared }
  },
}

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
  expect(await held(past)).toBeLessThan(fewerThanChained(past))
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
