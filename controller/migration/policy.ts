// The policy of a port as its switch has it, written so that it reads the same at every place.

import type { Action, FlowSpec } from '../../protocols/control/messages.ts'
import type { FieldMatch } from '../../protocols/match.ts'
import { reportMeter } from '../apps/multicast.ts'
import { ingressMeter } from '../apps/qos.ts'
import { vnicQueue } from '../apps/uplink.ts'
import { isFile } from '../network/mirrors.ts'
import { type FlowsByKey, SwitchFlows } from '../reconcile/switch-flows.ts'
import { flowKey, limitText } from '../reconcile/switch-state.ts'
import type { SwitchState } from '../reconcile/switch-state.ts'
import { once } from '../../runtime/once.ts'
import { isOwnCookie, Register } from '../tables.ts'

const ATTACHMENT_SHIFT = 16n
const PORT_BITS = 0xffffn

/**
 * Flows that speak of the port or of its security groups, its meter, its limits and its VLAN mode; the port's number, meters' numbers and its zone
 * stand as words.
 */
export function policyOf({ flows, meters, ports }: SwitchState, name: string, port: number): string {
  const atPort = flowsAt(flows, port).filter((flow) => !sharesUplink(flow, port))
  const combination = atPort.flatMap(({ instructions }) => instructions.apply).find(setsCombination)
  const rules =
    combination === undefined
      ? []
      : [...flows.values()].filter((flow) => isPolicy(flow) && flow.match.some((part) => isSame(part, combination)))
  const own = [...atPort, ...rules]
  const bands = written(meters.get(ingressMeter(port)) ?? [])
  const config = ports.get(name)
  const limits = config && written(limitText(config))
  return [config?.vlanMode, bands, limits, ...own.map((flow) => lineOf(flow, port)).sort()].join('\n')
}

/** Of these flows, those of a policy that speak of the port. */
const flowsAt = (flows: FlowsByKey, port: number): FlowSpec[] =>
  flows instanceof SwitchFlows
    ? flows.layers.flatMap((layers) => layers.flatMap((layer, depth) => uncovered(layer, layers.slice(0, depth), port)))
    : (byPort(flows).get(port) ?? [])

const uncovered = (layer: FlowsByKey, above: readonly FlowsByKey[], port: number): FlowSpec[] =>
  (byPort(layer).get(port) ?? []).filter((flow) => !above.some((one) => one.has(flowKey(flow))))

/** Most of what a switch has is as it was when somebody asked last. */
const byPort = once((flows: FlowsByKey): ReadonlyMap<number, FlowSpec[]> => {
  const found = new Map<number, FlowSpec[]>()
  for (const flow of flows.values())
    if (isPolicy(flow)) for (const port of portsNamed(flow)) found.set(port, [...(found.get(port) ?? []), flow])
  return found
})

const portsNamed = ({ match }: FlowSpec): Set<number> => new Set(match.flatMap((part) => portNamed(part) ?? []))

/** Whether it leaves the host in its network's queue: whether that has one follows from who else is there. */
const sharesUplink = ({ instructions }: FlowSpec, port: number): boolean =>
  instructions.apply.some((action) => action.type === 'set_queue' && action.queue !== vnicQueue(port))

/** Neither a user's flow, which stays where it was put, nor an address that was learned. */
export const isPolicy = ({ cookie, idleTimeout }: FlowSpec): boolean => isOwnCookie(cookie) && idleTimeout === 0

export const speaksOf = ({ match }: FlowSpec, port: number): boolean => match.some((part) => portNamed(part) === port)

/** Number of the port that this part of a match speaks of. */
export function portNamed({ field, value }: FieldMatch): number | undefined {
  if (field === 'in_port') return Number(value)
  return field === Register.To ? Number(value & PORT_BITS) : undefined
}

/** Security groups: their rules are the same for all vNICs that have them. */
const setsCombination = (action: Action) => action.type === 'set_field' && action.field === Register.Combination

const isSame = ({ field, value }: FieldMatch, action: Action): boolean =>
  action.type === 'set_field' && action.field === field && action.value === value

/** By flow, what it was written as last, and for which port: hardly one is asked about for two. */
const lines = new WeakMap<FlowSpec, { port: number; line: string }>()

function lineOf(flow: FlowSpec, port: number): string {
  const known = lines.get(flow)
  if (known?.port === port) return known.line
  const line = written(placeless(flow, port))
  lines.set(flow, { port, line })
  return line
}

function placeless(flow: FlowSpec, port: number): unknown {
  const { instructions } = flow
  const { meter } = instructions
  const match = flow.match.map((part) => (portNamed(part) === port ? { ...part, value: beyondPort(part) } : part))
  const apply = instructions.apply.map((action) => placelessAction(action, port))
  return { ...flow, match, instructions: { ...instructions, apply, meter: meter && meter - 2 * port } }
}

const beyondPort = ({ value }: { value: bigint }): string => `port ${value >> ATTACHMENT_SHIFT}`

function placelessAction(action: Action, port: number): unknown {
  if (action.type === 'output' && action.port === port) return { type: 'output', port: 'port' }
  if (action.type === 'set_queue' && action.queue === vnicQueue(port)) return { type: 'set_queue', queue: 'port' }
  if (action.type === 'controller' && action.meter === reportMeter(port)) return { ...action, meter: 'port' }
  if (action.type === 'clone') return { ...action, actions: action.actions.map((one) => placelessAction(one, port)) }
  return action.type === 'set_field' ? placelessSet(action, port) : action
}

function placelessSet(action: Extract<Action, { type: 'set_field' }>, port: number): unknown {
  if (action.field === Register.From) return { ...action, value: beyondPort(action) }
  if (action.field === Register.Zone) return { ...action, value: 'zone' }
  if (action.field === Register.Copied) return { ...action, value: action.value - 2n * BigInt(port) }
  if (action.field === Register.Mirror && isFile(Number(action.value))) return { ...action, value: 'file' }
  return action
}

const written = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? part.toString() : part))
