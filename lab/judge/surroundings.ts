// Where guests are and what the scenario has broken, as the judge needs to know it: worked out from the topology's own links.

import type { FailureTarget } from '../../topologies/scenario.ts'
import type { Topology } from '../../topologies/topology.ts'
import { choicesOf, type Ruling } from './law.ts'
import type { Record } from './open-records.ts'

export class Surroundings {
  readonly #hostOf: (vm: string) => string | undefined
  /** By vNIC that was asked for. */
  readonly #vmOf = new Map<string, string>()
  #topology: Topology
  readonly #brokenHosts = new Set<string>()
  /** Both directions, as the emulator names the places on a link. */
  readonly #brokenLinks = new Set<string>()
  /** By host: the hosts that a path leads to. Forgotten with every change. */
  readonly #reachable = new Map<string, ReadonlySet<string>>()

  constructor(topology: Topology, hostOf: (vm: string) => string | undefined) {
    this.#topology = topology
    this.#hostOf = hostOf
  }

  /** The host on which the vNIC's guest is now. */
  hostOf(nic: string): string | undefined {
    let vm = this.#vmOf.get(nic)
    if (vm === undefined) this.#vmOf.set(nic, (vm = nic.slice(0, nic.indexOf(':'))))
    return this.#hostOf(vm)
  }

  amend(topology: Topology): void {
    this.#topology = topology
    this.#reachable.clear()
  }

  break(target: FailureTarget): void {
    if (target.kind === 'host') this.#brokenHosts.add(target.host)
    if (target.kind === 'link') for (const name of bothWays(target.endpoints)) this.#brokenLinks.add(name)
    this.#reachable.clear()
  }

  mend(target: FailureTarget): void {
    if (target.kind === 'host') this.#brokenHosts.delete(target.host)
    if (target.kind === 'link') for (const name of bothWays(target.endpoints)) this.#brokenLinks.delete(name)
    this.#reachable.clear()
  }

  get anythingBroken(): boolean {
    return this.#brokenHosts.size + this.#brokenLinks.size > 0
  }

  /** Whether a place where a frame ended, `h1` or `h1 - tor1`, is one that the scenario has broken. */
  #isBroken(place: string): boolean {
    return this.#brokenLinks.has(place) || this.#brokenHosts.has(place)
  }

  /** Those whom no path leads to any more need not hear what is on its way. */
  noteCutOff(record: Record): void {
    if (!this.anythingBroken) return
    for (const nic of choicesOf(record.ruling).flatMap(({ must }) => must)) {
      if (!record.cutOff.includes(nic) && this.#areCutOff(record.nic, nic)) record.cutOff.push(nic)
    }
  }

  /** Whom the loss of this copy excuses: everybody, or the vNICs named; `byGroups` where security groups have a say. */
  excusedBy(
    { ruling, from }: Record,
    reason: string,
    place: string,
    byGroups: readonly string[] | undefined,
  ): 'all' | readonly string[] {
    if (choicesOf(ruling).some(({ excuses }) => excuses.includes(reason))) return 'all'
    if (byGroups !== undefined) return byGroups
    if (reason === 'rate_limited') return ruling.limited
    if (reason === 'queue_overflow') return this.#excusedByOverflow(place, ruling)
    if (reason === 'link_down') return this.#isBroken(place) ? 'all' : []
    if (reason !== 'user_flow') return []
    const [host] = place.split('/')
    return host === from ? 'all' : ruling.must.filter((nic) => this.hostOf(nic) === host)
  }

  /**
   * Whom a full queue at the place keeps a frame from, as the topology has it: all, where it is a queue of a link; on a host, those there
   * who are limited, and where the host's uplink is shared out, those elsewhere.
   */
  #excusedByOverflow(place: string, { must, limited }: Pick<Ruling, 'must' | 'limited'>): 'all' | readonly string[] {
    const { links } = this.#topology.fabric
    if (links.some(({ endpoints, queues }) => queues !== undefined && bothWays(endpoints).includes(place))) return 'all'
    const host = place.slice(0, place.indexOf('/'))
    const isShared = this.#sharesUplink(host)
    return must.filter((nic) => (this.hostOf(nic) === host ? limited.includes(nic) : isShared))
  }

  #sharesUplink(name: string): boolean {
    const { hosts, networks, vms } = this.#topology
    return (
      hosts.some((host) => host.name === name && host.uplink !== undefined) ||
      networks.some(({ qos }) => qos?.ingressRate !== undefined || qos?.ingressMinimum !== undefined) ||
      vms.some(({ nics }) => nics.some(({ policy }) => policy.ingressMinimum !== undefined))
    )
  }

  /** Whether the scenario has broken every way from one vNIC's guest to the other's. */
  #areCutOff(from: string, to: string): boolean {
    const [source, target] = [this.hostOf(from), this.hostOf(to)]
    if (source === undefined || target === undefined) return true
    return !this.#reachableFrom(source).has(target)
  }

  #reachableFrom(host: string): ReadonlySet<string> {
    let found = this.#reachable.get(host)
    if (found === undefined) this.#reachable.set(host, (found = this.#search(host)))
    return found
  }

  /** Breadth first. Hosts do not forward for others. */
  #search(host: string): ReadonlySet<string> {
    const found = new Set(this.#brokenHosts.has(host) ? [] : [host])
    const hosts = new Set(this.#topology.hosts.map(({ name }) => name))
    for (const node of found) {
      if (hosts.has(node) && node !== host) continue
      for (const { endpoints } of this.#topology.fabric.links) {
        const [a, b] = endpoints
        const next = a === node ? b : b === node ? a : undefined
        if (next === undefined || this.#brokenLinks.has(`${a} - ${b}`) || this.#brokenHosts.has(next)) continue
        found.add(next)
      }
    }
    return found
  }
}

const bothWays = ([a, b]: [string, string]) => [`${a} - ${b}`, `${b} - ${a}`]
