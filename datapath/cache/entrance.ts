import type { Frozen } from '../pipeline/freeze.ts'
import type { FrameArena } from '../frames.ts'
import { NO_SHAPE, SHAPES, shapeOf } from './frame-shape.ts'
import type { Megaflow } from './megaflow.ts'
import { Megaflows } from './megaflows.ts'
import type { SlotBudget } from './microflows.ts'
import { Microflows } from './microflows.ts'
import type { Vector } from './vector.ts'

export interface EntranceLimits {
  /** As in FlowCacheLimits. */
  steps: number
  /** Of the switch. */
  slots: SlotBudget
}

export interface EntranceOptions {
  recirculation?: number
  /** Where the pipeline left off. */
  frozen?: Frozen
  tunnel?: Tunnelled
}

/** Out of which tunnel frames come, and at which port. Addresses are 32-bit numbers. */
export interface Tunnelled {
  port: number
  vni: number
  source: number
  destination: number
}

/**
 * One way by which frames come to the pipeline: in at a port, out of a tunnel from one endpoint to another, or read anew where the
 * pipeline left off. Each has caches of its own (in Open vSwitch: a dpcls for each in_port).
 */
export class Entrance {
  readonly megaflows: Megaflows
  /** The megaflow that consulted nothing but the entrance: every frame goes by it. */
  only: Megaflow | undefined
  /**
   * Whether all that is known of a frame beside its headers is the same for all that come this way. Where it is not, frames are
   * looked up by key alone.
   */
  readonly isPlain: boolean
  /** Open vSwitch's recirc_id: 0 where frames come from outside. */
  readonly recirculation: number
  /** Frames have no Ethernet header. */
  readonly bare: boolean
  /** One of those that are alike. */
  readonly frozen: Frozen | undefined
  readonly tunnel: Tunnelled | undefined
  readonly #slots: SlotBudget
  readonly #microflows: (Microflows | undefined)[] = new Array<undefined>(SHAPES).fill(undefined)

  /** From outside where `recirculation` is 0. */
  constructor({ steps, slots }: EntranceLimits, { recirculation = 0, frozen, tunnel }: EntranceOptions = {}) {
    this.megaflows = new Megaflows(steps)
    this.isPlain = recirculation === 0
    this.recirculation = recirculation
    this.bare = frozen?.bare === true
    this.frozen = frozen
    this.tunnel = tunnel
    this.#slots = slots
  }

  /** The microflows of frames of this shape. */
  microflows(shape: number): Microflows {
    return (this.#microflows[shape] ??= new Microflows(shape, this.#slots))
  }

  /**
   * Puts into the vector the numbers of the megaflows that its frames go by, as far as microflows know. In two steps, each for all
   * frames before the next: the machine does a short loop in far less time, and waits for memory once for many.
   */
  recall(arena: FrameArena, vector: Vector): void {
    const { count, frames, numbers, shapes } = vector
    const { view, offset, length } = arena
    for (let index = 0; index < count; index++) {
      const frame = frames[index]
      shapes[index] = shapeOf(view, offset[frame], length[frame])
    }
    vector.isOneRun = false
    for (let start = 0; start < count;) {
      const shape = shapes[start]
      let end = start + 1
      while (end < count && shapes[end] === shape) end++
      if (shape === NO_SHAPE) numbers.fill(0, start, end)
      else vector.isOneRun = this.microflows(shape).findAll(arena, frames, start, end, numbers) && end - start === count
      start = end
    }
  }

  /** Nobody comes this way any more. */
  close(): void {
    for (const microflows of this.allMicroflows()) microflows.release()
  }

  /** Those there are. */
  allMicroflows(): Microflows[] {
    return this.#microflows.filter((microflows) => microflows !== undefined)
  }
}
