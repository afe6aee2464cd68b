// What a topology would change, before it does: the objects, what each switch would be told, and what traffic may notice.

import { segmentSteps } from './network/segments.ts'
import { changedFarEnds, namesAny } from './network/security-groups.ts'
import type { SwitchView, View } from './network/view.ts'
import { Compiler } from './reconcile/compile.ts'
import type { Difference } from './reconcile/diff.ts'
import { diff } from './reconcile/diff.ts'
import { EMPTY_STATE, flowKey } from './reconcile/switch-state.ts'
import { isSameTopology } from './network/sharing.ts'
import { PersistentMap } from './persistent-map.ts'
import { switchesAt } from '../topologies/topology.ts'
import type { Network, Nic, Topology, Vm } from '../topologies/topology.ts'

export interface Changes {
  added: number
  changed: number
  removed: number
}

export interface ObjectChange {
  kind: 'host' | 'tenant' | 'network' | 'VM' | 'vNIC' | 'security group' | 'address group' | 'mirror'
  name: string
  change: 'added' | 'changed' | 'removed'
  /** What of it is other than before, by name. */
  parts: string[]
}

export interface Plan {
  /** Nothing is to be done. */
  unchanged: boolean
  objects: ObjectChange[]
  switches: { switch: string; connected: boolean; flows: Changes; ports: Changes; meters: Changes }[]
  /** What guests may notice, for people. */
  notices: string[]
}

/** What would be done for `view` to become `after`. */
export function planOf(view: View, after: View, isConnected: (switchName: string) => boolean): Plan {
  const [before, topology] = [view.topology, after.topology]
  const objects = objectsBetween(before, topology)
  const compiler = new Compiler()
  const touched = touchedSwitches(view, after)
  const states = compiler.follow(only(touched, view))
  const others = compiler.follow(only(touched, after))
  const switches = [...others].flatMap(([name, state]) => {
    const from = states.get(name) ?? EMPTY_STATE
    const change = diff(from, state)
    const told = { flows: flowsOf(change, from.flows), ports: portsOf(change), meters: metersOf(change, from.meters) }
    const nothing = Object.values(told).every(({ added, changed, removed }) => added + changed + removed === 0)
    return nothing ? [] : [{ switch: name, connected: isConnected(name), ...told }]
  })
  switches.sort((a, b) => (a.switch < b.switch ? -1 : 1))
  const unchanged = isSameTopology(before, topology) && switches.length === 0
  return { unchanged, objects, switches, notices: noticesOf(before, topology) }
}

/** Those of which the view is another, those that share a network which is, and those with rules that name somebody who has changed. */
function touchedSwitches(before: View, after: View): Set<string> {
  const names = new Set(after.switches.changesSince(before.switches).map(([name]) => name))
  for (const [, , network] of after.networks.changesSince(before.networks))
    for (const name of network?.hosts.flatMap(switchesAt) ?? []) names.add(name)
  const farEnds = new Set(changedFarEnds(before.groups.farEnds, after.groups.farEnds).map(({ number }) => number))
  if (farEnds.size > 0) for (const [name, { groups }] of after.switches) if (namesAny(groups, farEnds)) names.add(name)
  return names
}

const only = (names: ReadonlySet<string>, view: View): View => ({
  ...view,
  switches: PersistentMap.from([...names].flatMap((name) => entryOf(name, view.switches.get(name)))),
})

const entryOf = (name: string, at: SwitchView | undefined): [string, SwitchView][] =>
  at === undefined ? [] : [[name, at]]

const flowsOf = ({ setFlows, removedFlows }: Difference, before: { has(key: string): boolean }): Changes => {
  const changed = setFlows.filter((flow) => before.has(flowKey(flow))).length
  return { added: setFlows.length - changed, changed, removed: removedFlows.length }
}

const portsOf = ({ addedPorts, changedPorts, removedPorts }: Difference): Changes => ({
  added: addedPorts.length,
  changed: changedPorts.length,
  removed: removedPorts.length,
})

const metersOf = ({ setMeters, removedMeters }: Difference, before: { has(meter: number): boolean }): Changes => {
  const changed = [...setMeters.keys()].filter((meter) => before.has(meter)).length
  return { added: setMeters.size - changed, changed, removed: removedMeters.length }
}

function objectsBetween(before: Topology, after: Topology): ObjectChange[] {
  const nicsOf = ({ vms }: Topology) => vms.flatMap(({ nics }) => nics).map((nic) => ({ ...nic, name: nic.id }))
  const vmsOf = ({ vms }: Topology) => vms.map(({ name, host }) => ({ name, host }))
  return [
    ...changesOf('host', before.hosts, after.hosts),
    ...changesOf('tenant', before.tenants ?? [], after.tenants ?? []),
    ...changesOf('network', before.networks, after.networks),
    ...changesOf('address group', before.addressGroups, after.addressGroups),
    ...changesOf('security group', before.securityGroups, after.securityGroups),
    ...changesOf('mirror', before.mirrors ?? [], after.mirrors ?? []),
    ...changesOf('VM', vmsOf(before), vmsOf(after)),
    ...changesOf('vNIC', nicsOf(before), nicsOf(after)),
  ]
}

function changesOf(
  kind: ObjectChange['kind'],
  before: readonly { name: string }[],
  after: readonly { name: string }[],
): ObjectChange[] {
  const old = new Map(before.map((one) => [one.name, one]))
  const now = new Set(after.map(({ name }) => name))
  return [
    ...after.flatMap((one): ObjectChange[] => {
      const was = old.get(one.name)
      if (was === undefined) return [{ kind, name: one.name, change: 'added', parts: [] }]
      const parts = partsThatDiffer(was, one)
      return parts.length === 0 ? [] : [{ kind, name: one.name, change: 'changed', parts }]
    }),
    ...before.flatMap(({ name }): ObjectChange[] =>
      now.has(name) ? [] : [{ kind, name, change: 'removed', parts: [] }],
    ),
  ]
}

function partsThatDiffer(before: object, after: object): string[] {
  const [was, is] = [new Map(Object.entries(before)), new Map(Object.entries(after))]
  const written = (value: unknown) => JSON.stringify(value)
  return [...new Set([...was.keys(), ...is.keys()])].filter((key) => written(was.get(key)) !== written(is.get(key)))
}

function noticesOf(before: Topology, after: Topology): string[] {
  const networks = new Map(before.networks.map((network) => [network.name, network]))
  const vms = new Map(before.vms.map((vm) => [vm.name, vm]))
  const stay = new Set(after.vms.map(({ name }) => name))
  const steps = segmentSteps(before, after).length
  return [
    ...after.networks.flatMap((network) => noticesOfNetwork(networks.get(network.name), network, steps)),
    ...before.vms.filter(({ name }) => !stay.has(name)).map(({ name }) => `${name} goes: nobody reaches it any more`),
    ...after.vms.flatMap((vm) => noticesOfVm(vms.get(vm.name), vm)),
    ...noticesOfGroups(before, after),
  ]
}

function noticesOfNetwork(before: Network | undefined, after: Network, steps: number): string[] {
  if (before === undefined || (before.type === after.type && before.segment === after.segment)) return []
  const way = steps > 1 ? `, in ${steps} steps because a segment changes hands` : ''
  const from = `${before.type} ${before.segment ?? ''}`.trim()
  return [
    `${after.name} goes from ${from} to ${`${after.type} ${after.segment ?? ''}`.trim()}${way}; no frame is given to another network, and none is lost while all switches are connected`,
  ]
}

function noticesOfVm(before: Vm | undefined, after: Vm): string[] {
  if (before === undefined) return []
  const moved = `${after.name} is put from ${before.host} to ${after.host} without a migration: what is on its way to it is lost`
  const nics = new Map(before.nics.map((nic) => [nic.id, nic]))
  const stay = new Set(after.nics.map(({ id }) => id))
  return [
    ...(before.host === after.host ? [] : [moved]),
    ...before.nics.filter(({ id }) => !stay.has(id)).map(({ id }) => `${id} goes: nobody reaches it any more`),
    ...after.nics.flatMap((nic) => noticesOfNic(nics.get(nic.id), nic)),
  ]
}

function noticesOfNic(before: Nic | undefined, { id, network, bridge, mac, addresses, policy }: Nic): string[] {
  if (before === undefined) return []
  const notices: string[] = []
  if (before.network !== network)
    notices.push(`${id} leaves ${before.network ?? 'no network'} for ${network ?? 'none'}`)
  if (before.bridge !== bridge) notices.push(`${id} gets a port anew, on ${bridge}`)
  const lost = [before.mac, ...before.addresses].filter((one) => one !== mac && !addresses.includes(one))
  if (lost.length > 0) notices.push(`${id} may not use ${lost.join(', ')} any more`)
  if (policy.portSecurity && !before.policy.portSecurity) notices.push(`${id} is held to its own addresses`)
  const [was, is] = [before.policy.securityGroups, policy.securityGroups]
  if (JSON.stringify(was) !== JSON.stringify(is))
    notices.push(
      `${id} is filtered by ${is === undefined ? 'nothing' : is.join(', ') || 'no group, so it hears nothing'}`,
    )
  for (const rate of ['ingressRate', 'egressRate'] as const)
    if ((policy[rate] ?? Infinity) < (before.policy[rate] ?? Infinity))
      notices.push(`${id} ${rate === 'ingressRate' ? 'sends' : 'receives'} at most ${policy[rate]} bits a second`)
  return notices
}

function noticesOfGroups(before: Topology, after: Topology): string[] {
  const groups = new Map(after.securityGroups.map((group) => [group.name, group]))
  return before.securityGroups.flatMap(({ name, rules }) => {
    const now = groups.get(name)
    const kept = new Set(now?.rules.map((rule) => JSON.stringify(rule)))
    const gone = rules.filter((rule) => !kept.has(JSON.stringify(rule))).length
    if (now === undefined || gone === 0) return []
    const what = gone === 1 ? 'a rule' : `${gone} rules`
    const fate = now.onRuleRemoval === 'keep' ? 'established ones go on' : 'established ones too'
    return [`${name} loses ${what}: connections that nothing else allows are refused, ${fate}`]
  })
}
