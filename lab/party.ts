import { VECTOR } from '../datapath/cache/vector.ts'
import type { EmulatedNetwork } from '../datapath/emulator/network.ts'
import type { FrameArena } from '../datapath/frames.ts'
import { copyBytes } from '../protocols/bytes.ts'
import type { Nanoseconds } from '../runtime/clock.ts'
import type { Judge } from './judge/judge.ts'

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
  readonly #nics: string[] = []
  readonly #origin = { source: '', number: 0, made: false }
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

  /** Takes in a copy of the frame that the vNIC's guest sends at this instant, not before the last; false where its kind is not steady. */
  take(nic: string, bytes: Uint8Array, at: Nanoseconds, source: string, number: number): boolean {
    const { arena, judge } = this.#options
    const seen = judge.steadyKindOf(nic, bytes, 0, bytes.length)
    if (seen === undefined) return false
    const id = this.#options.nextId()
    const frame = arena.allocate(bytes.length)
    copyBytes(bytes, 0, bytes.length, arena.bytes, arena.offset[frame]!)
    arena.id[frame] = id
    arena.instant[frame] = at
    const origin = this.#origin
    origin.source = source
    origin.number = number
    judge.sentSteady(id, at, bytes, origin, 0, bytes.length, seen)
    this.#nics[this.#size] = nic
    this.#frames[this.#size++] = frame
    return true
  }

  /** They set out. All that comes of it before `until` is done when this returns. */
  setOut(until: Nanoseconds): void {
    this.#options.network.sendTogether(this.#nics, this.#frames, this.#size, until)
    this.#size = 0
  }
}
