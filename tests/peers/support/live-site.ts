// `signalbox controller` and a `signalbox host` for each host, as processes of their own: the hosts in namespaces that a veth joins,
// the controller outside, where they reach it by a Unix socket and the test by its API.

import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Ended, ended, firstLine, runHere, startCli, startCliIn } from '../../support/run-cli.ts'
import { Namespace } from './namespaces.ts'

/** Of h1 and h2 in the network that carries their tunnels. */
export const VTEPS = { h1: '198.51.100.1', h2: '198.51.100.2' } as const
export type HostName = keyof typeof VTEPS

const vnic = (network: string, mac: number, address: string) => ({
  name: 'eth0',
  network,
  mac: `02:00:00:00:00:0${mac}`,
  addresses: [address],
})

/** VMs `a` and `b` of a VXLAN network, `c` and `d` of a VLAN: the first of each on h1, the second on h2. The networks have the same addresses. */
const TOPOLOGY = {
  version: 1,
  name: 'two-hosts',
  hosts: Object.entries(VTEPS).map(([name, vtep]) => ({ name, vtep })),
  networks: [
    { name: 'green', type: 'vxlan', segment: 5001, subnets: [{ cidr: '10.1.0.0/24' }] },
    { name: 'blue', type: 'vlan', segment: 10, subnets: [{ cidr: '10.1.0.0/24' }] },
  ],
  vms: [
    { name: 'a', host: 'h1', nics: [vnic('green', 1, '10.1.0.1')] },
    { name: 'b', host: 'h2', nics: [vnic('green', 2, '10.1.0.2')] },
    { name: 'c', host: 'h1', nics: [vnic('blue', 3, '10.1.0.3')] },
    { name: 'd', host: 'h2', nics: [vnic('blue', 4, '10.1.0.4')] },
  ],
}

/** How a guest of the topology is known: its vNIC, and what its own stack must say. */
export const GUESTS = Object.fromEntries(
  TOPOLOGY.vms.map(({ name, nics: [nic] }) => [
    name,
    { nic: `${name}:eth0`, mac: nic!.mac, address: nic!.addresses[0]! },
  ]),
) as Record<'a' | 'b' | 'c' | 'd', { nic: string; mac: string; address: string }>

/** What a VXLAN frame takes of the 1500 bytes that the network between hosts carries. */
export const GREEN_MTU = 1450

export type SiteTopology = typeof TOPOLOGY

export interface SiteOptions {
  /** What the controller is given in the place of the topology above. */
  amend?: (topology: SiteTopology) => object
  /** More words for `signalbox host`. */
  hostWords?: (host: HostName, folder: string) => string[]
}

interface Running {
  process: ChildProcess
  end: Promise<Ended>
}

export class LiveSite {
  readonly folder = mkdtempSync(join(tmpdir(), 'signalbox-site-'))
  readonly #hosts = new Map<HostName, Namespace>()
  readonly #namespaces: Namespace[] = []
  readonly #running: Running[] = []
  readonly #hostProcesses = new Map<HostName, Running>()
  readonly #options: SiteOptions
  #url = ''

  private constructor(options: SiteOptions) {
    this.#options = options
  }

  /** The controller, and both namespaces; `hosts` are those that have a process, which run what they should. */
  static async start(hosts: readonly HostName[], options: SiteOptions = {}): Promise<LiveSite> {
    const site = new LiveSite(options)
    try {
      await site.#layCables()
      await site.#startController()
      for (const host of hosts) site.#startHost(host)
      await site.#settled(hosts)
      return site
    } catch (error) {
      const said = await site.stop()
      throw new Error(`${String(error)}\n${said}`, { cause: error })
    }
  }

  /** `under0` has the tunnels' addresses, `uplink0` none. */
  async #layCables(): Promise<void> {
    for (const name of ['h1', 'h2'] as const) this.#hosts.set(name, await this.addNamespace(name))
    const [h1, h2] = [this.namespace('h1'), this.namespace('h2')]
    for (const device of ['under0', 'uplink0'])
      await h1.ip('link', 'add', device, 'type', 'veth', 'peer', 'name', device, 'netns', h2.name)
    for (const name of ['h1', 'h2'] as const) {
      await this.namespace(name).configure('under0', `${VTEPS[name]}/24`)
      await this.namespace(name).configure('uplink0')
    }
  }

  async #startController(): Promise<void> {
    const topology = join(this.folder, 'topology.json')
    writeFileSync(topology, JSON.stringify(this.#options.amend?.(TOPOLOGY) ?? TOPOLOGY))
    const words = ['--listen', `punix:${this.folder}/hosts`, '--api', '127.0.0.1:0', '--json']
    const said = await firstLine(this.#keep(startCli('controller', topology, ...words)))
    this.#url = (JSON.parse(said) as { url: string }).url
  }

  #startHost(name: HostName): void {
    const more = this.#options.hostWords?.(name, this.folder) ?? []
    const words = ['--controller', `unix:${this.folder}/hosts`, '--uplink', 'interface:uplink0', ...more]
    this.#keep(startCliIn(this.namespace(name).name, 'host', name, ...words))
    this.#hostProcesses.set(name, this.#running.at(-1)!)
  }

  #keep(process: ChildProcess): ChildProcess {
    this.#running.push({ process, end: ended(process) })
    return process
  }

  /** Its process ends at once, as if its power were cut. Resolves when the controller has noticed. */
  async cutPower(host: HostName): Promise<void> {
    const { process, end } = this.#hostProcesses.get(host)!
    process.kill('SIGKILL')
    await end
    await until(async () => {
      const switches = await this.ask<{ host: string; connected: boolean }[]>('/switches')
      return switches.every((one) => one.host !== host || !one.connected)
    })
  }

  namespace(host: HostName): Namespace {
    return this.#hosts.get(host)!
  }

  /** One for a guest. */
  async addNamespace(purpose: string): Promise<Namespace> {
    const namespace = await Namespace.create(purpose)
    this.#namespaces.push(namespace)
    return namespace
  }

  /** A verb for the controller: what it prints. Rejects where it fails. */
  async signalbox(...words: string[]): Promise<string> {
    const { code, stdout, stderr } = await runHere(...words, '--api', this.#url)
    if (code !== 0) throw new Error(`${words.join(' ')}: ended with ${code}: ${stderr}${stdout}`)
    return stdout
  }

  /** As `signalbox`, as a process of its own: the test goes on beside it. */
  async beside(...words: string[]): Promise<string> {
    const { code, stdout, stderr } = await ended(startCli(...words, '--api', this.#url))
    if (code !== 0) throw new Error(`${words.join(' ')}: ended with ${code}: ${stderr}${stdout}`)
    return stdout
  }

  /** What the API says. */
  async ask<T>(path: string): Promise<T> {
    return (await (await fetch(new URL(path, this.#url))).json()) as T
  }

  async #settled(hosts: readonly HostName[]): Promise<void> {
    type Switches = { host: string; connected: boolean; inSync: boolean }[]
    await until(async () => {
      const switches = await this.ask<Switches>('/switches')
      const own = switches.filter(({ host }) => hosts.some((name) => name === host))
      return own.every(({ connected, inSync }) => connected && inSync)
    })
  }

  /** Says what the VM is joined to when it is at the host: a TAP where not said. */
  async attach(vm: keyof typeof GUESTS, host: HostName, wire = `tap:${tapOf(vm, host)}`): Promise<void> {
    await this.signalbox('vm', 'attach', GUESTS[vm].nic, wire, '--host', host)
  }

  /** Moves the VM's TAP into its guest's namespace, once the host has made it; the stack there has yet to be set up. */
  async takeTap(vm: keyof typeof GUESTS, host: HostName, namespace: Namespace): Promise<string> {
    const tap = tapOf(vm, host)
    const here = this.namespace(host)
    await until(async () => (await here.ip('-brief', 'link', 'show', 'up')).includes(`${tap} `))
    await here.ip('link', 'set', tap, 'netns', namespace.name)
    return tap
  }

  /** Sets a device up as the vNIC of a guest. */
  async settle(vm: keyof typeof GUESTS, device: string, namespace: Namespace): Promise<void> {
    const { mac, address } = GUESTS[vm]
    const mtu = vm === 'a' || vm === 'b' ? GREEN_MTU : 1500
    await namespace.ip('link', 'set', device, 'address', mac, 'mtu', String(mtu))
    await namespace.configure(device, `${address}/24`)
  }

  /** Ends all that runs, and takes away all namespaces; gives what the processes wrote to standard error. */
  async stop(): Promise<string> {
    const ends: Ended[] = []
    for (const { process, end } of this.#running.toReversed()) {
      process.kill('SIGTERM')
      ends.push(await end)
    }
    for (const namespace of this.#namespaces) await namespace.remove()
    rmSync(this.folder, { recursive: true, force: true })
    return ends.map(({ stderr }) => stderr).join('')
  }
}

const tapOf = (vm: string, host: string): string => `tap-${vm}-${host}`

const LONGEST_WAIT = 60_000

/** Waits for it, and no longer than a slow machine may need. */
export async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  const start = Date.now()
  while (!(await holds())) {
    if (Date.now() - start > LONGEST_WAIT) throw new Error(`waited in vain: ${String(holds)}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
