// Writes one after the other, of every kind, and remembers what was promised.

import type { Random } from '../../runtime/random.ts'
import type { Api, Fate } from './api.ts'
import { Ledger } from './ledger.ts'
import { chaosTopology, HOSTS, VMS } from './topology.ts'

const FIRST_PRIORITY = 1000

export class Writer {
  /** Writes that were answered with yes. */
  acknowledged = 0
  readonly #api: Api
  readonly #random: Random
  /** `topology chaos-3`, `g1 at h2`, `h1 flow 17`. */
  readonly #ledger = new Ledger<string>()
  #version = 0
  #flow = 0
  #stopped = false

  constructor(api: Api, random: Random, first: ReturnType<typeof chaosTopology>) {
    this.#api = api
    this.#random = random
    this.#ledger.answered(`topology ${first.name}`, true)
    for (const { name, host } of first.vms) this.#ledger.answered(`${name} at ${host}`, true)
  }

  /** Writes until it is stopped, or somebody does not answer. */
  async writeUntilLost(): Promise<void> {
    this.#stopped = false
    while (!this.#stopped) if ((await this.#write()) === 'unknown') return
  }

  /** After the write that is under way there is no other. */
  stop(): void {
    this.#stopped = true
  }

  /** What is there against what was promised. */
  async compare(): Promise<string[]> {
    const actual = await this.#actual()
    return actual === undefined ? ['the API does not say what is there'] : this.#ledger.compare(new Set(actual))
  }

  #write(): Promise<Fate> {
    const kind = this.#random.below(10)
    if (kind < 5) return this.#addFlow()
    if (kind < 7) return this.#deleteFlow()
    return kind === 7 ? this.#apply() : this.#migrate()
  }

  async #addFlow(): Promise<Fate> {
    const number = ++this.#flow
    const host = this.#host()
    const flow = `table=0,priority=${FIRST_PRIORITY + number},udp,tp_dst=${number},actions=drop`
    const fate = await this.#api.ask('POST', `/switches/${host}/br-int/flows`, { flows: [flow] })
    return this.#note(fate, [`${host} flow ${number}`], [])
  }

  async #deleteFlow(): Promise<Fate> {
    const flows = this.#ledger.sure.filter((key) => key.includes(' flow '))
    const key = flows[this.#random.below(Math.max(1, flows.length))]
    if (key === undefined) return 'refused'
    const [host, , number] = key.split(' ')
    const match = `table=0,priority=${FIRST_PRIORITY + Number(number)},udp,tp_dst=${number}`
    const query = new URLSearchParams({ match, strict: 'true' })
    return this.#note(await this.#api.ask('DELETE', `/switches/${host}/br-int/flows?${query.toString()}`), [], [key])
  }

  async #apply(): Promise<Fate> {
    const before = this.#ledger.sure.filter((key) => key.startsWith('topology '))
    const topology = chaosTopology(++this.#version)
    const fate = await this.#api.ask('PUT', '/topology', topology)
    return this.#note(fate, [`topology ${topology.name}`], before)
  }

  async #migrate(): Promise<Fate> {
    const vm = VMS[this.#random.below(VMS.length)]!
    const to = this.#host()
    const before = this.#ledger.sure.filter((key) => key.startsWith(`${vm} at `) && key !== `${vm} at ${to}`)
    // It has ended when it is answered, and may have been undone.
    const isDone = (answer: unknown) => (answer as { state: string }).state === 'done'
    const fate = await this.#api.ask('POST', '/migrations?wait=true', { vm, to }, isDone)
    return this.#note(fate, [`${vm} at ${to}`], before)
  }

  #note(fate: Fate, added: readonly string[], removed: readonly string[]): Fate {
    if (fate === 'unknown') for (const key of [...added, ...removed]) this.#ledger.unanswered(key)
    if (fate !== 'done') return fate
    this.acknowledged++
    for (const key of removed) this.#ledger.answered(key, false)
    for (const key of added) this.#ledger.answered(key, true)
    return fate
  }

  async #actual(): Promise<string[] | undefined> {
    const topology = await this.#api.get<{ name: string }>('/topology')
    const vms = await this.#api.get<{ name: string; host: string }[]>('/vms')
    const flows = await Promise.all(HOSTS.map((host) => this.#flowsOf(host)))
    if (topology === undefined || vms === undefined) return undefined
    const known = flows.filter((keys) => keys !== undefined)
    if (known.length < HOSTS.length) return undefined
    return [`topology ${topology.name}`, ...vms.map(({ name, host }) => `${name} at ${host}`), ...known.flat()]
  }

  /** Those of users, as the switch itself has them. */
  async #flowsOf(host: string): Promise<string[] | undefined> {
    const flows = await this.#api.get<{ owner: string; priority: number }[]>(`/switches/${host}/br-int/flows`)
    return flows
      ?.filter(({ owner }) => owner === 'user')
      .map(({ priority }) => `${host} flow ${priority - FIRST_PRIORITY}`)
  }

  #host(): (typeof HOSTS)[number] {
    return HOSTS[this.#random.below(HOSTS.length)]!
  }
}
