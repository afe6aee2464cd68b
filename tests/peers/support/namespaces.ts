// Network namespaces of Linux, each with a stack of its own. They need root and the Debian package iproute2.

import type { ChildProcess } from 'node:child_process'
import { execFile, execFileSync, spawn } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Why this process can make no namespaces; undefined where it can. */
export function namespacesRefused(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root'
  try {
    execFileSync('ip', ['-V'], { stdio: 'ignore' })
    return undefined
  } catch {
    return 'needs the Debian package iproute2'
  }
}

let made = 0

export class Namespace {
  readonly name: string
  readonly #children: ChildProcess[] = []

  private constructor(name: string) {
    this.name = name
  }

  /** With its loopback up. */
  static async create(purpose: string): Promise<Namespace> {
    const namespace = new Namespace(`sb${process.pid}-${++made}-${purpose}`)
    await run('ip', ['netns', 'add', namespace.name])
    await namespace.ip('link', 'set', 'lo', 'up')
    return namespace
  }

  /** `ip` in here. */
  async ip(...words: string[]): Promise<string> {
    return (await run('ip', ['-n', this.name, ...words])).stdout
  }

  /** Runs a command in here and gives what it prints. Rejects where it fails. */
  async run(...words: string[]): Promise<string> {
    return (await run('ip', ['netns', 'exec', this.name, ...words])).stdout
  }

  /** Starts a command in here, which ends with the namespace at the latest. */
  start(...words: string[]): ChildProcess {
    return this.#start('ignore', words)
  }

  /** The same of a command that reads what is written to it. */
  converse(...words: string[]): ChildProcess {
    return this.#start('pipe', words)
  }

  #start(input: 'ignore' | 'pipe', words: string[]): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.name, ...words], { stdio: [input, 'pipe', 'pipe'] })
    this.#children.push(child)
    return child
  }

  /** Gives an interface in here addresses, and sets it up. */
  async configure(device: string, ...addresses: string[]): Promise<void> {
    for (const address of addresses) {
      const quick = address.includes(':') ? ['nodad'] : []
      await this.ip('address', 'add', address, 'dev', device, ...quick)
    }
    await this.ip('link', 'set', device, 'up')
  }

  /** With all that runs in here, also what commands have started themselves. */
  async remove(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL')
    const { stdout } = await run('ip', ['netns', 'pids', this.name])
    for (const id of stdout.split('\n').filter((line) => line !== '')) endNow(Number(id))
    await run('ip', ['netns', 'delete', this.name])
  }
}

function endNow(id: number): void {
  try {
    process.kill(id, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}
