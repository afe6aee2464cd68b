// As much of QEMU as a migration asks of: two of them, of which one has the guest and the other waits for it. What is said of them
// here was tried with QEMU 7.2.

import type { Clock } from '../../runtime/clock.ts'
import { MILLISECOND } from '../../runtime/clock.ts'
import type { Channel } from '../../runtime/transport.ts'
import { memoryChannelPair } from '../../runtime/transport.ts'

interface Command {
  execute: string
  arguments: Record<string, unknown>
  id: number
}

export class FakeQemu {
  /** Of the guest. */
  status: string
  /** Of what moves out. */
  migration = 'none'
  /** Where it waits for a guest. */
  readonly incoming: string | undefined
  /** Milliseconds that all but the last of the guest takes. */
  copying = 100
  /** How the last of it ends. */
  ending: 'completed' | 'failed' = 'completed'
  readonly commands: string[] = []
  /** Lines in place of the answers to some commands; nothing is said where one is empty. */
  readonly instead = new Map<string, string>()
  readonly #clock: Clock
  readonly #others: () => readonly FakeQemu[]
  readonly #monitors = new Set<Channel>()
  #target: FakeQemu | undefined

  constructor(clock: Clock, others: () => readonly FakeQemu[], incoming?: string) {
    this.#clock = clock
    this.#others = others
    this.incoming = incoming
    this.status = incoming === undefined ? 'running' : 'inmigrate'
  }

  dial(): Channel {
    const [near, far] = memoryChannelPair(this.#clock, { latency: 0, names: ['controller', 'qemu'] })
    this.#monitors.add(near)
    near.onData = (bytes) => {
      for (const line of Buffer.from(bytes).toString().split('\n'))
        if (line !== '') this.#answer(near, JSON.parse(line) as Command)
    }
    near.onClose = () => this.#monitors.delete(near)
    say(near, { QMP: { version: {}, capabilities: [] } })
    return far
  }

  #answer(monitor: Channel, { execute, arguments: given, id }: Command): void {
    if (!execute.startsWith('query') && execute !== 'qmp_capabilities') this.commands.push(execute)
    const line = this.instead.get(execute)
    if (line !== undefined) return line === '' ? undefined : monitor.send(Buffer.from(`${line}\r\n`))
    try {
      say(monitor, { return: this.#carryOut(execute, given), id })
    } catch (error) {
      say(monitor, { error: { class: 'GenericError', desc: (error as Error).message }, id })
    }
  }

  #carryOut(command: string, given: Record<string, unknown>): object {
    switch (command) {
      case 'query-status':
        return { status: this.status }
      case 'query-migrate':
        return { status: this.migration }
      case 'migrate':
        return this.#begin(given['uri'] as string)
      case 'migrate-continue':
        return this.#finish()
      case 'migrate_cancel':
        return this.#end('cancelled', 'running')
      case 'cont':
        this.status = 'running'
        return {}
      default:
        return {}
    }
  }

  #begin(uri: string): object {
    this.#target = this.#others().find(({ incoming }) => incoming === uri)
    if (this.#target === undefined) throw new Error(`Failed to connect to '${uri}'`)
    this.migration = 'active'
    this.#after(this.copying, () => {
      if (this.migration === 'active') this.#end('pre-switchover', 'finish-migrate')
    })
    return {}
  }

  #finish(): object {
    if (this.migration !== 'pre-switchover') throw new Error('Migration not in expected state: pre-switchover')
    this.migration = 'device'
    this.#after(1, () => {
      if (this.ending === 'failed') return this.#end('failed', 'running')
      this.#target!.#end('none', 'running')
      return this.#end('completed', 'postmigrate')
    })
    return {}
  }

  #end(migration: string, status: string): object {
    this.migration = migration
    this.status = status
    for (const monitor of this.#monitors) say(monitor, { event: 'MIGRATION', data: { status: migration } })
    return {}
  }

  #after(milliseconds: number, work: () => void): void {
    this.#clock.scheduleAsync(this.#clock.now() + milliseconds * MILLISECOND, work)
  }
}

const say = (monitor: Channel, what: object): void => monitor.send(Buffer.from(`${JSON.stringify(what)}\r\n`))
