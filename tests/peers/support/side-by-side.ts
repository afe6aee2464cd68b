// The same ovs-ofctl commands for a bridge of a real Open vSwitch and for `signalbox switch run`, with the ports 1 to 3, and what
// they print: without what no two switches have in common.

import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { daemonCommand } from './daemon-command.ts'
import type { Ovs } from './ovs.ts'
import { startOvs } from './ovs.ts'
import { RunningSwitch } from './switch-run.ts'

const PORTS = [1, 2, 3]
const BRIDGE = 'br0'
const FORGET = [['del-flows'], ['del-groups'], ['del-meters']]

export interface Said {
  ours: string
  theirs: string
}

export class SideBySide {
  readonly ours: RunningSwitch
  readonly theirs: Ovs
  readonly #directory = mkdtempSync(join(tmpdir(), 'signalbox-side-by-side-'))
  #files = 0

  private constructor(ours: RunningSwitch, theirs: Ovs) {
    this.ours = ours
    this.theirs = theirs
  }

  static async start(): Promise<SideBySide> {
    const theirs = await startOvs()
    await theirs.addBridge(BRIDGE)
    for (const port of PORTS) await theirs.addPort(BRIDGE, `p${port}`, port)
    return new SideBySide(await RunningSwitch.start({ ports: PORTS.length, words: ['--name', BRIDGE] }), theirs)
  }

  async stop(): Promise<void> {
    await Promise.all([this.ours.stop(), this.theirs.stop()])
    rmSync(this.#directory, { recursive: true, force: true })
  }

  /** Neither has flows, groups or meters any more. */
  async forget(): Promise<void> {
    for (const words of FORGET) await this.ofctl(words)
  }

  /**
   * What `ovs-ofctl -O OpenFlow13` prints of both, errors too, and how it ended. The first word is the verb; the target comes
   * behind it. A word that begins with `<` is the content of a file. Lines are sorted: order is nobody's promise, but with --sort.
   */
  async ofctl(words: readonly string[]): Promise<Said> {
    const [verb = '', ...rest] = words.map((word) => (word.startsWith('<') ? this.#file(word.slice(1)) : word))
    const targets = [this.ours.target, `unix:${this.theirs.bridge(BRIDGE)}`]
    const sorted = words.some((word) => /^--r?sort/.test(word))
    const [ours = '', theirs = ''] = await Promise.all(
      targets.map(async (target) => comparable(await said([verb, target, ...rest]), target, sorted)),
    )
    return { ours, theirs }
  }

  /** `ovs-ofctl monitor` of both. */
  async monitor(...words: string[]): Promise<Monitors> {
    const targets = [this.ours.target, `unix:${this.theirs.bridge(BRIDGE)}`]
    const [ours, theirs] = await Promise.all(
      targets.map((target) => Monitor.start(target, join(this.#directory, `monitor${++this.#files}`), words)),
    )
    return new Monitors(ours!, theirs!)
  }

  #file(content: string): string {
    const file = join(this.#directory, `file${++this.#files}`)
    writeFileSync(file, `${content}\n`)
    return file
  }
}

/** One `ovs-ofctl monitor`, which takes commands over a socket of its own (ovs-ofctl(8), Runtime Management Commands). */
class Monitor {
  readonly #process: ChildProcess
  readonly #target: string
  readonly #socket: string
  #printed = ''

  private constructor(target: string, socket: string, words: readonly string[]) {
    this.#target = target
    this.#socket = socket
    const args = ['-O', 'OpenFlow13', `--unixctl=${socket}`, 'monitor', target, ...words]
    this.#process = spawn('ovs-ofctl', args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, LC_ALL: 'C' },
    })
    for (const stream of [this.#process.stdout, this.#process.stderr])
      stream?.on('data', (text: Buffer) => (this.#printed += text.toString()))
  }

  static async start(target: string, socket: string, words: readonly string[]): Promise<Monitor> {
    const monitor = new Monitor(target, socket, words)
    for (let wait = 0; wait < 1000 && !(await monitor.#answers()); wait++)
      await new Promise((resolve) => setTimeout(resolve, 10))
    await monitor.command('ofctl/barrier')
    return monitor
  }

  /** Its socket is there a moment before it listens. */
  async #answers(): Promise<boolean> {
    try {
      await this.command('version')
      return true
    } catch {
      return false
    }
  }

  command(name: string, ...words: string[]): Promise<string> {
    return daemonCommand(this.#socket, name, ...words)
  }

  async stop(): Promise<string> {
    await this.command('ofctl/barrier')
    const end = new Promise((resolve) => this.#process.once('close', resolve))
    await this.command('exit')
    await end
    return comparable(this.#printed, this.#target, false)
  }
}

export class Monitors {
  readonly #ours: Monitor
  readonly #theirs: Monitor

  constructor(ours: Monitor, theirs: Monitor) {
    this.#ours = ours
    this.#theirs = theirs
  }

  /** Sends messages, and waits until they have been carried out. */
  async send(...messages: Uint8Array[]): Promise<void> {
    const words = messages.map((bytes) => Buffer.from(bytes).toString('hex'))
    for (const monitor of [this.#ours, this.#theirs]) {
      await monitor.command('ofctl/send', ...words)
      await monitor.command('ofctl/barrier')
    }
  }

  /** What they have printed. */
  async stop(): Promise<Said> {
    const [ours, theirs] = await Promise.all([this.#ours.stop(), this.#theirs.stop()])
    return { ours, theirs }
  }
}

/** Both streams, and the exit code. */
function said(words: readonly string[]): Promise<string> {
  const args = ['-O', 'OpenFlow13', '--timeout=20', ...words]
  return new Promise((resolve) => {
    execFile('ovs-ofctl', args, { maxBuffer: 1 << 26, env: { ...process.env, LC_ALL: 'C' } }, (error, stdout, stderr) =>
      resolve(`${stdout}${stderr}exit ${error === null ? 0 : error.code}\n`),
    )
  })
}

/** What differs from run to run, or from one machine to the next. */
const VOLATILE: readonly [RegExp, string][] = [
  [/duration=[\d.]+s/g, 'duration=…'],
  [/duration:?[\d.]+/g, 'duration…'],
  // Open vSwitch also tells a primary that makes way, by an extension.
  [/^ONFT_ROLE_STATUS .*\n/gm, ''],
  // Whoever hears nothing for a while asks whether the other is there: on a busy machine that while may go by.
  [/^OFPT_ECHO_REQUEST .*\n/gm, ''],
  [/time=[\d.]+ ms/g, 'time=…'],
  [/in [\d.]+ ms \(\d+ packets\/s\) \(\d+ bytes\/s\)/g, 'in …'],
  [/xid=0x[0-9a-f]+/g, 'xid=…'],
  [/xid=[0-9a-f]{8}/g, 'xid=…'],
  [/(?:[0-9a-f]{2}:){5}[0-9a-f]{2}/g, 'MAC'],
  [/dpid:[0-9a-f]+/g, 'dpid:…'],
  [/^[\dT:.-]+Z\|\d+\|/gm, ''],
  // Open vSwitch tells those who come to it nothing unless they ask for some length; ours tells them as much as any other.
  [/miss_send_len=\d+/g, 'miss_send_len=…'],
  // Whether a device counts drops and errors is its own affair.
  [/(drop|errs|coll)=(\?|\d+)/g, '$1=…'],
]

function comparable(text: string, target: string, sorted: boolean): string {
  const masked = VOLATILE.reduce((rest, [what, stand]) => rest.replace(what, stand), text.replaceAll(target, 'TARGET'))
  return sorted ? masked : masked.split('\n').sort().join('\n').trim()
}
