// What users ask of flows, and what that comes to: which flows come, which go, and which requests have nothing to do with each other.

import type { FlowFilter, FlowSpec } from '../protocols/control/messages.ts'
import type { UserFlow } from './model.ts'
import { Conflict } from './model.ts'
import type { Fleet } from './reconcile/fleet.ts'
import { flowKey } from './reconcile/switch-state.ts'
import { SwitchAway } from './southbound/remote-switch.ts'
import type { Operation } from './state/state.ts'
import type { FlowChange, FlowsBySwitch } from './user-flows.ts'
import { asDesired, checkUserFlow, matchesFilter } from './user-flows.ts'

export interface FlowRequest {
  /** For the journal. */
  readonly describe: () => Operation
  /** What it comes to as things stand. @throws what is wrong with it */
  readonly plan: () => FlowPlan
  readonly resolve: (changes: number) => void
  readonly reject: (error: unknown) => void
}

export interface FlowPlan {
  /** Of one flow one at most. */
  readonly changes: readonly FlowChange[]
  readonly switches: ReadonlySet<string>
  /** Flows that it would have had to do with, had they been there. */
  readonly concerns?: (name: string, flow: FlowSpec) => boolean
}

interface Place {
  readonly fleet: Fleet
  readonly resolve: (name: string) => string
}

/** @throws InvalidField, NotFound, Conflict where a switch is away */
export function changesOfAdding(flows: readonly UserFlow[], present: FlowsBySwitch, place: Place): FlowPlan {
  flows.forEach(({ flow }, index) => checkUserFlow(flow, `flows[${index}]`))
  const changes = new Map<string, FlowChange>()
  const switches = new Set<string>()
  let overlaps = false
  for (const one of flows) {
    const name = place.resolve(one.switch)
    const key = flowKey(one.flow)
    const after = asDesired(one.flow)
    changes.set(`${name} ${key}`, { switch: name, key, before: present.get(name)?.get(key), after })
    switches.add(name)
    overlaps ||= after.flags.checkOverlap === true
  }
  checkConnected(switches, place.fleet)
  const plan = { changes: [...changes.values()], switches }
  return overlaps ? { ...plan, concerns: (name) => switches.has(name) } : plan
}

/** @throws NotFound, Conflict where the switch is away */
export function changesOfDeleting(
  request: { switch: string; filter: FlowFilter; strict: FlowSpec | undefined },
  present: FlowsBySwitch,
  place: Place,
): FlowPlan {
  const { filter, strict } = request
  const name = place.resolve(request.switch)
  const switches = new Set([name])
  checkConnected(switches, place.fleet)
  const isMeant = (flow: FlowSpec) =>
    strict === undefined ? matchesFilter(flow, filter) : flowKey(flow) === flowKey(strict)
  const doomed = [...(present.get(name)?.values() ?? [])].filter(isMeant)
  const changes = doomed.map((before): FlowChange => ({ switch: name, key: flowKey(before), before, after: undefined }))
  const concerns = (at: string, flow: FlowSpec) => at === name && isMeant(flow)
  return { changes, switches, concerns }
}

function checkConnected(switches: ReadonlySet<string>, fleet: Fleet): void {
  const away = [...switches].find((name) => !fleet.reconciler(name).connected)
  if (away !== undefined) throw new Conflict(`${new SwitchAway(away).message}; nothing was changed`)
}

/**
 * Tells of each plan whether it has nothing to do with those before: then it comes to the same whichever of them are carried out, and
 * in whatever order.
 */
export function independent(): (plan: FlowPlan) => boolean {
  const touched = new Set<string>()
  const added: FlowChange[] = []
  const watching: NonNullable<FlowPlan['concerns']>[] = []
  return ({ changes, concerns }) => {
    const isApart =
      !changes.some(({ switch: name, key }) => touched.has(`${name} ${key}`)) &&
      !(concerns && added.some(({ switch: name, after }) => concerns(name, after!))) &&
      !watching.some((sees) => changes.some(({ switch: name, after }) => after !== undefined && sees(name, after)))
    if (!isApart) return false
    for (const { switch: name, key } of changes) touched.add(`${name} ${key}`)
    added.push(...changes.filter(({ after }) => after !== undefined))
    if (concerns) watching.push(concerns)
    return true
  }
}
