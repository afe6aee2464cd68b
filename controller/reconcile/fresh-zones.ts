// Connection-tracking zones that somebody else may have had before.

import type { FlowSpec } from '../../protocols/control/messages.ts'
import { wayIn } from '../apps/security-groups.ts'
import { Register, Table } from '../tables.ts'
import type { Difference } from './diff.ts'
import type { SwitchState } from './switch-state.ts'
import { flowKey } from './switch-state.ts'

export interface FreshZones {
  readonly all: readonly number[]
  /** Of vNICs whose ports are not open: they have no connections yet that could be theirs. */
  readonly unopened: readonly number[]
}

/** Zones that vNICs have from this change to `wanted` on and had not before. */
export function freshZones(change: Difference, before: SwitchState, wanted: SwitchState): FreshZones {
  const zoned = change.setFlows.filter((flow) => zoneOf(flow) !== undefined)
  const others = zoned.filter((flow) => zoneOf(flow) !== zoneOf(before.flows.get(flowKey(flow))))
  const here = change.addedPorts.flatMap(({ number }) => wanted.flows.get(flowKey(wayIn(number))) ?? [])
  const fresh = new Set([...others, ...here].filter((flow) => zoneOf(flow) !== undefined))
  if (fresh.size === 0) return NONE
  const open = new Set([...wanted.ports.values()].flatMap(({ number, state }) => (state === 'open' ? [number] : [])))
  const closed = [...fresh].filter((flow) => !open.has(portOf(flow)))
  return {
    all: [...fresh].flatMap((flow) => zoneOf(flow) ?? []),
    unopened: closed.flatMap((flow) => zoneOf(flow) ?? []),
  }
}

const NONE: FreshZones = { all: [], unopened: [] }

function zoneOf(flow: FlowSpec | undefined): number | undefined {
  if (flow?.table !== Table.TrackFromVm) return undefined
  for (const action of flow.instructions.apply)
    if (action.type === 'set_field' && action.field === Register.Zone) return Number(action.value)
  return undefined
}

const portOf = ({ match }: FlowSpec): number => Number(match.find(({ field }) => field === 'in_port')?.value ?? 0n)
