import type { Nanoseconds } from '../../runtime/clock.ts'
import type { LinkDirection } from './link.ts'

/** A way through the fabric, as long as nothing changes there. Ways along the same links are one. */
export interface Way {
  readonly links: readonly LinkDirection[]
  /** The host that it leads to. */
  readonly to: string
  /** What every frame takes on it, where the links do nothing but take their time; else Infinity. */
  readonly time: Nanoseconds
  /** The changes of the fabric there had been. */
  readonly asOf: number
}
