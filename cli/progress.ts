import { SingleBar } from 'cli-progress'

/** A line on a terminal that counts frames; nothing in a pipe. */
export class FrameProgress {
  readonly #bar: SingleBar | undefined
  #started = false

  constructor(stream: NodeJS.WriteStream, wanted: boolean) {
    if (wanted && stream.isTTY) {
      this.#bar = new SingleBar({
        format: '{value} frames, {duration_formatted}',
        stream,
        clearOnComplete: true,
        hideCursor: true,
      })
    }
  }

  update(frames: number): void {
    if (this.#bar === undefined) return
    if (!this.#started) this.#bar.start(0, 0)
    this.#started = true
    this.#bar.update(frames)
  }

  /** Leaves no trace on the terminal. */
  stop(): void {
    if (this.#started) this.#bar?.stop()
  }
}
