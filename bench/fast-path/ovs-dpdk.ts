// Open vSwitch with DPDK on one core, fed from a capture in memory and sending to nothing: as fast as it gets. It has a network
// namespace, a database and directories of its own, and ends with this process.

import { execFile, spawn, type ChildProcess } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { formatIpv4, formatMac } from '../../protocols/address.ts'
import { ACCESS_VLAN, type Pipeline } from './pipelines.ts'
import type { Conditions, Cores } from '../bench.ts'
import { exitOf, until } from '../daemons.ts'
import { threadTime } from './processor.ts'
import { LOCAL_VTEP, pcapOf, RECEIVER, REMOTE_VTEP, type Traffic, VNI } from './traffic.ts'
import { askDaemon } from './unixctl.ts'

const DAEMON = '/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk'
const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'
/** Here it keeps what its processes tell one another. */
const DPDK_DIRECTORY = '/run/dpdk'
const DRIVERS = ['librte_net_pcap.so', 'librte_net_null.so', 'librte_mempool_ring.so', 'librte_bus_vdev.so']
const MOST_MEGAFLOWS = 400_000
/** For the processor's caches after a pause. */
const WARM_MS = 100
/** Some are still on their way. */
const MOST_DELIVERED = 0.98
/** Frames that are new to caches that are full: this share, for so long. */
const CALM = 0.0005
const CALM_SECONDS = 3
const TUNNEL_BRIDGE = 'brphy'

const run = promisify(execFile)

/** What is missing for it to run here, as a sentence; nothing where it can. */
export function whyNoOvs(): string | undefined {
  if (!existsSync(DAEMON) || !DRIVERS.every(driverInstalled))
    return 'Open vSwitch with DPDK is not installed here: apt-get install openvswitch-switch-dpdk librte-net-pcap23 librte-net-null23 librte-mempool-ring23 librte-bus-vdev23'
  if (process.getuid?.() !== 0)
    return 'Open vSwitch with DPDK makes network devices and a network namespace: run this as root'
  return undefined
}

function driverInstalled(driver: string): boolean {
  return entriesOf('/usr/lib').some((machine) => {
    const versions = entriesOf(join('/usr/lib', machine, 'dpdk'))
    const files = versions.flatMap((version) => entriesOf(join('/usr/lib', machine, 'dpdk', version)))
    return files.some((file) => file.startsWith(driver))
  })
}

const entriesOf = (path: string): string[] =>
  existsSync(path) && statSync(path).isDirectory() ? readdirSync(path) : []

export class OvsDpdk {
  readonly #directory: string
  readonly #cores: Cores
  readonly #children: ChildProcess[] = []
  readonly #stopped = new AbortController()
  #thread = 0

  private constructor(directory: string, cores: Cores) {
    this.#directory = directory
    this.#cores = cores
  }

  /** Has the pipeline, and is fed without end from then on. */
  static async start(pipeline: Pipeline, traffic: Traffic, { cores, signal }: Conditions): Promise<OvsDpdk> {
    const ovs = new OvsDpdk(mkdtempSync(join(tmpdir(), 'signalbox-bench-ovs-')), cores)
    signal.addEventListener('abort', () => ovs.#endAll('SIGKILL'), { signal: ovs.#stopped.signal })
    try {
      writeFileSync(ovs.#path('traffic.pcap'), pcapOf(traffic))
      await ovs.#startDaemons()
      await ovs.#connect(pipeline)
      await ovs.#install(pipeline)
      ovs.#thread = ovs.#findThread()
      await ovs.#stepBack()
      return ovs
    } catch (error) {
      await ovs.stop()
      throw error
    }
  }

  /**
   * Frames for each second of processor time that the forwarding thread gets, over some seconds. With `anew`, its caches are
   * empty at their beginning.
   */
  async rate(seconds: number, { anew = false } = {}): Promise<number> {
    await this.#stepForward()
    if (anew) await this.#emptyCaches()
    else await sleep(WARM_MS)
    const before = await this.#reading()
    await sleep(seconds * 1000)
    const after = await this.#reading()
    await this.#stepBack()
    const [received, sent] = [after.received - before.received, after.sent - before.sent]
    if (sent < received * MOST_DELIVERED) throw new Error(`Open vSwitch sent only ${sent} of ${received} frames`)
    return sent / (after.time - before.time)
  }

  /** Lets it fill its caches: until hardly a frame is new to them. False where it has not come so far after so many seconds. */
  async settle(mostSeconds: number): Promise<boolean> {
    await this.#stepForward()
    let before = await this.#reading()
    let calm = 0
    for (let second = 0; second < mostSeconds && calm < CALM_SECONDS; second++) {
      await sleep(1000)
      const now = await this.#reading()
      const isCalm = now.missed - before.missed < (now.received - before.received) * CALM
      calm = isCalm ? calm + 1 : 0
      before = now
    }
    await this.#stepBack()
    return calm === CALM_SECONDS
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#endAll('SIGTERM')
    const ended = this.#children.map((child) => exitOf(child))
    await Promise.race([Promise.all(ended), sleep(5000)])
    this.#endAll('SIGKILL')
    for (const directory of [this.#directory, join(DPDK_DIRECTORY, basename(this.#directory))])
      rmSync(directory, { recursive: true, force: true })
  }

  #endAll(signal: NodeJS.Signals): void {
    for (const child of this.#children) if (child.exitCode === null && child.signalCode === null) child.kill(signal)
  }

  async #startDaemons(): Promise<void> {
    const { measured, other } = this.#cores
    await run('ovsdb-tool', ['create', this.#path('conf.db'), SCHEMA])
    this.#spawn('ovsdb-server', [this.#path('conf.db'), `--remote=punix:${this.#path('db.sock')}`], 'ovsdb-server')
    await until(() => existsSync(this.#path('db.sock')), 'Open vSwitch')
    await this.#vsctl('--no-wait', 'init')
    const settings = [
      'dpdk-init=true',
      `dpdk-extra="--no-huge --legacy-mem -m 2048 --no-pci --no-telemetry --file-prefix=${basename(this.#directory)}"`,
      `pmd-cpu-mask=0x${(2 ** measured).toString(16)}`,
      `dpdk-lcore-mask=0x${(2 ** other).toString(16)}`,
      'max-idle=600000',
      `flow-limit=${MOST_MEGAFLOWS}`,
    ]
    await this.#vsctl('--no-wait', 'set', 'Open_vSwitch', '.', ...settings.map((setting) => `other_config:${setting}`))
    const alone = ['--net', 'taskset', '-c', String(other)]
    this.#spawn('unshare', [...alone, DAEMON, `unix:${this.#path('db.sock')}`], 'ovs-vswitchd')
    await until(() => existsSync(this.#path('ovs-vswitchd.ctl')) || this.#daemon.exitCode !== null, 'Open vSwitch')
    if (this.#daemon.exitCode !== null) throw new Error(`Open vSwitch did not start: ${this.#log()}`)
  }

  /** In a process that ends when this one does. */
  #spawn(command: string, args: string[], name: string): void {
    const files = [`--log-file=${this.#path(`${name}.log`)}`, `--unixctl=${this.#path(`${name}.ctl`)}`]
    const whole = ['--pdeathsig', 'KILL', command, ...args, '--no-chdir', ...files]
    const output = openSync(this.#path(`${name}.err`), 'w')
    this.#children.push(spawn('setpriv', whole, { env: this.#environment, stdio: ['ignore', output, output] }))
    closeSync(output)
  }

  async #connect({ learned, tunnel }: Pipeline): Promise<void> {
    const source = `net_pcap0,rx_pcap=${this.#path('traffic.pcap')},infinite_rx=1`
    await this.#vsctl('add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=netdev', 'fail-mode=secure')
    if (tunnel) await this.#addTunnel()
    await this.#addDevice(tunnel === 'out' ? TUNNEL_BRIDGE : 'br0', 'p0', 1, source)
    await this.#addDevice(tunnel === 'in' ? TUNNEL_BRIDGE : 'br0', 'p1', 2, 'net_null9,no-rx=1')
    if (learned) for (const port of ['p0', 'p1']) await this.#vsctl('set', 'port', port, `tag=${ACCESS_VLAN}`)
    const errors = await this.#vsctl('--bare', '--columns=error', 'list', 'Interface')
    if (errors.trim() !== '') throw new Error(`Open vSwitch has no such port: ${errors.trim()}`)
  }

  async #addDevice(bridge: string, name: string, number: number, device: string): Promise<void> {
    const options = ['type=dpdk', `ofport_request=${number}`, `options:dpdk-devargs="${device}"`]
    await this.#vsctl('add-port', bridge, name, '--', 'set', 'Interface', name, ...options)
  }

  async #addTunnel(): Promise<void> {
    const [local, remote] = [formatIpv4(LOCAL_VTEP.ip), formatIpv4(REMOTE_VTEP.ip)]
    const mac = `other_config:hwaddr="${formatMac(LOCAL_VTEP.mac)}"`
    await this.#vsctl('add-br', TUNNEL_BRIDGE, '--', 'set', 'bridge', TUNNEL_BRIDGE, 'datapath_type=netdev', mac)
    const inside = ['-t', String(this.#daemon.pid), '-n', 'ip']
    await run('nsenter', [...inside, 'addr', 'add', `${local}/24`, 'dev', TUNNEL_BRIDGE])
    await run('nsenter', [...inside, 'link', 'set', TUNNEL_BRIDGE, 'up'])
    const options = ['type=vxlan', 'ofport_request=10', `options:remote_ip=${remote}`, `options:key=${VNI}`]
    await this.#vsctl('add-port', 'br0', 'vx', '--', 'set', 'Interface', 'vx', ...options)
    await sleep(1000)
    await this.#ask('tnl/neigh/set', TUNNEL_BRIDGE, remote, formatMac(REMOTE_VTEP.mac))
  }

  async #install({ flows, learned, tunnel }: Pipeline): Promise<void> {
    await this.#setFlows('br0', flows())
    if (tunnel === 'in') await this.#setFlows(TUNNEL_BRIDGE, ['in_port=LOCAL,actions=output:2'])
    if (learned) await this.#ask('fdb/add', 'br0', 'p1', String(ACCESS_VLAN), formatMac(RECEIVER))
    // What it raises in steps of 1,000 megaflows, two a second, until it has room for them all.
    await this.#ask('upcall/set-flow-limit', String(MOST_MEGAFLOWS))
    await this.#emptyCaches()
  }

  async #setFlows(bridge: string, flows: readonly string[]): Promise<void> {
    const [file, target] = [this.#path(`${bridge}.flows`), `unix:${this.#path(`${bridge}.mgmt`)}`]
    writeFileSync(file, flows.join('\n') + '\n')
    await this.#ofctl('del-flows', target)
    await this.#ofctl('--bundle', 'add-flows', target, file)
  }

  async #emptyCaches(): Promise<void> {
    await this.#ask('revalidator/purge')
  }

  async #reading(): Promise<Counts & { time: number }> {
    return { ...countsOf(await this.#ask('dpctl/show', '-s')), time: this.#time }
  }

  /** The forwarding thread polls without end. While it is not its turn, whatever else runs on the core goes before it. */
  async #stepBack(): Promise<void> {
    await run('chrt', ['--idle', '--pid', '0', String(this.#thread)])
  }

  async #stepForward(): Promise<void> {
    await run('chrt', ['--other', '--pid', '0', String(this.#thread)])
  }

  get #time(): number {
    return threadTime(this.#daemon.pid ?? 0, this.#thread)
  }

  #findThread(): number {
    const tasks = `/proc/${this.#daemon.pid}/task`
    const thread = readdirSync(tasks).find((task) => readFileSync(`${tasks}/${task}/comm`, 'utf8').startsWith('pmd-c'))
    if (thread === undefined) throw new Error(`Open vSwitch has no forwarding thread: ${this.#log()}`)
    return Number(thread)
  }

  get #daemon(): ChildProcess {
    const daemon = this.#children[1]
    if (daemon === undefined) throw new Error('Open vSwitch was not started')
    return daemon
  }

  get #environment(): NodeJS.ProcessEnv {
    const own = ['OVS_RUNDIR', 'OVS_LOGDIR', 'OVS_DBDIR', 'OVS_SYSCONFDIR'].map((name) => [name, this.#directory])
    return { ...process.env, ...Object.fromEntries(own), LC_ALL: 'C' }
  }

  /** The last that it has said. */
  #log(): string {
    const files = ['ovs-vswitchd.err', 'ovs-vswitchd.log']
      .map((name) => this.#path(name))
      .filter((file) => existsSync(file))
    return files.flatMap((file) => readFileSync(file, 'utf8').trim().split('\n').slice(-3)).join(' / ')
  }

  #path(name: string): string {
    return join(this.#directory, name)
  }

  #ask(command: string, ...args: string[]): Promise<string> {
    return askDaemon(this.#path('ovs-vswitchd.ctl'), command, args)
  }

  #vsctl(...args: string[]): Promise<string> {
    return this.#run('ovs-vsctl', [`--db=unix:${this.#path('db.sock')}`, '--timeout=30', ...args])
  }

  #ofctl(...args: string[]): Promise<string> {
    return this.#run('ovs-ofctl', ['-O', 'OpenFlow14', ...args])
  }

  async #run(command: string, args: string[]): Promise<string> {
    return (await run(command, args, { env: this.#environment, maxBuffer: 1 << 26 })).stdout
  }
}

export interface Counts {
  /** Frames that were new to its caches. */
  missed: number
  /** Frames of the port that is fed, and of the one that sends. */
  received: number
  sent: number
}

/** What `dpctl/show -s` says. */
export function countsOf(shown: string): Counts {
  const count = (pattern: RegExp) => Number(pattern.exec(shown)?.[1])
  const missed = count(/^ *lookups:.* missed:(\d+)/m)
  const received = count(/port \d+: p0 [^]*?RX packets:(\d+)/)
  const sent = count(/port \d+: p1 [^]*?TX packets:(\d+)/)
  if (!Number.isFinite(missed + received + sent)) throw new Error(`Open vSwitch does not say what it counts: ${shown}`)
  return { missed, received, sent }
}
