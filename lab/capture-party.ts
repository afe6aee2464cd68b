// Frames of a capture, as far as they may go in company: mapped and recognised by kind, without an object for each.

import { viewOf } from '../protocols/bytes.ts'
import { LINK_TYPE_ETHERNET, type FrameBatch } from '../protocols/capture/capture.ts'
import { MAX_FRAME_LENGTH } from '../datapath/frames.ts'
import type { Nanoseconds } from '../runtime/clock.ts'
import type { FeedParty } from './capture-feed.ts'
import type { Entry, Mapper } from './frame-map.ts'
import type { Judge } from './judge/judge.ts'
import type { Seen } from './judge/sight-book.ts'
import type { Block } from './judge/steady-frames.ts'
import type { Party } from './party.ts'
import { untagged } from './untagged.ts'

export interface CapturePartyOptions {
  judge: Judge
  party: Party
  mapper: Mapper
  /** The capture's name. */
  source: string
  /** So many frames go in. */
  entered(count: number): void
}

export class CaptureParty implements FeedParty {
  readonly #options: CapturePartyOptions
  readonly #judge: Judge
  readonly #party: Party
  #block: Block

  constructor(options: CapturePartyOptions) {
    this.#options = options
    this.#judge = options.judge
    this.#party = options.party
    this.#block = blockOf(options.source, new Uint8Array(0))
  }

  get size(): number {
    return this.#party.size
  }

  get isFull(): boolean {
    return this.#party.isFull
  }

  take(batch: FrameBatch, index: number, at: Nanoseconds): boolean {
    const length = batch.lengths[index]!
    if (batch.interfaces[index]!.linkType !== LINK_TYPE_ETHERNET || length > MAX_FRAME_LENGTH) return false
    if (this.#block.bytes !== batch.bytes) this.#block = blockOf(this.#block.source, batch.bytes)
    const start = batch.starts[index]!
    const seen = this.#judge.look(batch.bytes, start, start + length)
    if (seen === undefined) return false
    const number = batch.firstNumber + index
    const { steady } = seen
    if (steady === undefined || steady.mapper !== this.#options.mapper) return this.#map(seen, batch, index, at)
    return this.#takeSeen(seen, steady.nic, this.#block, number, start, start + length, at)
  }

  setOut(until: Nanoseconds): void {
    this.#options.entered(this.#party.size)
    this.#party.setOut(until)
  }

  #map(seen: Seen, batch: FrameBatch, index: number, at: Nanoseconds): boolean {
    const { mapper } = this.#options
    const entry = this.#entryOf(seen, batch, index)
    if ('unmapped' in entry) return false
    const number = batch.firstNumber + index
    if (entry.untag) return this.#takeUntagged(entry.nic, batch.frame(index).bytes, number, at)
    if (mapper.by === 'kind' && seen.steady?.nic === entry.nic) seen.steady.mapper = mapper
    const start = batch.starts[index]!
    return this.#takeSeen(seen, entry.nic, this.#block, number, start, start + batch.lengths[index]!, at)
  }

  #entryOf(seen: Seen, batch: FrameBatch, index: number): Entry {
    const { mapper } = this.#options
    if (mapper.by !== 'kind') return mapper.entryOf(batch.frame(index))
    if (seen.mapper === mapper && seen.entry !== undefined) return seen.entry
    seen.mapper = mapper
    return (seen.entry = mapper.entryOf(batch.frame(index)))
  }

  #takeUntagged(nic: string, tagged: Uint8Array, number: number, at: Nanoseconds): boolean {
    const block = blockOf(this.#block.source, untagged(tagged))
    const end = block.bytes.length
    const seen = this.#judge.look(block.bytes, 0, end)
    return seen !== undefined && this.#takeSeen(seen, nic, block, number, 0, end, at)
  }

  #takeSeen(
    seen: Seen,
    nic: string,
    block: Block,
    number: number,
    start: number,
    end: number,
    at: Nanoseconds,
  ): boolean {
    const kind = this.#judge.steadyKindOf(seen, nic)
    if (kind === undefined) return false
    this.#party.take(kind, block, number, start, end, at)
    return true
  }
}

const blockOf = (source: string, bytes: Uint8Array): Block => ({ source, bytes, view: viewOf(bytes) })
