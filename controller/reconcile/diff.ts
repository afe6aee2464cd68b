// What must change for a switch to have what it is to have. Pure: applying `diff(a, b)` to `a` gives `b`.

import type { BundledMessage, FlowSpec, MeterBand, PortConfig } from '../../protocols/control/messages.ts'
import { changedKeys } from '../persistent-map.ts'
import { type FlowChanges, SwitchFlows } from './switch-flows.ts'
import type { SwitchState } from './switch-state.ts'
import { flowKey, sameBands, sameFlow, samePort } from './switch-state.ts'
import { once } from '../../runtime/once.ts'

/** Never altered. */
export interface Difference {
  readonly removedPorts: readonly PortConfig[]
  readonly addedPorts: readonly PortConfig[]
  readonly changedPorts: readonly PortConfig[]
  readonly setMeters: ReadonlyMap<number, readonly MeterBand[]>
  readonly removedMeters: readonly number[]
  /** New, or in place of one with the same key. */
  readonly setFlows: readonly FlowSpec[]
  readonly removedFlows: readonly FlowSpec[]
}

export function diff(from: SwitchState, to: SwitchState): Difference {
  const flows = flowChanges(from.flows, to.flows)
  if (from.ports === to.ports && from.meters === to.meters) return inFlows(flows)
  return { ...inFlows(flows), ...diffPorts(from.ports, to.ports), ...diffMeters(from.meters, to.meters) }
}

/** The same for all switches of which the same changes. */
const inFlows = once((changes: FlowChanges): Difference => {
  const setFlows: FlowSpec[] = []
  const removedFlows: FlowSpec[] = []
  for (const [, before, now] of changes)
    if (now === undefined) removedFlows.push(...(before ? [before] : []))
    else if (before === undefined || !sameFlow(before, now)) setFlows.push(now)
  return { ...SAME_PORTS, ...SAME_METERS, setFlows, removedFlows }
})

const SAME_PORTS = { removedPorts: [], addedPorts: [], changedPorts: [] }
const SAME_METERS = { setMeters: new Map<number, readonly MeterBand[]>(), removedMeters: [] }

function diffPorts(from: SwitchState['ports'], to: SwitchState['ports']) {
  if (from === to) return SAME_PORTS
  const remade = (before: PortConfig, now: PortConfig) => before.type !== now.type || before.number !== now.number
  const staying = (name: string) => {
    const before = from.get(name)
    const now = to.get(name)
    return before !== undefined && now !== undefined && !remade(before, now)
  }
  return {
    removedPorts: [...from.values()].filter(({ name }) => !staying(name)),
    addedPorts: [...to.values()].filter(({ name }) => !staying(name)),
    changedPorts: [...to.values()].filter((port) => staying(port.name) && !samePort(from.get(port.name)!, port)),
  }
}

function diffMeters(from: SwitchState['meters'], to: SwitchState['meters']) {
  if (from === to) return SAME_METERS
  const changed = [...to].filter(([meter, bands]) => !sameBands(from.get(meter) ?? [], bands) || !from.has(meter))
  return { setMeters: new Map(changed), removedMeters: [...from.keys()].filter((meter) => !to.has(meter)) }
}

/** Two that were compiled share most of their parts; one that was read back from a switch is compared flow by flow. */
function flowChanges(from: SwitchState['flows'], to: SwitchState['flows']): FlowChanges {
  if (from instanceof SwitchFlows && to instanceof SwitchFlows) return to.changesSince(from)
  return changedKeys(flat(from), flat(to))
}

const flat = (flows: SwitchState['flows']): SwitchState['flows'] =>
  flows instanceof SwitchFlows ? new Map(flows) : flows

/** The state after the changes. */
export function patch(state: SwitchState, change: Difference): SwitchState {
  const ports = new Map(state.ports)
  for (const { name } of change.removedPorts) ports.delete(name)
  for (const port of [...change.addedPorts, ...change.changedPorts]) ports.set(port.name, port)
  const meters = new Map(state.meters)
  for (const meter of change.removedMeters) meters.delete(meter)
  for (const [meter, bands] of change.setMeters) meters.set(meter, bands)
  const flows = new Map(state.flows)
  for (const flow of change.removedFlows) flows.delete(flowKey(flow))
  for (const flow of change.setFlows) flows.set(flowKey(flow), flow)
  return { ports, meters, flows }
}

/**
 * The changes as messages, in the order in which they can be made: room for new ports first, then what is added, then what
 * goes. A meter is deleted before it is set: the same for one that is there and one that is not.
 */
export function messagesOf(change: Difference): readonly BundledMessage[] {
  const before = messages.get(change)
  if (before !== undefined) return before
  const made = writeMessages(change)
  messages.set(change, made)
  return made
}

/** Switches that are alike are told the same. */
const messages = new WeakMap<Difference, readonly BundledMessage[]>()

function writeMessages(change: Difference): BundledMessage[] {
  return [
    ...change.removedPorts.map((port) => (isUplink(port) ? portMod('modify', bare(port)) : portMod('delete', port))),
    ...change.addedPorts.map((port) => portMod(isUplink(port) ? 'modify' : 'add', port)),
    ...change.changedPorts.map((port) => portMod('modify', port)),
    ...[...change.setMeters].flatMap(([meter, bands]) => [meterMod('delete', meter), meterMod('add', meter, bands)]),
    ...change.setFlows.map(addition),
    ...change.removedFlows.map(removal),
    ...change.removedMeters.map((meter) => meterMod('delete', meter)),
  ]
}

/** The host makes its uplink, and it stays. */
const isUplink = ({ type }: PortConfig): boolean => type === 'uplink'
const bare = ({ number, name, type, state }: PortConfig): PortConfig => ({ number, name, type, state })

type Command = 'add' | 'modify' | 'delete'

const portMod = (command: Command, port: PortConfig): BundledMessage => ({ type: 'portMod', command, port })

const meterMod = (command: Command, meter: number, bands: readonly MeterBand[] = []): BundledMessage => ({
  type: 'meterMod',
  command,
  meter,
  bands: [...bands],
})

/** Most flows are the same on many switches: so is the message that adds them. */
const addition = once((flow: FlowSpec): BundledMessage => ({
  type: 'flowMod',
  command: 'add',
  cookieMask: 0n,
  ...flow,
}))

const removal = (flow: FlowSpec): BundledMessage => ({
  type: 'flowMod',
  command: 'delete-strict',
  cookieMask: 0n,
  ...flow,
})
