// Open Virtual Network on one hypervisor: its databases, northd, a controller and an Open vSwitch whose devices are those of its own
// tests, so that it makes no network device and needs no root. It has directories and sockets of its own, and ends with this process.

import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { exitOf, until } from '../daemons.ts'
import { askDaemon } from '../fast-path/unixctl.ts'

const run = promisify(execFile)

const SCHEMAS = {
  conf: '/usr/share/openvswitch/vswitch.ovsschema',
  nb: '/usr/share/ovn/ovn-nb.ovsschema',
  sb: '/usr/share/ovn/ovn-sb.ovsschema',
} as const

/** What is missing for it to run here, as a sentence; nothing where it can. */
export const whyNoOvn = (): string | undefined =>
  Object.values(SCHEMAS).every((schema) => existsSync(schema))
    ? undefined
    : 'Open Virtual Network is not installed here: apt-get install ovn-central ovn-host openvswitch-switch'

export class Ovn {
  readonly #directory = mkdtempSync(join(tmpdir(), 'signalbox-bench-ovn-'))
  readonly #children: ChildProcess[] = []
  readonly #stopped = new AbortController()

  private constructor(signal: AbortSignal) {
    signal.addEventListener('abort', () => this.#endAll(), { signal: this.#stopped.signal })
  }

  /** Has one hypervisor, and no network yet. */
  static async start(signal: AbortSignal): Promise<Ovn> {
    const ovn = new Ovn(signal)
    try {
      await ovn.#startDaemons()
      return ovn
    } catch (error) {
      await ovn.stop()
      throw error
    }
  }

  /** What ovn-nbctl does with these words, done by one that runs already and knows the database: the quickest way to ask. */
  nbctl(...words: string[]): Promise<string> {
    return askDaemon(this.#path('nbctl.ctl'), 'run', ['--timeout=60', ...words])
  }

  vsctl(...words: string[]): Promise<string> {
    return this.#run('ovs-vsctl', [`--db=${this.#socket('conf')}`, '--timeout=30', ...words])
  }

  /** Flows in the hypervisor's switch. */
  async flows(): Promise<number> {
    const said = await this.#run('ovs-ofctl', [
      '-O',
      'OpenFlow14',
      'dump-aggregate',
      `unix:${this.#path('br-int.mgmt')}`,
    ])
    return Number(/flow_count=(\d+)/.exec(said)?.[1])
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#endAll()
    await Promise.all(this.#children.map(exitOf))
    rmSync(this.#directory, { recursive: true, force: true })
  }

  async #startDaemons(): Promise<void> {
    for (const [name, schema] of Object.entries(SCHEMAS)) {
      const file = this.#path(`${name}.db`)
      await this.#run('ovsdb-tool', ['create', file, schema])
      await this.#spawn('ovsdb-server', name, [file, `--remote=p${this.#socket(name)}`])
    }
    await this.vsctl('--no-wait', 'init')
    await this.#spawn('ovs-vswitchd', 'vswitchd', [this.#socket('conf'), '--enable-dummy=override', '--disable-system'])
    // Before anybody else looks into it.
    const files = [`--pidfile=${this.#path('nbctl.pid')}`, `--unixctl=${this.#path('nbctl.ctl')}`]
    await this.#run('ovn-nbctl', [`--db=${this.#socket('nb')}`, '--no-chdir', '--detach', ...files])
    await this.nbctl('init')
    const databases = [`--ovnnb-db=${this.#socket('nb')}`, `--ovnsb-db=${this.#socket('sb')}`]
    await this.#spawn('ovn-northd', 'northd', databases)
    const settings = [
      'system-id=hv1',
      `ovn-remote=${this.#socket('sb')}`,
      'ovn-encap-type=geneve',
      'ovn-encap-ip=127.0.0.1',
    ]
    await this.vsctl('set', 'Open_vSwitch', '.', ...settings.map((setting) => `external_ids:${setting}`))
    await this.vsctl('add-br', 'br-int', '--', 'set', 'bridge', 'br-int', 'fail-mode=secure')
    // Debian's knows no option for the place of its socket.
    this.#begin('ovn-controller', 'controller', [this.#socket('conf')])
    await this.nbctl('--wait=hv', 'sync')
  }

  /** In a process that ends when this one does. Resolves when it answers at its own socket. */
  async #spawn(command: string, name: string, args: string[]): Promise<void> {
    const socket = this.#path(`${name}.ctl`)
    const child = this.#begin(command, name, [...args, `--unixctl=${socket}`])
    await until(() => existsSync(socket) || child.exitCode !== null, command)
    if (child.exitCode !== null)
      throw new Error(`${command} did not start: ${readFileSync(this.#path(`${name}.err`), 'utf8').trim()}`)
  }

  #begin(command: string, name: string, args: string[]): ChildProcess {
    const output = openSync(this.#path(`${name}.err`), 'w')
    const whole = ['--pdeathsig', 'KILL', command, ...args, '--no-chdir', `--log-file=${this.#path(`${name}.log`)}`]
    const child = spawn('setpriv', whole, { env: this.#environment, stdio: ['ignore', output, output] })
    closeSync(output)
    this.#children.push(child)
    return child
  }

  #endAll(): void {
    for (const child of this.#children) child.kill('SIGKILL')
    // The one that has left this process's children to wait for questions.
    const file = this.#path('nbctl.pid')
    if (existsSync(file)) process.kill(Number(readFileSync(file, 'utf8')), 'SIGKILL')
    rmSync(file, { force: true })
  }

  get #environment(): NodeJS.ProcessEnv {
    const kinds = ['RUNDIR', 'LOGDIR', 'DBDIR', 'SYSCONFDIR'].flatMap((kind) => [`OVS_${kind}`, `OVN_${kind}`])
    return { ...process.env, ...Object.fromEntries(kinds.map((name) => [name, this.#directory])), LC_ALL: 'C' }
  }

  #socket(database: string): string {
    return `unix:${this.#path(`${database}.sock`)}`
  }

  #path(name: string): string {
    return join(this.#directory, name)
  }

  async #run(command: string, args: string[]): Promise<string> {
    return (await run(command, args, { env: this.#environment, maxBuffer: 1 << 26 })).stdout
  }
}
