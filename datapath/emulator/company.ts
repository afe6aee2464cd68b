// Frames in company. Where it is known of every frame on its way that all it meets is the same as for the one before it of its
// kind, and that it leaves no trace but in counters, it does not matter which host deals with which of them first. Then hosts take
// frames by the vector, each frame at its own instant (`arena.instant`), ahead of the clock or behind it. What does matter keeps its
// order: links take frames as they come (agenda.ts), and who looks on hears of them by instant, as if each had gone alone.

import type { Nanoseconds } from '../../runtime/clock.ts'
import type { FrameArena, FrameHandle } from '../frames.ts'

/** A row of frames by instant: out of which host each went, and at which vNIC it was heard, once either is so. */
class Row {
  frames = new Int32Array(512)
  readonly exits: (string | undefined)[] = []
  readonly nics: (string | undefined)[] = []
  count = 0
  #told = 0

  add(frame: FrameHandle): number {
    if (this.count === this.frames.length) {
      const larger = new Int32Array(2 * this.count)
      larger.set(this.frames)
      this.frames = larger
    }
    this.frames[this.count] = frame
    this.exits[this.count] = undefined
    this.nics[this.count] = undefined
    return this.count++
  }

  /** The place of the first that was heard and not told of; -1 where there is none. */
  first(): number {
    while (this.#told < this.count && this.nics[this.#told] === undefined) this.#told++
    return this.#told < this.count ? this.#told : -1
  }

  shift(): void {
    this.#told++
  }

  clear(): void {
    this.count = 0
    this.#told = 0
  }
}

export class Company {
  readonly #arena: FrameArena
  readonly #heard: (nic: string, frame: FrameHandle) => void
  /** Frames that guests have sent together, and frames that have come to hosts since. */
  readonly #sent = new Row()
  readonly #arrived = new Row()
  /** The one whose frames are at hosts now. */
  #row = this.#sent
  /** Of those sent, the first that has not left its host. */
  #leaving = Infinity
  /** By frame handle: its place in the row that it was in last. */
  #places = new Int32Array(1024)

  constructor(arena: FrameArena, heard: (nic: string, frame: FrameHandle) => void) {
    this.#arena = arena
    this.#heard = heard
  }

  /** A guest sends the frame, which is the next by instant. */
  send(frame: FrameHandle): void {
    this.#join(this.#sent, frame)
  }

  /** The frame has come to a host, as the next by instant. */
  arrive(frame: FrameHandle): void {
    this.#join(this.#arrived, frame)
  }

  /** A frame goes out of a host. */
  leave(host: string, frame: FrameHandle): void {
    this.#row.exits[this.#places[frame]!] = host
  }

  /** The frame is heard at the vNIC. */
  hear(nic: string, frame: FrameHandle): void {
    this.#row.nics[this.#places[frame]!] = nic
  }

  /** Out of which host the frame in this place of those sent has gone, if out of any. */
  exitOf(place: number): string | undefined {
    return this.#sent.exits[place]
  }

  /** The frame in this place of those sent leaves its host now; Infinity: none does. */
  set leaving(place: number) {
    this.#leaving = place
  }

  /** Tells of all that were heard up to this instant, and before the next leaves. At one instant, those that no link has carried come first. */
  tell(until: Nanoseconds): void {
    const { instant } = this.#arena
    for (;;) {
      const [sent, arrived] = [this.#sent.first(), this.#arrived.first()]
      const sentAt = sent < 0 || sent > this.#leaving ? Infinity : instant[this.#sent.frames[sent]!]!
      const arrivedAt = arrived < 0 ? Infinity : instant[this.#arrived.frames[arrived]!]!
      const at = Math.min(sentAt, arrivedAt)
      if (at > until || at === Infinity) break
      if (sentAt <= arrivedAt) this.#tellOf(this.#sent, sent)
      else this.#tellOf(this.#arrived, arrived)
    }
    for (const row of [this.#sent, this.#arrived]) if (row.first() < 0) row.clear()
  }

  #tellOf(row: Row, place: number): void {
    row.shift()
    this.#heard(row.nics[place]!, row.frames[place]!)
  }

  #join(row: Row, frame: FrameHandle): void {
    if (frame >= this.#places.length) {
      const larger = new Int32Array(2 * frame)
      larger.set(this.#places)
      this.#places = larger
    }
    this.#row = row
    this.#places[frame] = row.add(frame)
  }
}
