// What has changed of late. A megaflow's answer holds as of one change; before it is given again, the changes since are held
// against what it was made from: for ports, groups and addresses it is known when each changed last; of flows, the last ones are gone through.
// A change that touches nothing of an answer costs some comparisons, once; one that might, a question to the pipeline, which then says
// whether it did. So nobody searches the cache when a flow comes or goes, and an answer is never given once it is out of date.

import { Word } from '../../protocols/fields.ts'
import type { Flow } from '../flow.ts'
import type { TableLookup } from './dependencies.ts'
import { WRITTEN, addressName } from './dependencies.ts'
import type { Megaflow } from './megaflow.ts'

export type Change =
  /** It has come or gone, or has other actions. */
  | { type: 'flow'; flow: Flow }
  | { type: 'port'; port: number }
  | { type: 'group'; group: number }
  /** The address is seen elsewhere, or nowhere. */
  | { type: 'address'; vlan: number; mac: number }
  | { type: 'everything' }

type Answered = Pick<Megaflow, 'dependencies' | 'values' | 'mask'>

/** Flows that came or went which are remembered. To ask the pipeline takes less time than to go through more. */
const REMEMBERED = 64
/** Addresses and groups of which it is known when they changed last. */
const MOST_STAMPS = 1 << 16

export class Changes {
  /** How many there were. */
  count = 0
  /** Which of them was the last of its kind; of everything, of any port. */
  #everything = 0
  #anyPort = 0
  readonly #ports = new Map<number, number>()
  readonly #groups = new Map<number, number>()
  readonly #addresses = new Map<number, number>()
  readonly #tables = new Map<number, number>()
  /** The last flows that changed, and when. */
  readonly #flows: Flow[] = []
  readonly #flowStamps: number[] = []
  #flowCount = 0

  note(change: Change): void {
    this.count++
    switch (change.type) {
      case 'flow':
        return this.#noteFlow(change.flow)
      case 'port':
        this.#anyPort = this.count
        return this.#stamp(this.#ports, change.port)
      case 'group':
        return this.#stamp(this.#groups, change.group)
      case 'address':
        return this.#stamp(this.#addresses, addressName(change.vlan, change.mac))
      case 'everything':
        this.#everything = this.count
    }
  }

  /** Whether the megaflow's answer, which held as of that change, may be another now, for any of its frames. */
  touch(megaflow: Answered, asOf: number): boolean {
    const { dependencies } = megaflow
    return (
      this.#everything > asOf ||
      (dependencies.onAllPorts && this.#anyPort > asOf) ||
      isAnyNewer(this.#ports, dependencies.ports, asOf) ||
      isAnyNewer(this.#groups, dependencies.groups, asOf) ||
      isAnyNewer(this.#addresses, dependencies.addresses, asOf) ||
      this.#flowsTouch(megaflow, asOf)
    )
  }

  #noteFlow(flow: Flow): void {
    const place = this.#flowCount++ % REMEMBERED
    this.#flows[place] = flow
    this.#flowStamps[place] = this.count
    this.#tables.set(flow.spec.table, this.count)
  }

  /** One by one they are as many as there have ever been; so now and then, everything is taken as changed. */
  #stamp(stamps: Map<number, number>, name: number): void {
    if (stamps.size >= MOST_STAMPS) {
      stamps.clear()
      this.#everything = this.count
    }
    stamps.set(name, this.count)
  }

  #flowsTouch(megaflow: Answered, asOf: number): boolean {
    const lookups = megaflow.dependencies.lookups.filter(({ number }) => (this.#tables.get(number) ?? 0) > asOf)
    if (lookups.length === 0) return false
    const oldest = Math.max(0, this.#flowCount - REMEMBERED)
    for (let index = this.#flowCount - 1; index >= oldest; index--) {
      const place = index % REMEMBERED
      if (this.#flowStamps[place] <= asOf) return false
      const flow = this.#flows[place]
      if (lookups.some((lookup) => lookup.number === flow.spec.table && couldMeet(flow, lookup, megaflow))) return true
    }
    return oldest > 0
  }
}

function isAnyNewer(stamps: ReadonlyMap<number, number>, names: readonly number[], asOf: number): boolean {
  for (let index = 0; index < names.length; index++) if ((stamps.get(names[index]) ?? 0) > asOf) return true
  return false
}

/**
 * Whether the flow could match what was looked up, for some frame of the megaflow. All have the bits of the mask in common, and
 * what was written to the key since; of a conjunction's number nothing is known.
 */
function couldMeet({ mask: { words, bits }, values }: Flow, { written }: TableLookup, megaflow: Answered): boolean {
  const { mask } = megaflow
  for (let index = 0; index < words.length; index++) {
    const word = words[index]
    if (word === Word.conjunctionId) continue
    const place = mask.words.indexOf(word)
    let common = place < 0 ? 0 : mask.bits[place]
    let seen = place < 0 ? 0 : megaflow.values[place]
    for (let at = 0; at < written.length; at += WRITTEN) {
      if (written[at] !== word) continue
      seen = written[at + 1]
      common |= written[at + 2]
    }
    if (((seen ^ values[index]) & bits[index] & common) !== 0) return false
  }
  return true
}
