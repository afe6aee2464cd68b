// Frames of steady kinds on their way. Of almost all of them comes what came of those before, so that no record is made: only what it
// takes to make one, should anything else become of the frame.

import type { Nanoseconds } from '../../runtime/clock.ts'
import type { SteadyKind } from './steady-kinds.ts'

/** Frames whose identities are this far apart share a place. A power of two. */
const PLACES = 1 << 11
const MASK = PLACES - 1

/** What frames of one block of a capture have in common. */
export interface Block {
  /** See Origin. */
  source: string
  /** They stay as they are. */
  bytes: Uint8Array
  view: DataView
}

export class SteadyFrames {
  /** By place; 0 where it is free. */
  readonly ids = new Float64Array(PLACES)
  readonly instants = new Float64Array(PLACES)
  readonly kinds: (SteadyKind | undefined)[] = new Array<undefined>(PLACES).fill(undefined)
  readonly blocks: (Block | undefined)[] = new Array<undefined>(PLACES).fill(undefined)
  /** In the source. */
  readonly numbers = new Float64Array(PLACES)
  /** Where in the block's bytes the frame is. */
  readonly starts = new Int32Array(PLACES)
  readonly ends = new Int32Array(PLACES)
  /** No frame older than this one is here, nor one that is newer than `#newest`. */
  #oldest = 0
  #newest = 0

  /** The place of the frame that was sent first; -1 where there is none. */
  get oldest(): number {
    while (this.#oldest < this.#newest && this.ids[this.#oldest & MASK] !== this.#oldest) this.#oldest++
    return this.#oldest < this.#newest ? this.#oldest & MASK : -1
  }

  /** Where the frame would be. */
  placeOf(id: number): number {
    return id & MASK
  }

  has(id: number): boolean {
    return id !== 0 && this.ids[id & MASK] === id
  }

  /** A frame later than all others, whose place is free. */
  add(id: number, at: Nanoseconds, kind: SteadyKind, block: Block, number: number, start: number, end: number): void {
    const place = id & MASK
    this.ids[place] = id
    this.instants[place] = at
    this.kinds[place] = kind
    this.blocks[place] = block
    this.numbers[place] = number
    this.starts[place] = start
    this.ends[place] = end
    if (this.#oldest === this.#newest) this.#oldest = id
    this.#newest = id + 1
  }

  remove(place: number): void {
    this.ids[place] = 0
  }
}
