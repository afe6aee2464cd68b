// Kinds of frames of which one has gone its way with nothing changed since: it was heard by all who must hear it, as one copy, once,
// and left no trace but in counters. The next of its kind goes the same way, so it may go in company (emulator/company.ts).

import { Course } from '../../datapath/emulator/course.ts'
import type { Mapper } from '../frame-map.ts'
import type { Ruling } from './law.ts'
import type { Laws } from './laws.ts'
import type { Pair } from './pairs.ts'

/** One frame of a kind, which has gone its way. */
interface Sample {
  readonly asOf: number
  readonly nic: string
  readonly from: string | undefined
  readonly ruling: Ruling
  readonly laws: Laws
  readonly flow: number
  readonly heardBy: readonly string[]
  readonly isUnmarked: boolean
}

/** What is known of frames of one kind that one vNIC sends, as of so many changes: never used for any after. */
export class SteadyKind extends Course {
  readonly asOf: number
  /** The host where its guest is. */
  readonly from: string | undefined
  readonly ruling: Ruling
  readonly laws: Laws
  readonly flow: number
  /** The only one who hears them. */
  readonly hearer: string
  readonly pair: Pair
  /** The hearer has to hear them. */
  readonly isDue: boolean
  /** They are heard without the DSCP that they should have. */
  readonly isUnmarked: boolean
  /** One that lets them in as they are, for this vNIC. */
  mapper: Mapper | undefined

  constructor({ asOf, nic, from, ruling, laws, flow, heardBy, isUnmarked }: Sample, pair: Pair) {
    super(nic)
    this.asOf = asOf
    this.from = from
    this.ruling = ruling
    this.laws = laws
    this.flow = flow
    this.hearer = heardBy[0]!
    this.pair = pair
    this.isDue = ruling.must.length > 0
    this.isUnmarked = isUnmarked
  }
}

export class SteadyKinds {
  /** What has changed so far, as a number that goes up. */
  readonly #changes: () => number
  /** Copies of frames that there are. */
  readonly #copies: () => number
  #asOf = 0
  /** Frames on their way that are of steady kinds, as of now. */
  #onTheWay = 0

  constructor(changes: () => number, copies: () => number) {
    this.#changes = changes
    this.#copies = copies
  }

  /** As of which change it is known what is steady. */
  now(): number {
    const changes = this.#changes()
    if (changes !== this.#asOf) {
      this.#asOf = changes
      this.#onTheWay = 0
    }
    return changes
  }

  /** Whether all frames on their way are of steady kinds. */
  get areAll(): boolean {
    this.now()
    return this.#copies() === this.#onTheWay
  }

  /** As of the last `now`. */
  has(kind: SteadyKind): boolean {
    return kind.asOf === this.#asOf
  }

  /** One more is on its way. Gives what to say when it is gone. */
  enter(): number {
    this.#onTheWay++
    return this.#asOf
  }

  gone(enteredAs: number): void {
    if (enteredAs === this.#asOf) this.#onTheWay--
  }
}
