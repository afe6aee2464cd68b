// Other people's controllers as processes of their own, listening on a port of the loopback.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { accessSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const LEARNING_SWITCH = fileURLToPath(new URL('osken_learning_switch.py', import.meta.url))

export function isInstalled(command: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, command))
      return true
    } catch {
      return false
    }
  })
}

export class ForeignController {
  readonly port: number
  readonly #process: ChildProcess
  #log = ''

  private constructor(port: number, command: string, args: readonly string[]) {
    this.port = port
    this.#process = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, LC_ALL: 'C' } })
    for (const stream of [this.#process.stdout, this.#process.stderr])
      stream?.on('data', (text: Buffer) => (this.#log += text.toString()))
  }

  /** `ovs-testcontroller` with `options`, listening by `method`. */
  static async ovs(options: readonly string[] = [], method: 'ptcp' | 'pssl' = 'ptcp'): Promise<ForeignController> {
    const port = await freePort()
    // A control socket of its own, and nobody else's run directory.
    const own = ['--unixctl=none', ...options, `${method}:${port}:127.0.0.1`]
    return new ForeignController(port, 'ovs-testcontroller', own)
  }

  /** A learning switch on os-ken; needs the Debian package python3-os-ken. */
  static async osKen(): Promise<ForeignController> {
    const port = await freePort()
    const words = ['--ofp-listen-host', '127.0.0.1', '--ofp-tcp-listen-port', String(port), LEARNING_SWITCH]
    return new ForeignController(port, 'osken-manager', words)
  }

  /** Ends it; gives what it printed. */
  async stop(): Promise<string> {
    const { exitCode, signalCode } = this.#process
    if (exitCode === null && signalCode === null) {
      const end = new Promise((resolve) => this.#process.once('close', resolve))
      this.#process.kill('SIGTERM')
      await end
    }
    return this.#log
  }
}

/** One that nobody listens on just now. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
