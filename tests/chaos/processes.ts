// `signalbox controller` and `signalbox host` as processes that may be killed at any instant and begin again.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync } from 'node:fs'
import { BUILT, isBuilt } from '../support/built.ts'

if (!isBuilt()) throw new Error('dist/ is not of the sources as they are: npm run prepare builds it')

export class Daemon {
  readonly name: string
  readonly #words: readonly string[]
  readonly #log: string
  #child: ChildProcess | undefined

  /** What it says goes to the file `log`. */
  constructor(name: string, words: readonly string[], log: string) {
    this.name = name
    this.#words = words
    this.#log = log
  }

  start(): void {
    const child = spawn(process.execPath, [BUILT, ...this.#words], { stdio: ['ignore', 'pipe', 'pipe'] })
    const note = (text: Buffer) => appendFileSync(this.#log, `${this.name}: ${text.toString()}`)
    child.stdout.on('data', note)
    child.stderr.on('data', note)
    this.#child = child
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  /** SIGKILL: it has no moment to put anything in order. */
  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
}
