import type { Action, FlowSpec, FlowStatistics } from '../protocols/control/messages.ts'
import type { CompactMatch } from './packed-match.ts'
import { compactMatch } from './packed-match.ts'
import type { Step } from './pipeline/steps.ts'
import { stepsOf } from './pipeline/steps.ts'

/** This flow's part of a conjunctive match: ovs-fields(7). Clauses count from 1. */
export interface Clause {
  readonly id: number
  readonly clause: number
  readonly clauses: number
}

/** A flow as its switch has it: what was asked, packed for look-up, and what it has counted. */
export interface Flow extends CompactMatch {
  /** Its timeouts may be shortened; all else stays. */
  spec: FlowSpec
  /** The actions to apply and to write, prepared for the pipeline. */
  readonly apply: readonly Step[]
  readonly write: readonly Step[]
  /** Where the flow is not to be met by itself, but says that clauses of conjunctive matches hold. */
  readonly clauses: readonly Clause[] | undefined
  /** Nanoseconds of the switch's clock. */
  readonly addedAt: number
  /** When it was added, changed or learned again: its hard timeout counts from here. */
  modifiedAt: number
  usedAt: number
  packets: number
  bytes: number
}

class InstalledFlow implements Flow {
  spec: FlowSpec
  readonly mask: CompactMatch['mask']
  readonly values: CompactMatch['values']
  readonly clauses: readonly Clause[] | undefined
  readonly addedAt: number
  modifiedAt: number
  usedAt: number
  packets = 0
  bytes = 0
  #apply: readonly Step[] | undefined
  #write: readonly Step[] | undefined

  constructor(spec: FlowSpec, { mask, values }: CompactMatch, addedAt: number) {
    this.spec = spec
    this.mask = mask
    this.values = values
    this.clauses = clausesOf(spec)
    this.addedAt = addedAt
    this.modifiedAt = addedAt
    this.usedAt = addedAt
  }

  // Most flows of a large network never meet a frame: what the pipeline wants of them is made when one does.

  get apply(): readonly Step[] {
    return (this.#apply ??= stepsOf(this.spec.instructions.apply))
  }

  get write(): readonly Step[] {
    return (this.#write ??= stepsOf(this.spec.instructions.write))
  }
}

/** @throws InvalidField a match that contradicts itself. */
export const makeFlow = (spec: FlowSpec, now: number): Flow => new InstalledFlow(spec, compactMatch(spec.match), now)

/** The same flow, of the same age, with these in place of its own. */
export function changedFlow(flow: Flow, change: Partial<Pick<FlowSpec, 'instructions' | 'cookie'>>, now: number): Flow {
  const changed = new InstalledFlow({ ...flow.spec, ...change }, flow, flow.addedAt)
  changed.modifiedAt = now
  takeOver(flow, changed, true)
  return changed
}

/** What a flow has counted goes on in the one that takes its place, if so wanted; when it was last used goes on anyway. */
export function takeOver(from: Flow, to: Flow, counters: boolean): void {
  to.usedAt = from.usedAt
  to.packets = counters ? from.packets : 0
  to.bytes = counters ? from.bytes : 0
}

const isClause = (action: Action) => action.type === 'conjunction'

function clausesOf({ instructions: { apply } }: FlowSpec): Clause[] | undefined {
  return apply.some(isClause) ? apply.filter((action) => action.type === 'conjunction') : undefined
}

/** OpenFlow 1.3 §5.4: the flow that says what becomes of frames that no other flow of its table matches. */
export const isTableMiss = (flow: Flow): boolean => flow.spec.priority === 0 && flow.spec.match.length === 0

export function statisticsOf(flow: Flow, now: number): FlowStatistics {
  return {
    ...flow.spec,
    duration: BigInt(now - flow.addedAt),
    idleAge: BigInt(now - flow.usedAt),
    packets: BigInt(flow.packets),
    bytes: BigInt(flow.bytes),
  }
}
