// How far a topology has come on its way to the switches, for whoever waits for it.

import type { ChangeStatus } from '../controller/model.ts'
import type { ApiClient } from './client.ts'

/** Milliseconds from one look to the next. */
const PAUSE = 200

const EXIT_INTERRUPTED = 130

/**
 * A line that is rewritten on a terminal, one for each news elsewhere. Told to stop, the process says what goes on without it, as far
 * as it knows.
 */
export class ChangeProgress {
  readonly #client: ApiClient
  readonly #stream: NodeJS.WriteStream
  readonly #speaks: boolean
  readonly #plan: string
  #hasBegun = false
  #shown = ''
  #timer: NodeJS.Timeout | undefined
  readonly #onInterrupt = () => this.#interrupted()

  /** @param plan the tag of what is to be done: others may have changes of theirs under way */
  constructor(client: ApiClient, stream: NodeJS.WriteStream, speaks: boolean, plan: string) {
    this.#client = client
    this.#stream = stream
    this.#speaks = speaks
    this.#plan = plan
  }

  /** Until `change` has ended. */
  async during<T>(change: Promise<T>): Promise<T> {
    process.on('SIGINT', this.#onInterrupt)
    this.#lookLater()
    try {
      return await change
    } finally {
      clearTimeout(this.#timer)
      this.#timer = undefined
      process.off('SIGINT', this.#onInterrupt)
      if (this.#stream.isTTY) this.#write('')
    }
  }

  #lookLater(): void {
    this.#timer = setTimeout(() => void this.#look(), PAUSE)
  }

  async #look(): Promise<void> {
    // What goes wrong here goes wrong with the change itself, and is told there.
    const [change] = await this.#client.json<ChangeStatus[]>('GET', '/topology/change').catch(() => [])
    if (this.#timer === undefined) return
    if (change?.state === 'running' && change.plan === this.#plan) {
      this.#hasBegun = true
      this.#write(textOf(change))
    }
    this.#lookLater()
  }

  #write(text: string): void {
    if (text === this.#shown) return
    this.#shown = text
    if (this.#speaks) this.#stream.write(this.#stream.isTTY ? `\r${text}\u001B[K` : `${text}\n`)
  }

  #interrupted(): void {
    const far = this.#shown
    if (this.#speaks && this.#stream.isTTY) this.#write('')
    this.#stream.write(`signalbox: ${this.#hasBegun ? goesOn(far) : MAY_NOT_HAVE_BEGUN}\n`)
    process.exit(EXIT_INTERRUPTED)
  }
}

const goesOn = (far: string) =>
  `the change is made without this command, to its end (${far}); \`signalbox status\` shows which switches are not in sync yet`

/** It may not have been sent whole, wait behind another, or be refused when it is its turn. */
const MAY_NOT_HAVE_BEGUN =
  'the change may not have begun, and may yet; `signalbox apply --plan` with the same file shows what is left of it'

function textOf({ step, steps, stage, confirmed, switches }: ChangeStatus): string {
  const which = steps > 1 ? `step ${step} of ${steps}, ${stage}` : stage
  return `${which}: ${confirmed} of ${switches} ${switches === 1 ? 'switch has' : 'switches have'} confirmed`
}
