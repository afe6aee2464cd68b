// What a switch has answered of late, as though a cache had kept it: for people who ask `dpctl/dump-flows`.

import { Word, KEY_WORDS } from '../../protocols/fields.ts'
import { IpProtocol } from '../../protocols/match.ts'
import type { Clock, Nanoseconds } from '../../runtime/clock.ts'
import { SECOND } from '../../runtime/clock.ts'
import type { DatapathAction } from '../datapath-actions.ts'
import type { FlowKey } from '../flow-key.ts'
import type { Frozen } from '../pipeline/freeze.ts'
import type { Translation } from '../pipeline/translation.ts'
import type { AnswerObserver } from '../switch.ts'
import { maskOf } from './megaflow-mask.ts'
import { formatActions } from './odp-actions.ts'
import { formatOdpFlow } from './odp-flow.ts'

/** Open vSwitch's: what was not used for so long goes (`max-idle`), and there are no more of them (`flow-limit`). */
const MAX_IDLE = 10 * SECOND
const MAX_MEGAFLOWS = 200_000

interface Megaflow {
  key: FlowKey
  mask: FlowKey
  recirculation: number
  bare: boolean
  actions: readonly DatapathAction[]
  packets: number
  bytes: number
  usedAt: Nanoseconds
  /** TCP flags of all its frames. */
  flags: number
}

export class MegaflowRecord implements AnswerObserver {
  readonly #clock: Clock
  /** In the order of last use: the idlest first. */
  readonly #megaflows = new Map<string, Megaflow>()
  readonly #numbers = new WeakMap<Frozen, number>()
  /** By what was frozen: frames that are frozen alike go on under one number. */
  readonly #alike = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    this.#expire()
    return this.#megaflows.size
  }

  answered(key: FlowKey, { actions, consulted }: Translation, length: number, frozen: Frozen | undefined): void {
    const recirculation = frozen === undefined ? 0 : this.#numberOf(frozen)
    const mask = maskOf(key, consulted, frozen !== undefined)
    const name = `${recirculation}:${nameOf(key, mask)}`
    const now = this.#clock.now()
    const known = this.#megaflows.get(name)
    this.#megaflows.delete(name)
    const megaflow: Megaflow = known ?? {
      key: key.slice(),
      mask,
      recirculation,
      bare: frozen?.bare ?? false,
      actions,
      packets: 0,
      bytes: 0,
      usedAt: now,
      flags: 0,
    }
    megaflow.actions = actions
    megaflow.packets++
    megaflow.bytes += length
    megaflow.usedAt = now
    if (key[Word.protocol] === IpProtocol.Tcp) megaflow.flags |= key[Word.tcpFlags]
    this.#megaflows.set(name, megaflow)
    if (this.#megaflows.size > MAX_MEGAFLOWS) this.#expire(1)
  }

  /** A line for each, the idlest first, in the layout of `ovs-appctl dpctl/dump-flows`. */
  dump(): string[] {
    this.#expire()
    const now = this.#clock.now()
    return [...this.#megaflows.values()].map((megaflow) => {
      const { key, mask, recirculation, bare, packets, bytes, usedAt, flags, actions } = megaflow
      const done = formatActions(actions, { key, recirculation: (frozen) => this.#numberOf(frozen) })
      const used = `${((now - usedAt) / SECOND).toFixed(3).replace(/\.?0+$/, '') || '0'}s`
      const seen = flags === 0 ? '' : `, flags:${formatTcpFlags(flags)}`
      const match = formatOdpFlow(key, mask, recirculation, bare)
      return `${match}, packets:${packets}, bytes:${bytes}, used:${used}${seen}, actions:${done}`
    })
  }

  /** Those whose time is up go, and `surplus` more. */
  #expire(surplus = 0): void {
    const limit = this.#clock.now() - MAX_IDLE
    for (const [name, { usedAt }] of this.#megaflows) {
      if (usedAt > limit && surplus-- <= 0) return
      this.#megaflows.delete(name)
    }
    if (this.#megaflows.size === 0) this.#alike.clear()
  }

  #numberOf(frozen: Frozen): number {
    const known = this.#numbers.get(frozen)
    if (known !== undefined) return known
    const name = nameOfFrozen(frozen)
    if (this.#alike.size >= MAX_MEGAFLOWS) this.#alike.clear()
    const number = this.#alike.get(name) ?? ++this.#last
    this.#alike.set(name, number)
    this.#numbers.set(frozen, number)
    return number
  }

  #last = 0
}

function nameOf(key: FlowKey, mask: FlowKey): string {
  let name = ''
  for (let word = 0; word < KEY_WORDS; word++)
    if (mask[word] !== 0) name += `${word}.${((key[word] & mask[word]) >>> 0).toString(36)}/${mask[word].toString(36)},`
  return name
}

/** Where the frame goes on, with what is known of it. */
function nameOfFrozen({ table, lists, metadata, queue }: Frozen): string {
  const places = lists.map((list) => `${list.table}.${list.next}.${list.flow?.spec.priority}.${list.flow?.spec.cookie}`)
  const known = [...metadata].flatMap((word, index) => (word === 0 ? [] : [`${index}.${word.toString(36)}`]))
  return `${table}:${places.join()}:${known.join()}:${queue}`
}

const TCP_FLAGS = ['F', 'S', 'R', 'P', '.', 'U', 'E', 'C']

/** As tcpdump does: `S.` for SYN and ACK. */
const formatTcpFlags = (flags: number) => TCP_FLAGS.filter((_, bit) => (flags >> bit) & 1).join('')
