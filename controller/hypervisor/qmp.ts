// QEMU's Machine Protocol (QEMU docs/interop/qmp-spec.rst): JSON objects, a line each. Every command has its answer; in between come events.

import { StringDecoder } from 'node:string_decoder'
import type { Clock, Nanoseconds, Timer } from '../../runtime/clock.ts'
import { SECOND } from '../../runtime/clock.ts'
import type { Channel } from '../../runtime/transport.ts'

/** Characters; QEMU's answers to what is asked here have some hundreds. */
const LONGEST_LINE = 1 << 20
/** Characters of a line that nobody understands, for people. */
const SHOWN = 80

interface Pending {
  resolve: (value: unknown) => void
  reject: (error: Error) => void
  /** For when there is no answer. */
  timer: Timer
}

/** How long a command may take. */
export interface Limit {
  clock: Clock
  patience: Nanoseconds
}

/** What is said by whoever is there, so nothing of it is certain. */
interface Line {
  QMP?: unknown
  event?: unknown
  return?: unknown
  error?: { desc?: unknown } | null
  id?: number
}

export class Qmp {
  readonly #channel: Channel
  readonly #limit: Limit
  readonly #decoder = new StringDecoder('utf8')
  readonly #pending = new Map<number, Pending>()
  #text = ''
  #lastId = 0
  #closed = false
  #why = 'has hung up'
  #greeted!: () => void
  #wakeUp: () => void = () => {}
  #news: Promise<void>

  private constructor(channel: Channel, limit: Limit, greeted: () => void) {
    this.#channel = channel
    this.#limit = limit
    this.#greeted = greeted
    this.#news = this.#nextNews()
    channel.onData = (bytes) => this.#receive(bytes)
    channel.onClose = () => this.#end()
  }

  /** Greets QEMU on a channel that was just given out. Rejects where it hangs up; where another speaks with it, it says nothing for long. */
  static async greet(channel: Channel, limit: Limit): Promise<Qmp> {
    const qmp = await new Promise<Qmp>((resolve, reject) => {
      const made: Qmp = new Qmp(channel, limit, () => resolve(made))
      const ended = channel.onClose
      channel.onClose = () => {
        ended()
        reject(made.#gone())
      }
    })
    await qmp.execute('qmp_capabilities')
    return qmp
  }

  /** What QEMU answers. Rejects with its own words where it refuses, and hangs up where it does not answer in time. */
  execute(command: string, given: object = {}): Promise<unknown> {
    if (this.#closed) return Promise.reject(this.#gone())
    const id = ++this.#lastId
    this.#channel.send(Buffer.from(`${JSON.stringify({ execute: command, arguments: given, id })}\n`))
    const { clock, patience } = this.#limit
    return new Promise((resolve, reject) => {
      const late = () => this.#hangUp(`has not answered ${command} within ${patience / SECOND} s`)
      const timer = clock.scheduleAsync(clock.now() + patience, late)
      this.#pending.set(id, { resolve, reject, timer })
    })
  }

  /** Resolves with the next event, or when the connection ends. */
  get news(): Promise<void> {
    return this.#news
  }

  close(): void {
    this.#channel.close()
    this.#end()
  }

  #hangUp(why: string): void {
    if (!this.#closed) this.#why = why
    this.close()
  }

  #receive(bytes: Uint8Array): void {
    const lines = (this.#text + this.#decoder.write(Buffer.from(bytes))).split('\n')
    this.#text = lines.pop()!
    if (this.#text.length > LONGEST_LINE) return this.#hangUp('has said a line that has no end')
    for (const line of lines) if (line.trim() !== '' && !this.#closed) this.#take(line)
  }

  #take(text: string): void {
    const line = parseLine(text)
    if (line === undefined) return this.#hangUp(`has said what is no object of QMP: ${text.slice(0, SHOWN)}`)
    if ('QMP' in line) return this.#greeted()
    if ('event' in line) return this.#announce()
    const pending = this.#pending.get(line.id ?? 0)
    this.#pending.delete(line.id ?? 0)
    pending?.timer.cancel()
    if (!('error' in line)) return pending?.resolve(line.return)
    const why = line.error?.desc
    const told = typeof why === 'string' ? why : 'it refuses, and does not say why'
    pending?.reject(new Error(`QEMU at ${this.#channel.peer}: ${told}`))
  }

  #announce(): void {
    const wakeUp = this.#wakeUp
    this.#news = this.#nextNews()
    wakeUp()
  }

  #nextNews(): Promise<void> {
    return new Promise((resolve) => {
      this.#wakeUp = resolve
    })
  }

  #end(): void {
    this.#closed = true
    for (const { reject, timer } of this.#pending.values()) {
      timer.cancel()
      reject(this.#gone())
    }
    this.#pending.clear()
    this.#wakeUp()
  }

  #gone(): Error {
    return new Error(`QEMU at ${this.#channel.peer} ${this.#why}`)
  }
}

/** Undefined where it is none. */
function parseLine(text: string): Line | undefined {
  try {
    const line: unknown = JSON.parse(text)
    return typeof line === 'object' && line !== null && !Array.isArray(line) ? line : undefined
  } catch {
    return undefined
  }
}
