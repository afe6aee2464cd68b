// The state of things, as they are and not as anybody believes them to be: read from the switches themselves, and worked out from
// what was asked for.

import { compile } from '../../controller/reconcile/compile.ts'
import { diff, type Difference } from '../../controller/reconcile/diff.ts'
import { flowKey, sameFlow, type SwitchState } from '../../controller/reconcile/switch-state.ts'
import { policyOf } from '../../controller/migration/policy.ts'
import { bareIntent } from '../../controller/network/intent.ts'
import { buildView } from '../../controller/network/build-view.ts'
import type { View } from '../../controller/network/view.ts'
import type { Image } from '../../controller/state/image.ts'
import { makeFlow } from '../../datapath/flow.ts'
import type { Switch } from '../../datapath/switch.ts'
import type { FlowSpec, PortConfig } from '../../protocols/control/messages.ts'
import type { Topology } from '../../topologies/topology.ts'
import { once } from '../../runtime/once.ts'

/** What a controller could have told the switch; of ports that are the host's own, those that it is to have told of. */
export function stateOf(device: Switch, wanted: SwitchState): SwitchState {
  const told = [...device.ports].filter((port) => isOurs(port) || wanted.ports.has(port.name))
  return {
    ports: new Map(told.map(({ name, config }) => [name, config])),
    meters: metersOf(device),
    flows: hasFlows(device, wanted) ? wanted.flows : flowsOf(device),
  }
}

export const flowsOf = (device: Switch): Map<string, FlowSpec> =>
  new Map([...device.tables].map(({ spec }) => [flowKey(spec), spec]))

const metersOf = (device: Switch) => new Map(device.meters.specs().map(({ meter, bands }) => [meter, bands]))

const isOurs = ({ config: { type } }: { config: PortConfig }): boolean =>
  type === 'vnic' || type === 'patch' || type === 'tunnel'

/**
 * The policy that the switch has for one vNIC's port, written so that it reads the same everywhere. `among` has all flows that it can be
 * made of; those of the whole switch where absent.
 */
export function policyAt(device: Switch, nic: string, port: number, among?: readonly FlowSpec[]): string {
  const flows = new Map((among ?? [...device.tables].map(({ spec }) => spec)).map((spec, index) => [`${index}`, spec]))
  const config = device.ports.byName(nic)?.config
  const ports = new Map(config === undefined ? [] : [[nic, config]])
  return inOrder(policyOf({ ports, meters: metersOf(device), flows }, nic, port))
}

/** The same whoever has written it: lines in JSON, members in alphabetical order. */
const inOrder = (policy: string): string => policy.split('\n').map(lineInOrder).sort().join('\n')

/** Runs of one scenario have the same lines again and again. */
const linesInOrder = new Map<string, string>()
const LINES = 100_000

function lineInOrder(line: string): string {
  const before = linesInOrder.get(line)
  if (before !== undefined) return before
  const isJson = line.startsWith('{') || line.startsWith('[')
  const ordered = isJson ? JSON.stringify(JSON.parse(line, sorted)) : line
  if (linesInOrder.size >= LINES) linesInOrder.clear()
  linesInOrder.set(line, ordered)
  return ordered
}

function sorted(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const entries = Object.entries(value).filter(([, part]) => part !== undefined)
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** By vNIC: the policy that its port is to have wherever its VM runs. */
export function policiesOf(topology: Topology): Map<string, string> {
  const view = buildView(bareIntent(topology))
  const states = compiledIn(view)
  return new Map(
    [...view.bindings].map(([nic, { home }]) => [nic, inOrder(policyOf(states.get(home.switch)!, nic, home.port))]),
  )
}

/** By switch. */
const compiledIn = (view: View): Map<string, SwitchState> =>
  new Map([...view.switches].map(([name, at]) => [name, compile(at, view)]))

/** What every switch is to have when all is done that `image` asks for. */
export function statesOf(image: Image): Map<string, SwitchState> {
  const view = buildView(image, undefined, image.assignments)
  return new Map(
    [...compiledIn(view)].map(([name, state]) => [
      name,
      { ...state, flows: new Map([...state.flows, ...(image.userFlows.get(name) ?? [])]) },
    ]),
  )
}

/** One like it that tables can look for. */
const likenessOf = once((flow: FlowSpec) => makeFlow(flow, 0))

/** Whether the switch has these flows and no others: what comparing `flowsOf` shows, and sooner. */
export function hasFlows(device: Switch, { flows }: Pick<SwitchState, 'flows'>): boolean {
  let count = 0
  for (const wanted of flows.values()) {
    const there = device.tables.table(wanted.table).find(likenessOf(wanted), wanted.priority)
    if (there === undefined || !sameFlow(there.spec, wanted)) return false
    count++
  }
  return device.tables.size === count
}

/** What is too much at a switch, and what is missing; undefined where nothing is. */
export function departure(found: SwitchState, wanted: SwitchState): string | undefined {
  const { removedPorts, addedPorts, changedPorts, ...rest } = diff(found, wanted)
  const parts = [
    ...removedPorts.map(({ name }) => `port ${name} is left`),
    ...addedPorts.map(({ name }) => `port ${name} is missing`),
    ...changedPorts.map(({ name, state }) => `port ${name} is not ${state} as it should be, or not on its network`),
    ...counted(rest),
  ]
  return parts.length === 0 ? undefined : parts.join(', ')
}

type FlowsAndMeters = Omit<Difference, 'removedPorts' | 'addedPorts' | 'changedPorts'>

function counted({ setFlows, removedFlows, setMeters, removedMeters }: FlowsAndMeters): string[] {
  const counts: [number, string][] = [
    [setFlows.length, 'flows are missing or not as they should be'],
    [removedFlows.length, 'flows are left'],
    [setMeters.size, 'meters are missing or not as they should be'],
    [removedMeters.length, 'meters are left'],
  ]
  return counts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`)
}
