// Looks on while a run goes on, after each control event that reached a switch, and says what has broken.

import type { Port } from '../../datapath/port.ts'
import { letsIn } from '../../protocols/control/messages.ts'
import type { Topology } from '../../topologies/topology.ts'
import type { Lab } from '../lab.ts'
import type { Breakage, Invariant } from './invariants.ts'
import { PolicyBook } from './policy-book.ts'

export interface WatchOptions {
  lab: Lab
  /** By vNIC, the policy that its port is to have wherever it is. */
  policiesOf: (topology: Topology) => ReadonlyMap<string, string>
}

export class Watch {
  /** What has broken first. */
  broken: Breakage | undefined
  /** Called once, when something has. */
  onBroken: () => void = () => {}
  readonly #options: WatchOptions
  /** Topologies in force: the one that was acknowledged last, and others that have been asked for since. */
  #inForce: Topology[] = []
  /** By switch: how many changes it had seen when it was looked at last, and on whom. */
  readonly #seen = new Map<string, { policies: PolicyBook; changes: number }>()
  /** By vNIC: switches at which its port is open. */
  readonly #openAt = new Map<string, Set<string>>()

  constructor(options: WatchOptions) {
    this.#options = options
  }

  /** Somebody asks for this topology. */
  asked(topology: Topology): void {
    if (!this.#inForce.includes(topology)) this.#inForce.push(topology)
  }

  /** All switches have it. */
  inForce(topology: Topology): void {
    this.#inForce = [topology]
  }

  break(invariant: Invariant, why: string): void {
    if (this.broken !== undefined) return
    this.broken = { invariant, why }
    this.onBroken()
  }

  /** Something has been said to the switch. */
  look(name: string): void {
    this.lookAtFrames()
    const device = this.#options.lab.network.switch(name)
    if (device === undefined || this.broken !== undefined) return
    const changes = device.cache.changes.count
    const seen = this.#seen.get(name)
    const isSame = seen?.policies.device === device
    if (isSame && seen.changes === changes) return
    const policies = isSame ? seen.policies : new PolicyBook(device)
    this.#seen.set(name, { policies, changes })
    this.#lookAtPorts(name, policies)
  }

  /** All that the judge has seen so far. Losses are seen at the end only. */
  lookAtFrames(): void {
    const { judge } = this.#options.lab
    if (judge.frames.leaked + judge.made.leaked > 0) this.break('no-leak', this.#leak())
    else if (judge.frames.duplicated + judge.made.duplicated > 0)
      this.break('no-duplicate', this.#mishap('duplicated', 'was heard twice'))
    else if (judge.frames.reordered + judge.made.reordered > 0)
      this.break('no-reorder', 'a frame was overtaken by a later one of its flow')
  }

  #leak(): string {
    const [leak] = this.#options.lab.judge.leaks
    if (leak === undefined) return 'a frame leaked'
    return `${leak.source} from ${leak.from} (${leak.fromNetwork ?? 'no network'}) was heard by ${leak.to} (${leak.toNetwork ?? 'no network'})`
  }

  #mishap(kind: 'duplicated' | 'lost', what: string): string {
    const found = this.#options.lab.judge.mishaps.first(kind)
    return found === undefined ? `a frame ${what}` : `frame ${found.id} from ${found.nics.join(' to ')} ${what}`
  }

  /** A port on a host without power lets nothing through. */
  #isDown(name: string): boolean {
    return this.#options.lab.network.isDown(name.split('/')[0]!)
  }

  #lookAtPorts(name: string, policies: PolicyBook): void {
    const isDown = this.#isDown(name)
    const open = new Map<string, Port>()
    for (const port of policies.device.ports)
      if (!isDown && port.config.type === 'vnic' && letsIn(port.config.state)) open.set(port.name, port)
    for (const [nic, places] of this.#openAt) if (!open.has(nic)) places.delete(name)
    for (const [nic, port] of open) {
      const places = this.#openAt.get(nic) ?? new Set<string>()
      this.#openAt.set(nic, places.add(name))
      if (places.size > 1) for (const place of places) if (this.#isDown(place)) places.delete(place)
      if (places.size > 1) return this.break('one-place', `${nic} is open at ${[...places].sort().join(' and ')}`)
      const problem = this.#policyProblem(policies, port)
      if (problem !== undefined) return this.break('whole-policy', `${nic} at ${name} ${problem}`)
    }
  }

  #policyProblem(policies: PolicyBook, port: Port): string | undefined {
    const wanted = this.#inForce.map((topology) => this.#options.policiesOf(topology).get(port.name))
    if (wanted.every((policy) => policy === undefined)) return 'is open, and nobody has asked for it'
    const found = policies.of(port)
    if (wanted.includes(found)) return undefined
    return `is open with ${differences(found, wanted.find((policy) => policy !== undefined) ?? '')}`
  }
}

/** Policies are lines. */
function differences(found: string, wanted: string): string {
  const [there, asked] = [found.split('\n'), wanted.split('\n')]
  const missing = asked.filter((line) => !there.includes(line)).length
  const extra = there.filter((line) => !asked.includes(line)).length
  return `${missing} parts of its policy missing and ${extra} that are not its own`
}
