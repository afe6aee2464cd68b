// The same ovs-ofctl commands for a bridge of a real Open vSwitch and for `signalbox switch run`, with the ports 1 to 3, and what
// they print: without what no two switches have in common.

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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

  #file(content: string): string {
    const file = join(this.#directory, `file${++this.#files}`)
    writeFileSync(file, `${content}\n`)
    return file
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
  [/duration:[\d.]+/g, 'duration:…'],
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
