import type { FlowSpec, FlowStatistics } from '../protocols/control/messages.ts'
import { packMatch } from './packed-match.ts'
import type { Step } from './pipeline-steps.ts'
import { stepsOf } from './pipeline-steps.ts'

/** A flow as its switch has it: what was asked, packed for look-up, and what it has counted. */
export interface Flow {
  readonly spec: FlowSpec
  /** The match as words of the flow key; see PackedMatch. */
  readonly value: Uint32Array
  readonly mask: Uint32Array
  /** The actions to apply and to write, prepared for the pipeline. */
  readonly apply: readonly Step[]
  readonly write: readonly Step[]
  /** Nanoseconds of the switch's clock. */
  readonly addedAt: number
  usedAt: number
  packets: number
  bytes: number
}

/** @throws InvalidField a match that contradicts itself. */
export function makeFlow(spec: FlowSpec, now: number): Flow {
  const { apply, write } = spec.instructions
  return {
    spec,
    ...packMatch(spec.match),
    apply: stepsOf(apply),
    write: stepsOf(write),
    addedAt: now,
    usedAt: now,
    packets: 0,
    bytes: 0,
  }
}

/** The same flow, of the same age, with other instructions. */
export function withInstructions(flow: Flow, instructions: FlowSpec['instructions']): Flow {
  return {
    ...flow,
    spec: { ...flow.spec, instructions },
    apply: stepsOf(instructions.apply),
    write: stepsOf(instructions.write),
  }
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
