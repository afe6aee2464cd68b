// Frames in company between hosts whose links do nothing but take their time: when each arrives is a sum, and no link need carry it.
// This holds only where the links would have handed them over in the order in which they left, so that is looked at first.

import type { Nanoseconds } from '../../runtime/clock.ts'
import { VECTOR } from '../cache/vector.ts'
import type { Way } from './way.ts'

export class Flights {
  /** By place: when the frame arrives. */
  readonly arrivals = new Float64Array(VECTOR)
  count = 0
  /** Of these, the first so many arrive in time. */
  inTime = 0
  /** Of all that is on links and in flight, nothing arrives at a host after this instant, nor at it by another way; Infinity if unknown. */
  latest: Nanoseconds = -Infinity
  #latestWay: Way | undefined

  /** No link carries anything any more. */
  landed(): void {
    this.latest = -Infinity
  }

  /** Something is on a link of which it is not known when it arrives. */
  disturb(): void {
    this.latest = Infinity
  }

  begin(): void {
    this.count = 0
    this.inTime = 0
  }

  /** The next frame leaves at this instant. False where it, or others before it, must be carried. */
  add(leaves: Nanoseconds, way: Way | undefined, until: Nanoseconds): boolean {
    const arrives = way === undefined ? Infinity : leaves + way.time
    const isInOrder = arrives > this.latest || (arrives === this.latest && way === this.#latestWay)
    if (!isInOrder || arrives === Infinity) return false
    this.latest = arrives
    this.#latestWay = way
    this.arrivals[this.count++] = arrives
    if (arrives < until) this.inTime = this.count
    return true
  }
}
