import type { FlowSpec } from '../protocols/control/messages.ts'

/** A flow as its switch has it: what was asked, packed for look-up, and what it has counted. */
export interface Flow {
  readonly spec: FlowSpec
  /** The match as words of the flow key; `value & ~mask` is 0. */
  readonly value: Uint32Array
  readonly mask: Uint32Array
  /** Nanoseconds of the switch's clock. */
  readonly addedAt: number
  usedAt: number
  packets: number
  bytes: number
}
