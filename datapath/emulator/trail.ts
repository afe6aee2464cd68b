// Where each frame has been: a ring of hops, each pointing at the one before it. A frame carries the number of its last hop
// (`arena.trail`), and a copy inherits it, so a flooded frame's ways share their beginning.

import type { Flow } from '../flow.ts'
import type { FrameArena, FrameHandle } from '../frames.ts'

/** Hops remembered; far more than there are frames on their way at once. */
const HOPS = 1 << 18
const MASK = HOPS - 1

export interface Hop {
  /** `h1/br-int`, or a fabric switch. */
  node: string
  /** The flow that sent the frame on; absent in the fabric. */
  flow?: Flow
  /** All flows that the frame met at this switch. */
  hits: readonly Flow[]
}

const NO_FLOWS: readonly Flow[] = []

export class Trail {
  readonly #arena: FrameArena
  #next = 0
  // By slot; they grow to HOPS as frames pass, for there are many networks that never see so many.
  readonly #previous: number[] = []
  readonly #nodes: string[] = []
  readonly #flows: (Flow | undefined)[] = []
  readonly #hits: (readonly Flow[])[] = []

  constructor(arena: FrameArena) {
    this.#arena = arena
  }

  /** Notes that `frame` has passed `node`. */
  add(frame: FrameHandle, node: string, flow?: Flow, hits: readonly Flow[] = NO_FLOWS): void {
    const hop = this.#next
    this.#next = (hop + 1) & 0x7fffffff
    const slot = hop & MASK
    this.#previous[slot] = this.#arena.trail[frame]!
    this.#nodes[slot] = node
    this.#flows[slot] = flow
    this.#hits[slot] = hits
    this.#arena.trail[frame] = hop
  }

  /** The hops of `frame`, first to last; the oldest are missing where the ring has come round. */
  of(frame: FrameHandle): Hop[] {
    const hops: Hop[] = []
    for (let hop = this.#arena.trail[frame]!; hop >= 0 && this.#remembers(hop); hop = this.#previous[hop & MASK]!) {
      const slot = hop & MASK
      const flow = this.#flows[slot]
      hops.push({ node: this.#nodes[slot]!, hits: this.#hits[slot]!, ...(flow && { flow }) })
    }
    return hops.reverse()
  }

  #remembers(hop: number): boolean {
    const age = (this.#next - hop) & 0x7fffffff
    return age > 0 && age <= HOPS
  }
}
