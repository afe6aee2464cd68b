// `signalbox controller` and a `signalbox host` as processes, and somebody who sends from one guest of the host to the other.

import { fork, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { setPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Guest, Order, Window } from './traffic.ts'

const beside = (file: string) => fileURLToPath(new URL(`${file}${import.meta.url.slice(-3)}`, import.meta.url))
const MAIN = beside('../../cli/main')
const TRAFFIC = beside('traffic')

/** Of nice(1). */
const URGENT = -15
const POLL = 10
const PATIENCE = 180_000
/** Flows of one request. */
const BATCH = 10_000

const nic = (mac: string, address: string) => [{ name: 'eth0', network: 'green', mac, addresses: [address] }]
const GUESTS = {
  a: { mac: '02:00:00:00:00:01', address: '10.1.0.1' },
  b: { mac: '02:00:00:00:00:02', address: '10.1.0.2' },
}

/** Both guests on one host, whose switch has all the flows: whoever forwards is the one who is asked for them. */
const TOPOLOGY = {
  version: 1,
  name: 'stream',
  hosts: [{ name: 'h1', vtep: '127.0.4.1' }],
  networks: [{ name: 'green', type: 'vxlan', segment: 5001, subnets: [{ cidr: '10.1.0.0/24' }] }],
  vms: Object.entries(GUESTS).map(([name, { mac, address }]) => ({ name, host: 'h1', nics: nic(mac, address) })),
}

/** By what the guests are joined to their vNICs. */
export type Joint = 'stream' | 'dgram'

export class StreamSite {
  readonly #folder = mkdtempSync(join(tmpdir(), 'signalbox-stream-'))
  readonly #node: readonly string[]
  readonly #children: ChildProcess[] = []
  #controller!: ChildProcess
  #traffic!: ChildProcess
  #words: string[] = []
  #url = ''

  private constructor(node: readonly string[]) {
    this.#node = node
  }

  /** `node`: what Node is told before the file that it runs. */
  static async start(joint: Joint, rate: number, flows: number, node: readonly string[] = []): Promise<StreamSite> {
    const site = new StreamSite(node)
    try {
      await site.#start()
      await site.#addFlows(flows)
      await site.#joinGuests(joint, rate)
      return site
    } catch (error) {
      await site.stop()
      throw error
    }
  }

  async #start(): Promise<void> {
    const [api, control, vxlan] = [await freePort(), await freePort(), await freePort()]
    const topology = join(this.#folder, 'topology.json')
    writeFileSync(topology, JSON.stringify(TOPOLOGY))
    this.#url = `http://127.0.0.1:${api}`
    const places = ['--listen', `ptcp:${control}:127.0.0.1`, '--api', `127.0.0.1:${api}`]
    this.#words = ['controller', '--state', join(this.#folder, 'state'), ...places, '--quiet']
    this.#controller = this.#keep(
      spawn(process.execPath, [...this.#node, MAIN, ...this.#words, topology], { stdio: 'ignore', detached: true }),
    )
    const dial = ['--controller', `tcp:127.0.0.1:${control}`, '--vxlan-port', `${vxlan}`, '--quiet']
    this.#keep(
      spawn(process.execPath, [...this.#node, MAIN, 'host', 'h1', ...dial], { stdio: 'ignore', detached: true }),
    )
    await this.settled()
  }

  async #addFlows(count: number): Promise<void> {
    for (let first = 0; first < count; first += BATCH) {
      const flows = Array.from({ length: Math.min(BATCH, count - first) }, (_, index) => {
        const source = [10, (first + index) >> 16, ((first + index) >> 8) & 255, (first + index) & 255].join('.')
        return `table=0,priority=100,tcp,nw_src=${source},tp_dst=80,actions=drop`
      })
      await this.#ask('POST', '/switches/h1/br-int/flows', { flows })
    }
  }

  async #joinGuests(joint: Joint, rate: number): Promise<void> {
    const [from, to] = [await this.#join('a', joint), await this.#join('b', joint)]
    this.#traffic = this.#keep(fork(TRAFFIC, { execArgv: [...this.#node], stdio: 'inherit', detached: true }))
    this.#order({ order: 'begin', from, to, rate })
    await once(this.#traffic, 'message')
  }

  async #join(name: 'a' | 'b', joint: Joint): Promise<Guest> {
    const file = join(this.#folder, name)
    const [ours, its] = joint === 'dgram' ? [await freePort(), await freePort()] : []
    const wires =
      joint === 'dgram'
        ? { host: `dgram:127.0.0.1:${ours},127.0.0.1:${its}`, guest: `dgram:127.0.0.1:${its},127.0.0.1:${ours}` }
        : { host: `stream:punix:${file}`, guest: `stream:unix:${file}` }
    await this.#ask('PUT', `/ports/${name}:eth0/wire`, { wire: wires.host })
    return { ...GUESTS[name], wire: wires.guest }
  }

  /** What became of the frames since the last time. */
  async window(): Promise<Window> {
    this.#order({ order: 'window' })
    const [window] = (await once(this.#traffic, 'message')) as [Window]
    return window
  }

  /** Kills the controller and starts it again. @returns seconds until it had its state, and everything was in sync */
  async restart(): Promise<{ ready: number; inSync: number }> {
    const gone = once(this.#controller, 'exit')
    this.#controller.kill('SIGKILL')
    await gone
    const start = performance.now()
    this.#controller = this.#keep(
      spawn(process.execPath, [...this.#node, MAIN, ...this.#words], { stdio: 'ignore', detached: true }),
    )
    const ready = await this.#until(start, async () => (await this.#read('/switches')) !== undefined)
    const inSync = await this.settled(start)
    return { ready, inSync }
  }

  /** Flow mods that the controller which runs now has sent. */
  async flowMessages(): Promise<number> {
    const page = (await this.#read('/metrics')) ?? ''
    return Number(/^of_flowmsgs_sent\{.*\} (\d+)/m.exec(page)?.[1])
  }

  settled(start = performance.now()): Promise<number> {
    return this.#until(start, async () => {
      const switches = JSON.parse((await this.#read('/switches')) ?? '[]') as { connected: boolean; inSync: boolean }[]
      return switches.length > 0 && switches.every(({ connected, inSync }) => connected && inSync)
    })
  }

  async stop(): Promise<void> {
    const left = this.#children.filter((child) => child.exitCode === null && child.signalCode === null)
    const ends = left.map((child) => once(child, 'exit'))
    for (const child of left) child.kill('SIGKILL')
    await Promise.all(ends)
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** Seconds since `start` when it held. */
  async #until(start: number, holds: () => Promise<boolean>): Promise<number> {
    while (!(await holds())) {
      if (performance.now() - start > PATIENCE) throw new Error('the controller did not come to be in sync')
      await sleep(POLL)
    }
    return (performance.now() - start) / 1000
  }

  /** Undefined where nobody answers. */
  async #read(path: string): Promise<string | undefined> {
    try {
      const response = await fetch(`${this.#url}${path}`)
      return response.ok ? await response.text() : undefined
    } catch {
      return undefined
    }
  }

  async #ask(method: string, path: string, body: object): Promise<void> {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(`${this.#url}${path}`, { method, headers, body: JSON.stringify(body) })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
  }

  #order(order: Order): void {
    this.#traffic.send(order)
  }

  #keep(child: ChildProcess): ChildProcess {
    this.#children.push(child)
    prefer(child.pid!)
    return child
  }
}

/** What else the machine does waits for all of ours alike, where we may ask for that: only root may. */
function prefer(pid: number): void {
  try {
    setPriority(pid, URGENT)
    // Linux weighs sessions against each other first (sched(7), autogroup).
    writeFileSync(`/proc/${pid}/autogroup`, `${URGENT}`)
  } catch {
    // The figures are of what others leave, then.
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
