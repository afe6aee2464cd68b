// `signalbox switch run` with wires to the world, as a process of its own, in a namespace or not.

import type { ChildProcess } from 'node:child_process'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Ended, ended, firstLine, startCliIn } from '../../support/run-cli.ts'
import type { Namespace } from './namespaces.ts'

const run = promisify(execFile)

export interface AttachedOptions {
  /** `NAME@NUMBER=WIRE`; a `FOLDER` in it is one that the switch has for itself. */
  ports: string[]
  /** Flows in the syntax of ovs-ofctl; without any, the switch forwards as a learning switch. */
  flows?: string[]
  /** Where it runs. */
  namespace?: Namespace
}

export class AttachedSwitch {
  readonly folder: string
  /** The wires of its ports, ports of sockets chosen, in the order given. */
  readonly wires: string[]
  readonly #process: ChildProcess
  readonly #end: Promise<Ended>

  private constructor(folder: string, child: ChildProcess, end: Promise<Ended>, wires: string[]) {
    this.folder = folder
    this.#process = child
    this.#end = end
    this.wires = wires
  }

  static async start({ ports, flows, namespace }: AttachedOptions): Promise<AttachedSwitch> {
    const folder = mkdtempSync(join(tmpdir(), 'signalbox-attach-'))
    const given = ports.flatMap((port) => ['--port', port.replaceAll('FOLDER', folder)])
    const words = ['--fail-mode', flows === undefined ? 'standalone' : 'secure', ...given]
    const child = startCliIn(namespace?.name, 'switch', 'run', '--json', '--listen', `punix:${folder}/of`, ...words)
    const end = ended(child)
    try {
      const said = JSON.parse(await firstLine(child)) as { ports: { wire: string }[] }
      const wires = said.ports.map(({ wire }) => wire)
      const device = new AttachedSwitch(folder, child, end, wires)
      for (const flow of flows ?? []) await device.ofctl('add-flow', flow)
      return device
    } catch (error) {
      throw new Error((await end).stderr, { cause: error })
    }
  }

  /** `ovs-ofctl -O OpenFlow13 VERB SWITCH …`, and what it prints. */
  async ofctl(verb: string, ...words: string[]): Promise<string> {
    return (await run('ovs-ofctl', ['-O', 'OpenFlow13', verb, `unix:${this.folder}/of`, ...words])).stdout
  }

  /** Waits until the ports of these numbers have a link, or have none. */
  async linked(numbers: readonly number[], up = true): Promise<void> {
    for (let wait = 0; wait < 600; wait++) {
      const shown = await this.ofctl('show')
      const isUp = (number: number) => new RegExp(`^ ${number}\\(.*\\n.*\\n +state: +LIVE`, 'm').test(shown)
      if (numbers.every((number) => isUp(number) === up)) return
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    throw new Error(`ports ${numbers.join()} did not come ${up ? 'up' : 'down'}:\n${await this.ofctl('show')}`)
  }

  /** Ends the process; gives what it wrote to standard error. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<string> {
    this.#process.kill(signal)
    const { stderr } = await this.#end
    rmSync(this.folder, { recursive: true, force: true })
    return stderr
  }
}
