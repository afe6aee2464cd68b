// Processes that run schedules beside each other. Each reads the scenario's captures, and warms up, on its own; which of them a
// seed falls to makes no difference to what comes of it.

import { fork, type ChildProcess } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Profile } from './draw.ts'
import type { Found, Ran, Runner } from './explore.ts'

const MODULE = fileURLToPath(new URL(`./worker${extname(import.meta.url)}`, import.meta.url))

/** Schedules are long chains of short calls, few of which are hot: code is compiled at once, and young objects have room. */
const FLAGS = ['--always-sparkplug', '--max-semi-space-size=32']

/** What a worker is told first: all that it needs to know. */
export interface Beginning {
  profile: Profile
}

export interface Question {
  ask: 'run' | 'shorten'
  seed: number
}

export type Answer = { found: Ran | Found } | { error: string }

export class Workers {
  readonly #workers: Worker[]

  constructor(count: number, profile: Profile) {
    this.#workers = Array.from({ length: count }, () => new Worker(profile))
  }

  get runners(): readonly Runner[] {
    return this.#workers
  }

  close(): void {
    for (const worker of this.#workers) worker.close()
  }
}

class Worker implements Runner {
  readonly #child: ChildProcess
  /** Who waits for an answer. */
  #waiting: { resolve: (found: Ran | Found) => void; reject: (error: Error) => void } | undefined
  #failure: Error | undefined

  constructor(profile: Profile) {
    const execArgv = [...process.execArgv, ...FLAGS]
    this.#child = fork(MODULE, [], { execArgv, serialization: 'advanced' })
    this.#child.on('message', (answer: Answer) => this.#answered(answer))
    this.#child.on('error', (error) => this.#fail(error))
    this.#child.on('exit', (code, signal) =>
      this.#fail(new Error(`a process that runs schedules has ended with ${code ?? signal}`)),
    )
    this.#child.send({ profile } satisfies Beginning)
  }

  run(seed: number): Promise<Ran> {
    return this.#ask({ ask: 'run', seed }) as Promise<Ran>
  }

  shorten(seed: number): Promise<Found> {
    return this.#ask({ ask: 'shorten', seed }) as Promise<Found>
  }

  /** It ends once it hears of it. */
  close(): void {
    this.#waiting = undefined
    if (this.#child.connected) this.#child.disconnect()
  }

  #ask(question: Question): Promise<Ran | Found> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#child.send(question)
    })
  }

  #answered(answer: Answer): void {
    if ('error' in answer) this.#waiting?.reject(new Error(answer.error))
    else this.#waiting?.resolve(answer.found)
  }

  #fail(error: Error): void {
    this.#failure = error
    this.#waiting?.reject(error)
  }
}
