// When the next frame arrives at the end of a link, of all links: a heap of the directions that carry any, each with the instant
// of the first frame on it. At one instant, directions have their turn in the order in which they were laid.

import type { DrivingClock, Machine, Nanoseconds } from '../../runtime/clock.ts'

/** One direction of a link. */
interface Carrier {
  /** When the first frame on it arrives, or Infinity. */
  readonly first: Nanoseconds
  /** Takes off the frames that arrive at this instant, of which there may be none. */
  take(instant: Nanoseconds): void
  /** Hands over what was taken off. */
  deliver(): void
}

/** Those who let hosts take frames together where their order matters to nothing. */
export interface Convoy {
  /** Whether that is so for all frames on their way now; then it stays so until `end`. */
  begin(): boolean
  end(): void
}

export class Agenda implements Machine {
  convoy: Convoy | undefined
  readonly #clock: DrivingClock
  readonly #closer: () => void
  readonly #carriers: Carrier[] = []
  #instants = new Float64Array(16)
  #numbers = new Int32Array(16)
  #size = 0

  constructor(clock: DrivingClock) {
    this.#clock = clock
    this.#closer = clock.drive(this)
  }

  get next(): Nanoseconds {
    return this.#size === 0 ? Infinity : this.#instants[0]!
  }

  /** Gives the carrier a number. */
  enrol(carrier: Carrier): number {
    return this.#carriers.push(carrier) - 1
  }

  /** A carrier that was not expected, or carries nothing any more since it was last asked, carries a frame. */
  expect(number: number, instant: Nanoseconds): void {
    if (this.#size === this.#numbers.length) this.#double()
    let at = this.#size++
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#isAfter(parent, instant, number)) break
      this.#put(at, this.#instants[parent]!, this.#numbers[parent]!)
      at = parent
    }
    this.#put(at, instant, number)
    if (at === 0) this.#closer()
  }

  run(horizon: Nanoseconds): Nanoseconds {
    if (!this.convoy?.begin()) return this.#step()
    const last = this.runBefore(horizon)
    this.convoy.end()
    return last
  }

  /** Lets all arrive that is due before the instant; gives when the last of it was. */
  runBefore(horizon: Nanoseconds): Nanoseconds {
    let last = this.#clock.now()
    while (this.next < horizon) last = this.#step()
    return last
  }

  /** The same up to the instant, and at it. */
  runUpTo(instant: Nanoseconds): void {
    while (this.next <= instant) this.#step()
  }

  #step(): Nanoseconds {
    const instant = this.#instants[0]!
    const number = this.#numbers[0]!
    const carrier = this.#carriers[number]!
    carrier.take(instant)
    if (carrier.first === Infinity) this.#replaceFirst(this.#instants[--this.#size]!, this.#numbers[this.#size]!)
    else this.#replaceFirst(carrier.first, number)
    carrier.deliver()
    return instant
  }

  #replaceFirst(instant: Nanoseconds, number: number): void {
    const size = this.#size
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= size) break
      if (child + 1 < size && this.#isAfter(child, this.#instants[child + 1]!, this.#numbers[child + 1]!)) child++
      if (this.#isAfter(child, instant, number)) break
      this.#put(at, this.#instants[child]!, this.#numbers[child]!)
      at = child
    }
    this.#put(at, instant, number)
  }

  /** Whether what stands at `at` has its turn after the carrier of this number at this instant. */
  #isAfter(at: number, instant: Nanoseconds, number: number): boolean {
    const other = this.#instants[at]!
    return other > instant || (other === instant && this.#numbers[at]! > number)
  }

  #put(at: number, instant: Nanoseconds, number: number): void {
    this.#instants[at] = instant
    this.#numbers[at] = number
  }

  #double(): void {
    const [instants, numbers] = [this.#instants, this.#numbers]
    this.#instants = new Float64Array(2 * numbers.length)
    this.#numbers = new Int32Array(2 * numbers.length)
    this.#instants.set(instants)
    this.#numbers.set(numbers)
  }
}
