import { VECTOR } from '../datapath/cache/vector.ts'
import type { EmulatedNetwork } from '../datapath/emulator/network.ts'
import type { FrameArena } from '../datapath/frames.ts'
import { copyBetween } from '../protocols/bytes.ts'
import type { Nanoseconds } from '../runtime/clock.ts'
import type { Judge } from './judge/judge.ts'
import type { Block } from './judge/steady-frames.ts'
import type { SteadyKind } from './judge/steady-kinds.ts'

export interface PartyOptions {
  arena: FrameArena
  judge: Judge
  network: EmulatedNetwork
  /** A fresh identity for a frame. */
  nextId(): number
}

/** Frames that guests will send, gathered by instant to go in company. */
export class Party {
  readonly #options: PartyOptions
  readonly #frames = new Int32Array(VECTOR)
  readonly #kinds: SteadyKind[] = []
  #size = 0

  constructor(options: PartyOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#size
  }

  get isFull(): boolean {
    return this.#size === VECTOR
  }

  clear(): void {
    this.#size = 0
  }

  /** Takes in a copy of a frame that a guest sends at this instant, not before the last: see `Judge.sentInCompany`. */
  take(kind: SteadyKind, block: Block, number: number, start: number, end: number, at: Nanoseconds): void {
    const { arena, judge } = this.#options
    const id = this.#options.nextId()
    const frame = arena.allocate(end - start)
    copyBetween(block.view, start, end, arena.view, arena.offset[frame]!)
    arena.id[frame] = id
    arena.instant[frame] = at
    judge.sentInCompany(id, at, kind, block, number, start, end)
    this.#kinds[this.#size] = kind
    this.#frames[this.#size++] = frame
  }

  /** They set out. All that comes of it before `until` is done when this returns. */
  setOut(until: Nanoseconds): void {
    this.#options.network.sendTogether(this.#kinds, this.#frames, this.#size, until)
    this.#size = 0
  }
}
