// What happened to VMs' frames that should not have, for the report of their moves. There may be a million of them: of each are kept its
// identity, its instant, and the number of what it was. Who runs without end and asks for no report keeps none.

import type { Nanoseconds } from '../../runtime/clock.ts'
import type { Drop } from './open-records.ts'

const KINDS = ['lost', 'duplicated', 'reordered', 'leaked'] as const
type Kind = (typeof KINDS)[number]

/** What happened, and the frame's sender with those it is about. */
interface What {
  kind: Kind
  nics: readonly string[]
  /** Of one that is lost: what its last copy ended for, as a drop's name, and where; undefined where nobody knows. */
  reason?: string | undefined
  place?: string | undefined
}

export interface Mishap extends What {
  /** The frame's. */
  id: number
  at: Nanoseconds
}

export class Mishaps implements Iterable<Mishap> {
  /** So many of the first are kept. */
  most = Infinity
  readonly #whats: What[] = []
  /** By kind, reason, place and vNICs. */
  readonly #numbers = new Map<string, number>()
  // One for each mishap, in the order in which they were noted.
  readonly #ids: number[] = []
  readonly #instants: Nanoseconds[] = []
  readonly #numberOf: number[] = []

  note(kind: Kind, id: number, at: Nanoseconds, nics: readonly string[], { reason, place }: Partial<Drop> = {}): void {
    if (this.#ids.length >= this.most) return
    const key = `${kind} ${reason} ${place} ${nics.join(' ')}`
    let number = this.#numbers.get(key)
    if (number === undefined) {
      number = this.#whats.push({ kind, nics, reason, place }) - 1
      this.#numbers.set(key, number)
    }
    this.#ids.push(id)
    this.#instants.push(at)
    this.#numberOf.push(number)
  }

  *[Symbol.iterator](): Iterator<Mishap> {
    for (const [index, id] of this.#ids.entries())
      yield { ...this.#whats[this.#numberOf[index]!]!, id, at: this.#instants[index]! }
  }

  /** The first of its kind. */
  first(kind: Kind): Mishap | undefined {
    for (const mishap of this) if (mishap.kind === kind) return mishap
    return undefined
  }

  /** How many of each kind there were that concern the VM, in the time from `from` to `to`. */
  countOf(vm: string, from: Nanoseconds, to: Nanoseconds): Record<Kind, number> {
    const counts = { lost: 0, duplicated: 0, reordered: 0, leaked: 0 }
    const concerns = this.#whats.map(({ nics }) => nics.some((nic) => nic.startsWith(`${vm}:`)))
    for (const [index, at] of this.#instants.entries()) {
      const number = this.#numberOf[index]!
      if (concerns[number] && at >= from && at <= to) counts[this.#whats[number]!.kind]++
    }
    return counts
  }
}
