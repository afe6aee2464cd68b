// QEMU's Machine Protocol (QEMU docs/interop/qmp-spec.rst): JSON objects, a line each. Every command has its answer; in between come events.

import { StringDecoder } from 'node:string_decoder'
import type { Channel } from '../../runtime/transport.ts'

/** Characters; QEMU's answers to what is asked here have some hundreds. */
const LONGEST_LINE = 1 << 20

interface Pending {
  resolve: (value: unknown) => void
  reject: (error: Error) => void
}

type Line =
  | { QMP: object }
  | { return: unknown; id?: number }
  | { error: { class: string; desc: string }; id?: number }
  | { event: string }

export class Qmp {
  readonly #channel: Channel
  readonly #decoder = new StringDecoder('utf8')
  readonly #pending = new Map<number, Pending>()
  #text = ''
  #lastId = 0
  #closed = false
  #greeted!: () => void
  #wakeUp: () => void = () => {}
  #news: Promise<void>

  private constructor(channel: Channel, greeted: () => void) {
    this.#channel = channel
    this.#greeted = greeted
    this.#news = this.#nextNews()
    channel.onData = (bytes) => this.#receive(bytes)
    channel.onClose = () => this.#end()
  }

  /** Greets QEMU on a channel that was just given out. Rejects where it hangs up; where another speaks with it, it says nothing for long. */
  static async greet(channel: Channel): Promise<Qmp> {
    const qmp = await new Promise<Qmp>((resolve, reject) => {
      const made: Qmp = new Qmp(channel, () => resolve(made))
      const ended = channel.onClose
      channel.onClose = () => {
        ended()
        reject(made.#gone())
      }
    })
    await qmp.execute('qmp_capabilities')
    return qmp
  }

  /** What QEMU answers. Rejects with its own words where it refuses. */
  execute(command: string, given: object = {}): Promise<unknown> {
    if (this.#closed) return Promise.reject(this.#gone())
    const id = ++this.#lastId
    this.#channel.send(Buffer.from(`${JSON.stringify({ execute: command, arguments: given, id })}\n`))
    return new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject }))
  }

  /** Resolves with the next event, or when the connection ends. */
  get news(): Promise<void> {
    return this.#news
  }

  close(): void {
    this.#channel.close()
    this.#end()
  }

  #receive(bytes: Uint8Array): void {
    const lines = (this.#text + this.#decoder.write(Buffer.from(bytes))).split('\n')
    this.#text = lines.pop()!
    if (this.#text.length > LONGEST_LINE) return this.close()
    for (const line of lines) if (line.trim() !== '') this.#take(line)
  }

  #take(text: string): void {
    let line: Line
    try {
      line = JSON.parse(text) as Line
    } catch {
      return this.close()
    }
    if ('QMP' in line) this.#greeted()
    else if ('event' in line) this.#announce()
    else {
      const pending = this.#pending.get(line.id ?? 0)
      this.#pending.delete(line.id ?? 0)
      if ('error' in line) pending?.reject(new Error(`QEMU at ${this.#channel.peer}: ${line.error.desc}`))
      else pending?.resolve(line.return)
    }
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
    for (const { reject } of this.#pending.values()) reject(this.#gone())
    this.#pending.clear()
    this.#wakeUp()
  }

  #gone(): Error {
    return new Error(`QEMU at ${this.#channel.peer} has hung up`)
  }
}
