// The processes of a run, the guests at their vNICs, and how all of them are.

import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Api } from './api.ts'
import { Guests } from './guests.ts'
import { Daemon } from './processes.ts'
import { chaosTopology, HOSTS, readTopology, VMS } from './topology.ts'

/** Milliseconds after which somebody who is not in sync will not be. */
const PATIENCE = 20_000
const POLL = 20

interface Ports {
  api: number
  control: number
  vxlan: number
}

export class ChaosNetwork {
  /** The controller first. */
  readonly daemons: readonly Daemon[]
  readonly api: Api
  readonly guests: Guests

  private constructor(daemons: readonly Daemon[], api: Api, guests: Guests) {
    this.daemons = daemons
    this.api = api
    this.guests = guests
  }

  static async start(folder: string, { api: apiPort, control, vxlan }: Ports): Promise<ChaosNetwork> {
    const file = join(folder, 'topology.json')
    writeFileSync(file, JSON.stringify(chaosTopology(0)))
    const log = join(folder, 'log')
    const state = join(folder, 'state.sqlite')
    const listen = ['--listen', `ptcp:${control}:127.0.0.1`, '--api', `127.0.0.1:${apiPort}`]
    const first = new Daemon('controller', ['controller', file, '--state', state, ...listen], log)
    const controller = new Daemon('controller', ['controller', '--state', state, ...listen], log)
    const dial = ['--controller', `tcp:127.0.0.1:${control}`, '--vxlan-port', `${vxlan}`]
    const hosts = HOSTS.map((name) => new Daemon(name, ['host', name, ...dial], log))
    for (const daemon of [first, ...hosts]) daemon.start()
    const socketOf = (vm: string, host: string) => join(folder, `${vm}-${host}`)
    const api = new Api(`http://127.0.0.1:${apiPort}`)
    const guests = await Guests.open(readTopology(0), socketOf)
    const network = new ChaosNetwork([controller, ...hosts], api, guests)
    await network.settled()
    for (const vm of VMS)
      for (const host of HOSTS)
        await api.ask('PUT', `/ports/${vm}:eth0/wire`, { wire: `stream:punix:${socketOf(vm, host)}`, host })
    // From the second start on it is told no topology: what it knows, it has kept.
    await first.kill()
    controller.start()
    await network.settled()
    return network
  }

  /** Resolves when every switch is in sync and no VM is on its way; with what is not so, where that never comes. `asked` after each look. */
  async settled(asked = () => {}): Promise<string[]> {
    const until = performance.now() + PATIENCE
    let problems: string[] = ['nobody was asked']
    while (performance.now() < until) {
      problems = await this.#unsettled()
      asked()
      if (problems.length === 0) return []
      await sleep(POLL)
    }
    return problems
  }

  async stop(): Promise<void> {
    await this.guests.close()
    await Promise.all(this.daemons.map((daemon) => daemon.kill()))
  }

  async #unsettled(): Promise<string[]> {
    const [switches, vms, hosts] = await Promise.all([
      this.api.get<{ name: string; connected: boolean; inSync: boolean }[]>('/switches'),
      this.api.get<{ name: string; state: string }[]>('/vms'),
      this.api.get<{ name: string; process?: object }[]>('/hosts'),
    ])
    if (switches === undefined || vms === undefined || hosts === undefined) return ['the API does not answer']
    return [
      ...switches.filter((one) => !one.connected || !one.inSync).map(({ name }) => `${name} is not in sync`),
      ...vms.filter(({ state }) => state !== 'running').map(({ name }) => `${name} is still on its way`),
      ...hosts.filter((one) => one.process === undefined).map(({ name }) => `the process of ${name} is not there`),
    ]
  }
}
