// Of many flows, the best one for a key: a ternary Patricia trie.
//
// H. Asai, "Palmtrie: A Ternary Key Matching Algorithm for IP Packet Filtering Rules", CoNEXT 2020, without its wide nodes: a
// Patricia trie (Morrison 1968) whose nodes have a third child. Read bit by bit, in the order of WORDS_IN_ORDER, a match is a
// string of digits: 0, 1, or * where its mask has no bit. A node stands for the first position at which the matches below it
// differ and has a child for each digit; positions at which they all agree have no node, so there is at most one node a match.
//
//                      ┌ 0 ─ …0xxx      A key with a 1 at this position goes to child 1, and later to child *; it need not
//   node (position) ───┼ 1 ─ …1xxx      look at what lies below 0.
//                      └ * ─ …*xxx
//
// A look-up goes down the child of the key's own bit first and keeps * for later. What it does not walk:
//  - what has no higher priority than what it found: each node knows the highest priority below it;
//  - what can't match by the bits of the node's word above its position. All matches below agree on them, so the node has them
//    (CHECK_MASK, CHECK_VALUE).
// So it goes down about one path for each pair of address prefixes that the key is in, and rules overlap in few of those (Baboescu,
// Singh and Varghese, "Packet Classification for Core Routers", INFOCOM 2003); how many masks the flows have does not matter.
// Inserting and removing are those of a Patricia trie: one way down, one node more or less.
//
// Which bits the answer depended on. The winner's mask, and for everything that could have beaten it one bit that rules it out: the
// node's bit where the key went another way, one bit where a check failed or a flow was not met. These are noted on the way (`log`)
// and gone through when the winner is known, backwards: what could not have beaten it needs no bit, and a bit already consulted
// often rules out more than one. A key that agrees on these bits meets the winner, and nothing better.
//
// Of several flows of one priority the first on the way answers, as Classifier.lookup has it: digits before *.
//
// Megaflows are kept in one, too (cache/megaflows.ts): they have no priorities, and any that the key meets will do (`any`).
//
// The nodes are numbers in one array, 32 bytes each; per flow there is its priority and the next lower one of the same match.

import { FIELDS, KEY_WORDS } from '../../protocols/fields.ts'
import type { FlowKey } from '../flow-key.ts'
import type { CompactMatch } from '../packed-match.ts'
import { meets, RANK, WORDS_IN_ORDER } from '../packed-match.ts'

// What a node has at which place. A child is the place of a node; ~id of the first flow of a match; or 0, none.
const POSITION = 0
const WORD = 1
/** The highest priority below. */
const BEST = 2
const ZERO = 3
const ONE = 4
const ANY = 5
const CHECK_MASK = 6
const CHECK_VALUE = 7
const NODE_SIZE = 8

const NONE = -1
/** Positions of a key, and so the longest way down. */
const POSITIONS = KEY_WORDS * 32
/** What a trie without flows has; shared and never written to. */
const NO_NODES = new Int32Array(NODE_SIZE)
const NOTHING = new Int32Array(0)

// Of the look-up or the change at hand: there is one at a time.
/** Children left for later. */
const later = new Int32Array(POSITIONS)
/** Nodes on the way to a match, from the root. */
const path = new Int32Array(POSITIONS)
/** Threes: what was not walked, the word and the bits of it that rule it out (for a flow that was not met, the word is NONE). */
const LOG_ENTRY = 3
const log = new Int32Array(LOG_ENTRY * 1024)

/** What a trie is of: flows, or what else has a match. */
export interface TrieEntry extends CompactMatch {
  /** See Flow. */
  readonly clauses?: unknown
}

export class TernaryTrie<Flow extends TrieEntry> {
  #nodes: Int32Array = NO_NODES
  #nodesEnd = NODE_SIZE
  /** Nodes given back: a chain through ZERO. */
  #freeNode = 0
  #root = 0
  /** By id. */
  #flows: (Flow | undefined)[] = []
  #priority: Int32Array = NOTHING
  /** The flow of the same match with the next lower priority; or the next free id. */
  #next: Int32Array = NOTHING
  #freeId = NONE
  #size = 0
  /** Nodes in `path`. */
  #depth = 0
  /** That the last `any` took. */
  steps = 0
  readonly #priorityOf: (flow: Flow) => number

  constructor(priorityOf: (flow: Flow) => number) {
    this.#priorityOf = priorityOf
  }

  get size(): number {
    return this.#size
  }

  *[Symbol.iterator](): Iterator<Flow> {
    for (const flow of this.#flows) if (flow !== undefined) yield flow
  }

  // ---- look-up -----------------------------------------------------------------------------------------------------

  /**
   * The flow without clauses of the highest priority that `key` meets, as Classifier.lookup. Where `soft` is given, those with
   * clauses that are better, and perhaps others, are put into it.
   */
  best(key: FlowKey, consulted: Uint32Array, soft?: Flow[]): Flow | undefined {
    const nodes = this.#nodes
    let best: Flow | undefined
    let floor = NONE
    let left = 0
    let logged = 0
    /** Where in the log the winner was found. */
    let found = 0
    let at = this.#root
    for (;;) {
      if (logged === log.length) {
        this.#ruleOut(key, consulted, floor, 0, logged)
        logged = found = 0
      }
      if (at > 0 && nodes[at + BEST] > floor) {
        const word = nodes[at + WORD]
        const wrong = (key[word] ^ nodes[at + CHECK_VALUE]) & nodes[at + CHECK_MASK]
        if (wrong === 0) {
          const bit = 0x80000000 >>> (nodes[at + POSITION] & 31)
          const digit = (key[word] & bit) === 0 ? ZERO : ONE
          const other = nodes[at + ZERO + ONE - digit]
          if (other !== 0) logged = note(logged, other, word, bit)
          const child = nodes[at + digit]
          const any = nodes[at + ANY]
          if (child !== 0 && any !== 0) later[left++] = any
          at = child === 0 ? any : child
          if (at !== 0) continue
        } else logged = note(logged, at, word, wrong)
      } else if (at < 0 && this.#priority[~at] > floor) {
        const flow = this.#flows[~at]
        if (flow === undefined || !meets(key, flow)) logged = note(logged, at, NONE, 0)
        else if (flow.clauses === undefined) {
          best = flow
          floor = this.#priority[~at]
          found = logged
        } else if (soft !== undefined) {
          soft.push(flow)
          consultMatch(consulted, flow)
        }
      }
      if (left === 0) break
      at = later[--left]
    }
    if (best !== undefined) consultMatch(consulted, best)
    this.#ruleOut(key, consulted, floor, found, logged)
    return best
  }

  /** What was noted before `found` is ruled out where it has this priority or a higher one, the rest where it has a higher one. */
  #ruleOut(key: FlowKey, consulted: Uint32Array, priority: number, found: number, logged: number): void {
    for (let entry = logged - LOG_ENTRY; entry >= 0; entry -= LOG_ENTRY) {
      const child = log[entry]
      const word = log[entry + 1]
      const bits = log[entry + 2]
      if (word !== NONE && (consulted[word] & bits) !== 0) continue
      if (this.#bestOf(child) < (entry < found ? priority : priority + 1)) continue
      if (word !== NONE) consultOne(consulted, word, bits)
      else consultDifference(key, consulted, this.#flows[~child])
    }
  }

  /**
   * Some flow that `key` meets, whatever its priority. Undefined where it meets none, and where none is found within so many
   * steps: nodes and flows that are looked at. `steps` says how many it took.
   */
  any(key: FlowKey, mostSteps: number): Flow | undefined {
    const nodes = this.#nodes
    let left = 0
    let at = this.#root
    let step = 0
    for (; step < mostSteps; step++) {
      if (at > 0) {
        const word = nodes[at + WORD]
        if (((key[word] ^ nodes[at + CHECK_VALUE]) & nodes[at + CHECK_MASK]) === 0) {
          const bit = 0x80000000 >>> (nodes[at + POSITION] & 31)
          const child = nodes[at + ((key[word] & bit) === 0 ? ZERO : ONE)]
          const any = nodes[at + ANY]
          if (child !== 0 && any !== 0) later[left++] = any
          at = child === 0 ? any : child
          if (at !== 0) continue
        }
      } else if (at < 0) {
        const flow = this.#flows[~at]
        if (flow !== undefined && meets(key, flow)) {
          this.steps = step + 1
          return flow
        }
      }
      if (left === 0) break
      at = later[--left]
    }
    this.steps = step
    return undefined
  }

  // ---- changes -----------------------------------------------------------------------------------------------------

  /** As Classifier.insert. */
  insert(flow: Flow): Flow | undefined {
    if (this.#root === 0) {
      this.#root = ~this.#take(flow, NONE)
      return undefined
    }
    const leaf = this.#nearest(flow)
    const nearest = this.#flows[~leaf]
    const position = nearest === undefined ? NONE : firstDifference(flow, nearest)
    if (nearest === undefined || position === NONE) return this.#insertBeside(leaf, flow)
    // The way to the nearest match is the way to this one as far as they are the same.
    let below = leaf
    while (this.#depth > 0 && this.#nodes[path[this.#depth - 1] + POSITION] >= position) below = path[--this.#depth]
    if (below < 0 || this.#nodes[below + POSITION] > position) {
      const node = this.#makeNode(flow, position)
      this.#nodes[node + digitAt(nearest, position)] = below
      this.#nodes[node + BEST] = this.#bestOf(below)
      this.#replace(below, node)
      below = node
    }
    path[this.#depth++] = below
    this.#nodes[below + digitAt(flow, position)] = ~this.#take(flow, NONE)
    const priority = this.#priorityOf(flow)
    for (let depth = 0; depth < this.#depth; depth++)
      if (this.#nodes[path[depth] + BEST] < priority) this.#nodes[path[depth] + BEST] = priority
    return undefined
  }

  /** Takes out this very flow; false where it was not there. */
  remove(flow: Flow): boolean {
    const leaf = this.#leafOf(flow)
    if (leaf === 0) return false
    let before = NONE
    let id = ~leaf
    while (id !== NONE && this.#flows[id] !== flow) {
      before = id
      id = this.#next[id]
    }
    if (id === NONE) return false
    const next = this.#next[id]
    this.#release(id)
    if (before !== NONE) this.#next[before] = next
    else {
      if (next !== NONE) this.#replace(leaf, ~next)
      else this.#removeLeaf(leaf)
      this.#refreshBest()
    }
    if (this.#size === 0) this.#forgetAll()
    return true
  }

  /** The flow of exactly this match and priority. */
  find(match: CompactMatch, priority: number): Flow | undefined {
    const leaf = this.#leafOf(match)
    if (leaf === 0) return undefined
    let id = ~leaf
    while (id !== NONE && this.#priority[id] > priority) id = this.#next[id]
    return id !== NONE && this.#priority[id] === priority ? this.#flows[id] : undefined
  }

  /** The flow that has the same match as `flow`, which is in here, and the next lower priority. */
  below(flow: Flow): Flow | undefined {
    const leaf = this.#leafOf(flow)
    if (leaf === 0) return undefined
    const priority = this.#priorityOf(flow)
    let id = ~leaf
    while (id !== NONE && this.#priority[id] >= priority) id = this.#next[id]
    return id === NONE ? undefined : this.#flows[id]
  }

  /** Into the chain of its match, which hangs from the end of `path`. */
  #insertBeside(leaf: number, flow: Flow): Flow | undefined {
    const priority = this.#priorityOf(flow)
    let before = NONE
    let id = ~leaf
    while (id !== NONE && this.#priority[id] > priority) {
      before = id
      id = this.#next[id]
    }
    if (id !== NONE && this.#priority[id] === priority) {
      const replaced = this.#flows[id]
      this.#flows[id] = flow
      return replaced
    }
    const fresh = this.#take(flow, id)
    if (before !== NONE) this.#next[before] = fresh
    else {
      this.#replace(leaf, ~fresh)
      this.#refreshBest()
    }
    return undefined
  }

  /** From the node at the end of `path`; a node that has one child left gives way to it. */
  #removeLeaf(leaf: number): void {
    this.#replace(leaf, 0)
    if (this.#depth === 0) return
    const nodes = this.#nodes
    const node = path[this.#depth - 1]
    const zero = nodes[node + ZERO]
    const one = nodes[node + ONE]
    const any = nodes[node + ANY]
    if (Number(zero !== 0) + Number(one !== 0) + Number(any !== 0) > 1) return
    this.#depth--
    this.#replace(node, zero + one + any)
    nodes[node + ZERO] = this.#freeNode
    this.#freeNode = node
  }

  /** `child` of the node at the end of `path`, or the root, becomes `by`. */
  #replace(child: number, by: number): void {
    if (this.#depth === 0) {
      this.#root = by
      return
    }
    const node = path[this.#depth - 1]
    for (let digit = ZERO; digit <= ANY; digit++)
      if (this.#nodes[node + digit] === child) this.#nodes[node + digit] = by
  }

  /** Along `path`, from its end, as far as anything changes. */
  #refreshBest(): void {
    const nodes = this.#nodes
    for (let depth = this.#depth - 1; depth >= 0; depth--) {
      const node = path[depth]
      const zero = this.#bestOf(nodes[node + ZERO])
      const one = this.#bestOf(nodes[node + ONE])
      const best = Math.max(zero, one, this.#bestOf(nodes[node + ANY]))
      if (best === nodes[node + BEST] && depth < this.#depth - 1) return
      nodes[node + BEST] = best
    }
  }

  #bestOf(child: number): number {
    if (child > 0) return this.#nodes[child + BEST]
    return child === 0 ? NONE : this.#priority[~child]
  }

  /** Where exactly this match stands, or 0; leaves the way in `path`. */
  #leafOf(match: CompactMatch): number {
    const leaf = this.#nearest(match)
    const flow = this.#flows[~leaf]
    return flow !== undefined && firstDifference(match, flow) === NONE ? leaf : 0
  }

  /** A match that agrees with this one for as long as any does, or 0 where there is none at all; leaves the way in `path`. */
  #nearest(match: CompactMatch): number {
    const nodes = this.#nodes
    let at = this.#root
    this.#depth = 0
    while (at > 0) {
      path[this.#depth++] = at
      const child = nodes[at + digitAt(match, nodes[at + POSITION])]
      at = child !== 0 ? child : nodes[at + ZERO] || nodes[at + ONE] || nodes[at + ANY]
    }
    return at
  }

  // ---- memory ------------------------------------------------------------------------------------------------------

  /** A node without children for matches that agree with this one before `position`. */
  #makeNode(match: CompactMatch, position: number): number {
    let node = this.#freeNode
    if (node !== 0) this.#freeNode = this.#nodes[node + ZERO]
    else {
      if (this.#nodesEnd === this.#nodes.length) this.#nodes = grown(this.#nodes)
      node = this.#nodesEnd
      this.#nodesEnd += NODE_SIZE
    }
    const word = WORDS_IN_ORDER[position >>> 5]
    const above = (position & 31) === 0 ? 0 : -1 << (32 - (position & 31))
    const index = match.mask.words.indexOf(word)
    const nodes = this.#nodes
    nodes[node + POSITION] = position
    nodes[node + WORD] = word
    nodes[node + ZERO] = nodes[node + ONE] = nodes[node + ANY] = 0
    nodes[node + CHECK_MASK] = index < 0 ? 0 : match.mask.bits[index] & above
    nodes[node + CHECK_VALUE] = index < 0 ? 0 : match.values[index] & above
    return node
  }

  #take(flow: Flow, next: number): number {
    let id = this.#freeId
    if (id !== NONE) this.#freeId = this.#next[id]
    else {
      id = this.#flows.length
      if (id === this.#priority.length) {
        this.#priority = grown(this.#priority)
        this.#next = grown(this.#next)
      }
    }
    this.#flows[id] = flow
    this.#priority[id] = this.#priorityOf(flow)
    this.#next[id] = next
    this.#size++
    return id
  }

  #release(id: number): void {
    this.#flows[id] = undefined
    this.#next[id] = this.#freeId
    this.#freeId = id
    this.#size--
  }

  #forgetAll(): void {
    this.#nodes = NO_NODES
    this.#priority = this.#next = NOTHING
    this.#nodesEnd = NODE_SIZE
    this.#freeNode = this.#root = 0
    this.#freeId = NONE
    this.#flows = []
  }
}

/** Half as large again, and a whole number of nodes. */
function grown(numbers: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array((((numbers.length * 3) >>> 1) + NODE_SIZE) & -NODE_SIZE)
  larger.set(numbers)
  return larger
}

// ---- digits ----------------------------------------------------------------------------------------------------------

function digitAt({ mask: { words, bits }, values }: CompactMatch, position: number): number {
  const word = WORDS_IN_ORDER[position >>> 5]
  for (let index = 0; index < words.length; index++) {
    if (words[index] !== word) continue
    if (bits[index] << (position & 31) >= 0) return ANY
    return values[index] << (position & 31) < 0 ? ONE : ZERO
  }
  return ANY
}

/** The first position at which two matches have different digits; NONE where they are the same. */
function firstDifference(a: CompactMatch, b: CompactMatch): number {
  const shorter = Math.min(a.values.length, b.values.length)
  for (let index = 0; index < shorter; index++) {
    const rankA = RANK[a.mask.words[index]]
    const rankB = RANK[b.mask.words[index]]
    const maskA = rankA <= rankB ? a.mask.bits[index] : 0
    const maskB = rankB <= rankA ? b.mask.bits[index] : 0
    const different = (maskA ^ maskB) | ((a.values[index] ^ b.values[index]) & maskA & maskB)
    if (different !== 0) return Math.min(rankA, rankB) * 32 + Math.clz32(different)
  }
  if (a.values.length === b.values.length) return NONE
  const { words, bits } = (a.values.length > shorter ? a : b).mask
  return RANK[words[shorter]] * 32 + Math.clz32(bits[shorter])
}

// ---- consulted bits --------------------------------------------------------------------------------------------------

/** Words of addresses and ports, which are given out from the top, and their bits. */
const prefixes = new Int32Array(KEY_WORDS)
for (const { name, word, bits } of FIELDS) {
  if (!/_(src|dst|sha|tha|sll|tll|spa|tpa|target)$/.test(name)) continue
  const words = Math.ceil(bits / 32)
  prefixes.fill(-1, word, word + words)
  if (bits % 32 !== 0) prefixes[word] = (1 << (bits % 32)) - 1
}

function note(logged: number, child: number, word: number, bits: number): number {
  log[logged] = child
  log[logged + 1] = word
  log[logged + 2] = bits
  return logged + LOG_ENTRY
}

function consultMatch(consulted: Uint32Array, { mask: { words, bits } }: CompactMatch): void {
  for (let index = 0; index < words.length; index++) consulted[words[index]] |= bits[index]
}

/**
 * The first of `bits`; in an address or a port all before it too. That makes hardly any megaflow narrower, and leaves them about
 * a third of the masks.
 */
function consultOne(consulted: Uint32Array, word: number, bits: number): void {
  const first = 0x80000000 >>> Math.clz32(bits)
  consulted[word] |= first | (prefixes[word] & -first)
}

/** A bit in which the key differs from the match, unless one is consulted already. */
function consultDifference(key: FlowKey, consulted: Uint32Array, match: CompactMatch | undefined): void {
  if (match === undefined) return
  const { mask, values } = match
  let first = NONE
  for (let index = values.length - 1; index >= 0; index--) {
    const word = mask.words[index]
    const wrong = (key[word] ^ values[index]) & mask.bits[index]
    if ((wrong & consulted[word]) !== 0) return
    if (wrong !== 0) first = index
  }
  if (first === NONE) return
  const word = mask.words[first]
  consultOne(consulted, word, (key[word] ^ values[first]) & mask.bits[first])
}
