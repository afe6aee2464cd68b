// A private Open vSwitch: its own run directory, database and daemons, started by hand and ended by process id. Bridges use the
// userspace datapath with the dummy devices of its own test suite, so that it makes no network device, needs no root and any
// number can run at once. Needs the Debian package openvswitch-switch.

import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { daemonCommand } from './daemon-command.ts'

const run = promisify(execFile)

const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'
const DAEMONS = ['ovs-vswitchd', 'ovsdb-server'] as const

/** True where this machine can run Open vSwitch. */
export function ovsInstalled(): boolean {
  try {
    execFileSync('ovs-ofctl', ['--version'], { stdio: 'ignore' })
    return existsSync(SCHEMA)
  } catch {
    return false
  }
}

export class Ovs {
  readonly directory: string
  readonly #environment: NodeJS.ProcessEnv

  constructor(directory: string) {
    this.directory = directory
    const own = Object.fromEntries(
      ['OVS_RUNDIR', 'OVS_LOGDIR', 'OVS_DBDIR', 'OVS_SYSCONFDIR'].map((name) => [name, directory]),
    )
    this.#environment = { ...process.env, ...own, LC_ALL: 'C' }
  }

  /** Runs `ovs-ofctl` with `args`; give a bridge as `bridge(name)`. */
  ofctl(...args: string[]): Promise<string> {
    return this.#run('ovs-ofctl', args)
  }

  vsctl(...args: string[]): Promise<string> {
    return this.#run('ovs-vsctl', [`--db=${this.#database}`, '--timeout=20', ...args])
  }

  /** What `ovs-appctl` does, without a process for it. */
  appctl(command: string, ...words: string[]): Promise<string> {
    return daemonCommand(this.#path('ovs-vswitchd.ctl'), command, ...words)
  }

  /** Where `ofctl` finds the bridge. */
  bridge(name: string): string {
    return this.#path(`${name}.mgmt`)
  }

  /** A bridge that does nothing of its own accord and speaks every OpenFlow. */
  async addBridge(name: string): Promise<void> {
    const versions = [10, 11, 12, 13, 14, 15].map((version) => `OpenFlow${version}`)
    const settings = ['datapath_type=dummy', 'fail_mode=secure', `protocols=${versions.join(',')}`]
    await this.vsctl('add-br', name, '--', 'set', 'bridge', name, ...settings)
  }

  /** A port that frames enter by `receive`; what leaves it is appended to the returned pcap file. */
  async addPort(bridge: string, name: string, number: number): Promise<string> {
    const sent = this.#path(`${name}.pcap`)
    const settings = ['type=dummy', `ofport_request=${number}`, `options:tx_pcap=${sent}`]
    await this.vsctl('add-port', bridge, name, '--', 'set', 'interface', name, ...settings)
    return sent
  }

  /** Lets `frame` come in by the port, and waits until it has gone its way. */
  async receive(port: string, frame: Uint8Array): Promise<void> {
    await this.hand(port, frame)
    await this.appctl('version')
  }

  /** Lets `frame` come in by the port: it has gone its way when the daemon answers whatever is asked next. */
  async hand(port: string, frame: Uint8Array): Promise<void> {
    await this.appctl('netdev-dummy/receive', port, Buffer.from(frame).toString('hex'))
  }

  /** Ends both daemons and forgets all they had. */
  async stop(): Promise<void> {
    for (const daemon of DAEMONS) await endProcess(this.#path(`${daemon}.pid`))
    rmSync(this.directory, { recursive: true, force: true })
  }

  async startDatabase(): Promise<void> {
    await this.#run('ovsdb-tool', ['create', this.#path('conf.db'), SCHEMA])
    const remote = `--remote=p${this.#database}`
    await this.#run('ovsdb-server', [this.#path('conf.db'), remote, ...this.#daemon('ovsdb-server')])
    await this.vsctl('--no-wait', 'init')
  }

  /** In a network namespace, bridges may have its devices (`datapath_type=netdev`). */
  async startSwitch(namespace?: string): Promise<void> {
    const words = ['ovs-vswitchd', this.#database, '--enable-dummy', ...this.#daemon('ovs-vswitchd')]
    const [command, ...rest] = namespace === undefined ? words : ['ip', 'netns', 'exec', namespace, ...words]
    await this.#run(command!, rest)
  }

  get #database(): string {
    return `unix:${this.#path('db.sock')}`
  }

  #path(name: string): string {
    return join(this.directory, name)
  }

  #daemon(name: string): string[] {
    const files = { pidfile: 'pid', 'log-file': 'log', unixctl: 'ctl' }
    return [
      '--no-chdir',
      '--detach',
      ...Object.entries(files).map(([option, end]) => `--${option}=${this.#path(`${name}.${end}`)}`),
    ]
  }

  async #run(command: string, args: string[]): Promise<string> {
    const { stdout } = await run(command, args, { env: this.#environment, maxBuffer: 1 << 26 })
    return stdout
  }
}

/** Both daemons, running; stop them with `stop`. */
export async function startOvs(namespace?: string): Promise<Ovs> {
  const ovs = new Ovs(mkdtempSync(join(tmpdir(), 'signalbox-ovs-')))
  try {
    await ovs.startDatabase()
    await ovs.startSwitch(namespace)
    return ovs
  } catch (error) {
    await ovs.stop()
    throw error
  }
}

const runs = (pid: number) => existsSync(`/proc/${pid}`)

async function endProcess(pidFile: string): Promise<void> {
  if (!existsSync(pidFile)) return
  const pid = Number(readFileSync(pidFile, 'utf8'))
  if (runs(pid)) process.kill(pid)
  for (let wait = 0; wait < 100 && runs(pid); wait++) await new Promise((resolve) => setTimeout(resolve, 50))
  if (runs(pid)) process.kill(pid, 'SIGKILL')
}
