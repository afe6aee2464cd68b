import { SingleBar } from 'cli-progress'

/** The bar's own unit. */
const WHOLE = 1000

/** A line on a terminal: how much is done, how fast, and how long it will take yet; nothing in a pipe. */
export class FrameProgress {
  readonly #bar: SingleBar | undefined
  #startedAt: number | undefined

  constructor(stream: NodeJS.WriteStream, wanted: boolean) {
    if (wanted && stream.isTTY) {
      this.#bar = new SingleBar({
        format: '{bar} {percentage}% | {frames} frames, {rate} frames/s | {eta_formatted} left',
        stream,
        clearOnComplete: true,
        hideCursor: true,
        etaBuffer: 200,
      })
    }
  }

  /** So many frames have gone in; `share` of all, from 0 to 1. */
  update(frames: number, share: number): void {
    if (this.#bar === undefined) return
    const now = performance.now()
    if (this.#startedAt === undefined) {
      this.#startedAt = now
      this.#bar.start(WHOLE, 0, { frames: 0, rate: 0 })
    }
    const seconds = (now - this.#startedAt) / 1000
    const rate = seconds === 0 ? 0 : Math.round(frames / seconds)
    this.#bar.update(share * WHOLE, { frames: frames.toLocaleString('en'), rate: rate.toLocaleString('en') })
  }

  /** Leaves no trace on the terminal. */
  stop(): void {
    if (this.#startedAt !== undefined) this.#bar?.stop()
  }
}
