import type { FrameBatch } from './frame-batch.ts'

/** The record a parser could not read yet. */
export interface AwaitedRecord {
  /** For messages to people: 'frame 17'. */
  what: string
  /** How many bytes of it must be there before it is worth trying again. */
  size: number
}

/** Turns bytes of one capture format into frames. Keeps no bytes: whoever feeds it does. */
export interface CaptureParser {
  readonly framesRead: number

  /** True of the record that `parse` stopped at. */
  readonly awaited: AwaitedRecord

  /**
   * Appends to `frames`, which stand in `bytes`, those of all whole records from `at` on. Returns where the first record begins that
   * is not whole. `offset` is the place of `bytes[0]` in the file.
   * @throws CaptureDamaged after the frames before the damage are in `frames`.
   */
  parse(bytes: Uint8Array, at: number, offset: number, frames: FrameBatch): number
}
