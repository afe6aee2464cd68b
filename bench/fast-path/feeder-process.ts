// The parent's end of a feeder: a process with our switch in it, run as the package's command runs (compiled JavaScript, Node without
// flags but the one that lets it ask for a collection), on one core.

import { fork, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Conditions } from '../bench.ts'
import type { Question } from './feeder.ts'

const MODULE = fileURLToPath(new URL(`./feeder${extname(import.meta.url)}`, import.meta.url))

export class FeederProcess {
  readonly #child: ChildProcess

  constructor(pipeline: string, { cores, signal }: Conditions) {
    const pinned = canPin() ? ['taskset', '-c', String(cores.measured)] : []
    const [command, ...words] = [...pinned, process.execPath, '--expose-gc']
    this.#child = fork(MODULE, [pipeline], { execPath: command, execArgv: words, signal })
    this.#child.on('error', () => {})
  }

  /** @throws where it ends in the place of an answer; it has said why. */
  async ask(question: Question): Promise<number[]> {
    const ended = new AbortController()
    try {
      this.#child.send(question)
      const answer = once(this.#child, 'message', { signal: ended.signal }).then(([numbers]) => numbers as number[])
      const end = once(this.#child, 'exit', { signal: ended.signal }).then(() => {
        throw new Error('our switch has ended before it was asked to')
      })
      return await Promise.race([answer, end])
    } finally {
      ended.abort()
    }
  }

  stop(): void {
    if (this.#child.connected) this.#child.disconnect()
  }
}

const canPin = () => spawnSync('taskset', ['--version']).status === 0
