import { KEY_WORDS, Word } from '../../protocols/fields.ts'
import type { Flow } from '../flow.ts'
import type { FlowKey } from '../flow-key.ts'
import type { Classifier } from './classifier.ts'
import { conjunctionsHeld } from './conjunctions.ts'

/** All flows of one mask, by hash of the masked key. */
class Group {
  readonly mask: Uint32Array
  highestPriority = -1
  size = 0
  /** The words in which the mask has bits. */
  readonly #words: number[] = []
  /** Flows of one hash, highest priority first. */
  readonly #buckets = new Map<number, Flow[]>()
  /** How many flows have each priority. */
  readonly #priorities = new Map<number, number>()

  constructor(mask: Uint32Array) {
    this.mask = mask
    for (let word = 0; word < KEY_WORDS; word++) if (mask[word] !== 0) this.#words.push(word)
  }

  insert(flow: Flow): void {
    const hash = this.#hash(flow.value)
    const bucket = this.#buckets.get(hash)
    const { priority } = flow.spec
    if (bucket === undefined) this.#buckets.set(hash, [flow])
    else {
      const after = bucket.findIndex((other) => other.spec.priority < priority)
      bucket.splice(after < 0 ? bucket.length : after, 0, flow)
    }
    this.size++
    this.#priorities.set(priority, (this.#priorities.get(priority) ?? 0) + 1)
    if (priority > this.highestPriority) this.highestPriority = priority
  }

  remove(flow: Flow): boolean {
    const hash = this.#hash(flow.value)
    const bucket = this.#buckets.get(hash)
    const at = bucket?.indexOf(flow) ?? -1
    if (bucket === undefined || at < 0) return false
    bucket.splice(at, 1)
    if (bucket.length === 0) this.#buckets.delete(hash)
    this.size--
    this.#forgetPriority(flow.spec.priority)
    return true
  }

  find(value: Uint32Array, priority: number): Flow | undefined {
    return this.#buckets
      .get(this.#hash(value))
      ?.find((flow) => flow.spec.priority === priority && this.#agrees(value, flow.value))
  }

  /** The first flow of this mask that `key` meets whose priority is above `floor`. */
  lookup(key: FlowKey, floor: number): Flow | undefined {
    const bucket = this.#buckets.get(this.#hash(key))
    if (bucket === undefined) return undefined
    for (const flow of bucket) {
      if (flow.spec.priority <= floor) return undefined
      if (this.#agrees(key, flow.value)) return flow
    }
    return undefined
  }

  /** The flow that has the same match as `flow` and the next lower priority. */
  below(flow: Flow): Flow | undefined {
    const { priority } = flow.spec
    return this.#buckets
      .get(this.#hash(flow.value))
      ?.find((other) => other.spec.priority < priority && this.#agrees(flow.value, other.value))
  }

  consult(consulted: Uint32Array): void {
    for (const word of this.#words) consulted[word] |= this.mask[word]
  }

  *[Symbol.iterator](): Iterator<Flow> {
    for (const bucket of this.#buckets.values()) yield* bucket
  }

  #agrees(key: FlowKey, value: Uint32Array): boolean {
    for (const word of this.#words) if ((key[word] & this.mask[word]) >>> 0 !== value[word]) return false
    return true
  }

  #hash(key: FlowKey): number {
    let hash = 0
    for (const word of this.#words) hash = mix(hash, key[word] & this.mask[word])
    return hash
  }

  #forgetPriority(priority: number): void {
    const left = this.#priorities.get(priority)! - 1
    if (left > 0) this.#priorities.set(priority, left)
    else this.#priorities.delete(priority)
    if (left === 0 && priority === this.highestPriority) this.highestPriority = Math.max(-1, ...this.#priorities.keys())
  }
}

/** One round of MurmurHash3. */
function mix(hash: number, word: number): number {
  let mixed = Math.imul(word, 0xcc9e2d51)
  mixed = Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593)
  mixed ^= hash
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0
}

const names = new WeakMap<Uint32Array, string>()

/** Text that two masks share if and only if they are equal. Worked out once for each array: matches share theirs. */
function maskName(mask: Uint32Array): string {
  let name = names.get(mask)
  if (name === undefined) names.set(mask, (name = mask.join()))
  return name
}

export class TupleSpace implements Classifier {
  readonly #groups = new Map<string, Group>()
  /** By highest priority, then by age. */
  #ranked: Group[] = []
  #size = 0
  /** Flows with clauses of conjunctive matches. Where there are none, nobody pays for them. */
  #conjunctive = 0

  get size(): number {
    return this.#size
  }

  insert(flow: Flow): Flow | undefined {
    const group = this.#groupOf(flow.mask)
    const replaced = group.find(flow.value, flow.spec.priority)
    if (replaced) this.#forget(replaced, group)
    this.#size++
    if (flow.clauses) this.#conjunctive++
    const rank = group.highestPriority
    group.insert(flow)
    if (group.highestPriority !== rank) this.#rank()
    return replaced
  }

  remove(flow: Flow): boolean {
    const name = maskName(flow.mask)
    const group = this.#groups.get(name)
    const rank = group?.highestPriority
    if (group === undefined || !this.#forget(flow, group)) return false
    if (group.size === 0) this.#groups.delete(name)
    if (group.highestPriority !== rank) this.#rank()
    return true
  }

  find(value: Uint32Array, mask: Uint32Array, priority: number): Flow | undefined {
    return this.#groups.get(maskName(mask))?.find(value, priority)
  }

  lookup(key: FlowKey, consulted: Uint32Array): Flow | undefined {
    if (this.#conjunctive === 0) return this.#best(key, consulted)
    const soft: Flow[] = []
    const hard = this.#best(key, consulted, soft)
    return soft.length === 0 ? hard : this.#conjoin(key, consulted, soft, hard)
  }

  /** The best flow without clauses; those with clauses that are better than it, and perhaps others, are put into `soft`. */
  #best(key: FlowKey, consulted: Uint32Array, soft?: Flow[]): Flow | undefined {
    let best: Flow | undefined
    let floor = -1
    for (const group of this.#ranked) {
      if (group.highestPriority <= floor) break
      group.consult(consulted)
      const found = group.lookup(key, floor)
      if (found === undefined) continue
      if (found.clauses !== undefined) {
        soft?.push(found)
        continue
      }
      best = found
      floor = found.spec.priority
    }
    return best
  }

  /**
   * Tries the flows with clauses, priority by priority, as long as they are better than `hard`. A flow whose conjunction came to
   * nothing gives way to the one of the same match and the next lower priority.
   */
  #conjoin(key: FlowKey, consulted: Uint32Array, soft: Flow[], hard: Flow | undefined): Flow | undefined {
    for (;;) {
      const floor = hard?.spec.priority ?? -1
      const better = soft.filter(({ spec }) => spec.priority > floor)
      if (better.length === 0) return hard
      const highest = Math.max(...better.map(({ spec }) => spec.priority))
      const met = better.filter(({ spec }) => spec.priority === highest)
      const answer = this.#answerTo(key, consulted, met)
      if (answer) return answer
      soft = better.filter(({ spec }) => spec.priority < highest)
      for (const flow of met) {
        const below = this.#groups.get(maskName(flow.mask))?.below(flow)
        if (below?.clauses !== undefined) soft.push(below)
        else if (below && below.spec.priority > (hard?.spec.priority ?? -1)) hard = below
      }
    }
  }

  #answerTo(key: FlowKey, consulted: Uint32Array, met: readonly Flow[]): Flow | undefined {
    const before = key[Word.conjunctionId]
    let answer: Flow | undefined
    for (const id of conjunctionsHeld(met)) {
      key[Word.conjunctionId] = id
      answer = this.#best(key, consulted)
      if (answer) break
    }
    key[Word.conjunctionId] = before
    return answer
  }

  *[Symbol.iterator](): Iterator<Flow> {
    for (const group of this.#groups.values()) yield* group
  }

  #forget(flow: Flow, group: Group): boolean {
    if (!group.remove(flow)) return false
    this.#size--
    if (flow.clauses) this.#conjunctive--
    return true
  }

  #groupOf(mask: Uint32Array): Group {
    const name = maskName(mask)
    const known = this.#groups.get(name)
    if (known) return known
    const group = new Group(mask)
    this.#groups.set(name, group)
    return group
  }

  #rank(): void {
    this.#ranked = [...this.#groups.values()].sort((a, b) => b.highestPriority - a.highestPriority)
  }
}
