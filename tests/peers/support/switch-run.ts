// `signalbox switch run` as a process of its own, with the test at the other end of its ports, and real tools that speak to it.

import { execFile } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { type Ended, ended, firstLine, startCli } from '../../support/run-cli.ts'

const run = promisify(execFile)
const HOST = '127.0.0.1'

interface Announcement {
  listen: string[]
  ports: { number: number; name: string; wire: string }[]
}

export interface RunOptions {
  /** How many ports, numbered from 1 and named p1, p2, …; or the attributes of each, as `tag=5`. */
  ports: number | string[]
  /** More words for `switch run`. */
  words?: string[]
}

export class RunningSwitch {
  /** Where it can be dialled, in the order of its listeners: `tcp:127.0.0.1:PORT` first. */
  readonly targets: string[]
  readonly #process: ChildProcess
  readonly #end: Promise<Ended>
  readonly #sockets: Socket[]
  readonly #addresses: { host: string; port: number }[]
  /** What it has written to standard error so far. */
  said = ''
  #received: string[] = []

  private constructor(process: ChildProcess, end: Promise<Ended>, sockets: Socket[], said: Announcement) {
    const { listen, ports } = said
    this.#process = process
    this.#end = end
    this.targets = listen.map((place) =>
      place.replace(/^p(tcp|ssl):(\d+).*$/, `$1:${HOST}:$2`).replace(/^punix/, 'unix'),
    )
    process.stderr?.on('data', (text: Buffer) => (this.said += text.toString()))
    this.#sockets = sockets
    this.#addresses = ports.map(({ wire }) => ({ host: HOST, port: Number(/:(\d+),/.exec(wire)?.[1]) }))
    sockets.forEach((socket, index) => {
      socket.on('message', (bytes) => this.#received.push(`${index + 1}: ${bytes.toString('hex')}`))
    })
  }

  /** `tcp:127.0.0.1:PORT`. */
  get target(): string {
    return this.targets[0]!
  }

  static async start({ ports, words = [] }: RunOptions): Promise<RunningSwitch> {
    const attributes = typeof ports === 'number' ? Array.from({ length: ports }, () => '') : ports
    const sockets = await Promise.all(attributes.map(() => boundSocket()))
    const given = attributes.flatMap((text, index) => ['--port', portWord(index + 1, sockets[index]!, text)])
    const child = startCli('switch', 'run', '--json', '--listen', `ptcp:0:${HOST}`, ...given, ...words)
    const end = ended(child)
    return new RunningSwitch(child, end, sockets, JSON.parse(await firstLine(child)) as Announcement)
  }

  /** Runs `ovs-ofctl -O OpenFlow13 VERB TARGET …` and gives what it prints. Rejects where it fails. */
  async ofctl(verb: string, ...words: string[]): Promise<string> {
    const options = words.filter((word) => word.startsWith('--'))
    const rest = words.filter((word) => !word.startsWith('--'))
    const args = ['-O', 'OpenFlow13', '--timeout=20', ...options, verb, this.target, ...rest]
    const { stdout } = await run('ovs-ofctl', args, { maxBuffer: 1 << 26 })
    return stdout
  }

  /** What `ovs-ofctl` says where it fails. */
  async ofctlError(verb: string, ...words: string[]): Promise<string> {
    try {
      await this.ofctl(verb, ...words)
    } catch (error) {
      return String((error as { stderr?: string }).stderr ?? error)
    }
    throw new Error(`ovs-ofctl ${verb} ${words.join(' ')} did not fail`)
  }

  /** Lets a frame come in at the port, 1 being the first. */
  send(port: number, bytes: Uint8Array): Promise<void> {
    const { host, port: to } = this.#addresses[port - 1]!
    return new Promise((resolve, reject) => {
      this.#sockets[port - 1]!.send(bytes, to, host, (error) => (error ? reject(error) : resolve()))
    })
  }

  /** What left since it was last asked, `2: 0102…` for a copy through port 2; waits until there are `count`. */
  async received(count: number): Promise<string[]> {
    for (let wait = 0; wait < 200 && this.#received.length < count; wait++)
      await new Promise((resolve) => setTimeout(resolve, 10))
    const taken = this.#received
    this.#received = []
    return taken
  }

  /** Forgets what left until nothing has for a while. */
  async drain(): Promise<void> {
    do {
      this.#received = []
      await new Promise((resolve) => setTimeout(resolve, 200))
    } while (this.#received.length > 0)
  }

  /** Ends the process; gives what it wrote to standard error. */
  async stop(): Promise<string> {
    this.#process.kill('SIGTERM')
    for (const socket of this.#sockets.splice(0)) socket.close()
    return (await this.#end).stderr
  }
}

async function boundSocket(): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.bind(0, HOST)
  await once(socket, 'listening')
  return socket
}

function portWord(number: number, socket: Socket, attributes: string): string {
  const word = `p${number}@${number}=dgram:${HOST}:0,${HOST}:${socket.address().port}`
  return attributes === '' ? word : `${word};${attributes}`
}
