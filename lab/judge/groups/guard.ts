// The law of security groups: what a vNIC's groups let it say and hear, now that it has said and heard what it has. Of topology, policy and
// frames alone: no flow, no zone and no connection of any switch is looked at.

import type { Nanoseconds } from '../../../runtime/clock.ts'
import type { Topology } from '../../../topologies/topology.ts'
import { Editions } from '../editions.ts'
import { Connections, mayOpen, type Connection, type Direction, type Standing } from './connections.ts'
import { GroupRules } from './rules.ts'
import { describe, isOfTheNetwork, SPEAKS_FOR_ITSELF, type Talk } from './talk.ts'

/** `unsure` where the policy leaves a choice to whoever enforces it. */
export type Opinion = 'allowed' | 'denied' | 'unsure'

/** A frame at the vNIC that it enters at, or that it is to be heard at. */
export interface Passage {
  nic: string
  network: string
  direction: Direction
  at: Nanoseconds
  /** `undefined`: not IP, and of this type. */
  talk: Talk | undefined
  etherType: number
}

export class Guard {
  #topology: Topology
  /** While a change is under way, those before it, too. */
  readonly #rules: Editions<GroupRules>
  /** By vNIC, then network. */
  readonly #books = new Map<string, Map<string, Connections>>()

  constructor(topology: Topology, rules = new GroupRules(topology)) {
    this.#topology = topology
    this.#rules = new Editions(rules)
  }

  /** Nobody is filtered. */
  get isIdle(): boolean {
    return this.#rules.isOne && this.#rules.newest.isEmpty
  }

  isFiltered(nic: string): boolean {
    return this.#rules.some((rules) => rules.groupsOf(nic) !== undefined)
  }

  /** Whether who sends what the vNIC's groups deny is told so. */
  rejects(nic: string): 'yes' | 'perhaps' | 'no' {
    if (!this.#rules.some((rules) => rules.rejects(nic))) return 'no'
    return this.#rules.every((rules) => rules.rejects(nic)) ? 'yes' : 'perhaps'
  }

  /** From here on `topology` is on its way to whoever enforces it: until `amended`, a frame may be treated as before or as it will be. */
  amend(topology: Topology): void {
    const hosts = new Map(this.#topology.vms.map(({ name, host }) => [name, host]))
    this.#topology = topology
    this.#rules.add(new GroupRules(topology))
    // A guest that starts anew elsewhere leaves its connections behind.
    for (const { name, host, nics } of topology.vms)
      if (hosts.get(name) !== host) for (const { id } of nics) this.doubt(id)
    for (const [connection, , outlook] of this.#outlooks()) if (outlook !== 'stays') connection.isCertain = false
  }

  /** Nobody goes by the `count` oldest topologies any more. */
  amended(count: number): void {
    if (count === this.#rules.older.length) {
      for (const [connection, book, outlook] of this.#outlooks()) if (outlook === 'ends') book.forget(connection)
      for (const nic of this.#books.keys()) if (this.#rules.newest.groupsOf(nic) === undefined) this.#books.delete(nic)
    }
    this.#rules.retire(count)
  }

  /** Whoever enforces the vNIC's policy may have forgotten its connections. */
  doubt(nic: string): void {
    for (const book of this.#books.get(nic)?.values() ?? []) book.doubt()
  }

  /** The same for all vNICs of which that is so. */
  doubtAll(isForgotten: (nic: string) => boolean): void {
    for (const nic of this.#books.keys()) if (isForgotten(nic)) this.doubt(nic)
  }

  opinion(passage: Passage): Opinion {
    if (!this.isFiltered(passage.nic)) return 'allowed'
    const now = this.#opinionUnder(this.#rules.newest, passage)
    return this.#rules.older.every((rules) => this.#opinionUnder(rules, passage) === now) ? now : 'unsure'
  }

  /** The frame has passed, or may have; `isCertain`: whoever enforces the vNIC's policy has let it through. */
  passed({ nic, network, talk, direction, at }: Passage, isCertain: boolean): void {
    if (talk === undefined || !this.#isStateful(nic) || isOfTheNetwork(talk, direction) !== 'no') return
    // What a stateless group lets through may be tracked for the others, or not.
    const isTracked = this.#rules.newest.permission(nic, network, talk, direction).stateless === 'no'
    this.#bookOf(nic, network).note(talk, direction, at, isCertain && isTracked)
  }

  /** A frame that was taken to have passed may have ended before. */
  doubtOf({ nic, network, talk, at }: Passage): void {
    if (talk !== undefined) this.#books.get(nic)?.get(network)?.doubtOf(talk, at)
  }

  /** The frame has been refused. */
  refused({ nic, network, talk, at }: Passage): void {
    if (talk !== undefined) this.#books.get(nic)?.get(network)?.refused(talk, at)
  }

  /** For people: why the vNIC may not hear or say it. */
  whyNot({ nic, direction, talk, etherType }: Passage): string {
    const groups = this.#rules.newest.groupsOf(nic) ?? []
    const names = groups.length === 0 ? 'no security group' : groups.map(({ name }) => `'${name}'`).join(', ')
    const type = `Ethernet type 0x${etherType.toString(16).padStart(4, '0')}`
    const what = talk === undefined ? type : `${describe(talk)}, and it is of no known connection`
    return `${nic} is in ${names}: no ${direction} rule for ${what}`
  }

  #opinionUnder(rules: GroupRules, { nic, network, talk, etherType, direction, at }: Passage): Opinion {
    const groups = rules.groupsOf(nic)
    if (groups === undefined) return 'allowed'
    if (talk === undefined) return SPEAKS_FOR_ITSELF.includes(etherType) ? 'allowed' : 'denied'
    const own = isOfTheNetwork(talk, direction)
    if (own === 'yes') return 'allowed'
    const { stateful, stateless } = rules.permission(nic, network, talk, direction)
    const keepsBooks = groups.some((group) => group.stateful)
    const standing = keepsBooks ? (this.#books.get(nic)?.get(network)?.standing(talk, at) ?? 'none') : 'none'
    if (stateless === 'yes') return talk.wholeness === 'whole' ? 'allowed' : 'unsure'
    if (isAllowed(talk, standing, stateful === 'yes')) return 'allowed'
    const isOpen = own === 'perhaps' || stateful !== 'no' || stateless !== 'no' || standing !== 'none'
    return isOpen ? 'unsure' : 'denied'
  }

  #isStateful(nic: string): boolean {
    return this.#rules.some((rules) => rules.groupsOf(nic)?.some(({ stateful }) => stateful) === true)
  }

  #bookOf(nic: string, network: string): Connections {
    let books = this.#books.get(nic)
    if (books === undefined) this.#books.set(nic, (books = new Map()))
    let book = books.get(network)
    if (book === undefined) books.set(network, (book = new Connections()))
    return book
  }

  *#outlooks(): Generator<[Connection, Connections, Outlook]> {
    for (const [nic, books] of this.#books)
      for (const [network, book] of books)
        for (const connection of book) yield [connection, book, this.#outlook(nic, network, connection)]
  }

  /** What becomes of a connection whose rules change. */
  #outlook(nic: string, network: string, { opener, direction }: Connection): Outlook {
    const { newest, older } = this.#rules
    if (newest.permission(nic, network, opener, direction).stateful !== 'no') return 'stays'
    const before = older.flatMap((rules) => rules.permission(nic, network, opener, direction).groups)
    const choices = before.map(({ name, onRuleRemoval }) => newest.group(name)?.onRuleRemoval ?? onRuleRemoval)
    if (!choices.includes('cut')) return 'stays'
    return choices.includes('keep') ? 'open' : 'ends'
  }
}

/** Of a connection that a changed rule had let in: it goes on, it is cut, or its groups do not agree on it. */
type Outlook = 'stays' | 'ends' | 'open'

function isAllowed(talk: Talk, standing: Standing, hasRule: boolean): boolean {
  if (standing === 'member') return true
  if (!hasRule || standing === 'misfit') return false
  return standing === 'opening' || mayOpen(talk) === 'yes'
}
