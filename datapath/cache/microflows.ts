// The exact-match cache: which megaflow frames of one shape (frame-shape.ts) go by that come in by one way.
//
// What is compared is not the whole header but the bits that any megaflow of this way consulted: the union of their masks. A port
// whose flows look at nothing but in_port has one entry, whatever comes; one that looks at 5-tuples has one for each. So what
// a published exact-match cache keeps in 100,000 entries is often one here, and a hit is one probe in any case.
//
//   slot:  | megaflow's number, 0 where empty | when it was used last | the union's words of the frame … |
//
// A frame's words are read where they stand, four octets at a time, in the machine's byte order. Four neighbouring slots make a
// set, and an entry may be in either of two sets: in the second where the first was full. Where both are, the one of the eight
// that was used least lately gives way, so a flood of new flows does not drive out those that are in use. When a megaflow's mask has bits that the union has not, the union grows and all slots are emptied: that happens
// once for each kind of mask.

import { KEY_WORDS } from '../../protocols/fields.ts'
import type { FrameArena } from '../frames.ts'
import { SHAPED_BYTES, markBytes } from './frame-shape.ts'
import { finished, mixed } from './hash.ts'
import type { MegaflowMask } from './megaflow-mask.ts'

/** Slots at first; how many make a set. */
const FEWEST = 1 << 8
const WAYS = 4
/** Where an entry may be: in its first set, and in its second. */
const CHOICES = 2 * WAYS
/** Words of most unions, and of the narrowest: those that a smaller one has not compare nothing. */
const FEW = 4

const NUMBER = 0
const USED = 1
const HEAD = 2

/** Behind the bits of a frame there are none. */
const NO_BITS = SHAPED_BYTES + 4

/** The words of the frame that was looked up last. */
const words = new Int32Array(SHAPED_BYTES)

/** Slots that the microflows of a switch may take, beside the first few of each. */
export class SlotBudget {
  readonly first: number
  #left: number

  /** A power of two, four or more. */
  constructor(slots: number) {
    this.first = Math.min(FEWEST, slots)
    this.#left = slots - this.first
  }

  /** Whether there were so many. */
  take(slots: number): boolean {
    if (slots > this.#left) return false
    this.#left -= slots
    return true
  }

  giveBack(slots: number): void {
    this.#left += slots
  }
}

export class Microflows {
  hits = 0
  readonly #shape: number
  readonly #budget: SlotBudget
  /** Bits of the flow key that the union has. */
  readonly #covered = new Uint32Array(KEY_WORDS)
  /** Bits of a frame that the union has. */
  readonly #bits = new Uint8Array(SHAPED_BYTES + 8)
  /** Where each of the union's words is read, and what of it. */
  #places = new Int32Array(FEW)
  #masks = new Int32Array(FEW)
  #stride = HEAD + FEW
  #slots: Int32Array
  #lastSlot: number
  #size = 0
  /** Goes up as slots are filled. */
  #age = 0

  constructor(shape: number, budget: SlotBudget) {
    this.#shape = shape
    this.#budget = budget
    this.#lastSlot = budget.first - 1
    this.#slots = new Int32Array(this.#stride * (this.#lastSlot + 1))
  }

  get size(): number {
    return this.#size
  }

  /** They are not used any more: others may have their slots. */
  release(): void {
    this.#budget.giveBack(this.#lastSlot + 1 - this.#budget.first)
  }

  /**
   * Puts the numbers of the megaflows that the frames from `start` to `end` go by into `numbers`, 0 for what is not known, and says
   * whether all are the same. All frames are of this shape.
   */
  findAll(arena: FrameArena, frames: Int32Array, start: number, end: number, numbers: Int32Array): boolean {
    if (this.#masks.length === FEW) return this.#findAllOfFew(arena, frames, start, end, numbers)
    const { view, offset } = arena
    let different = 0
    let before = 0
    for (let index = start; index < end; index++) {
      const number = this.#find(view, offset[frames[index]])
      numbers[index] = number
      if (index > start) different |= number ^ before
      before = number
    }
    return different === 0
  }

  /** The same as `#find` for a union of four words, without a loop for words. */
  #findAllOfFew(
    { view, offset }: FrameArena,
    frames: Int32Array,
    start: number,
    end: number,
    numbers: Int32Array,
  ): boolean {
    const slots = this.#slots
    const lastSlot = this.#lastSlot
    const age = this.#age
    const [place0, place1, place2, place3] = this.#places
    const [mask0, mask1, mask2, mask3] = this.#masks
    let different = 0
    let before = 0
    for (let index = start; index < end; index++) {
      const at = offset[frames[index]]
      const a = view.getInt32(at + place0, true) & mask0
      const b = view.getInt32(at + place1, true) & mask1
      const c = view.getInt32(at + place2, true) & mask2
      const d = view.getInt32(at + place3, true) & mask3
      const hash = finished(mixed(mixed(mixed(mixed(0, a), b), c), d))
      let number = 0
      for (let choice = 0; choice < CHOICES; choice++) {
        const slot = (slotOf(hash, choice) & lastSlot) * (HEAD + FEW)
        if (slots[slot + 2] !== a || slots[slot + 3] !== b || slots[slot + 4] !== c || slots[slot + 5] !== d) continue
        number = slots[slot + NUMBER]
        if (number === 0) continue
        if (slots[slot + USED] !== age) slots[slot + USED] = age
        break
      }
      numbers[index] = number
      if (index > start) different |= number ^ before
      before = number
    }
    return different === 0
  }

  #find(view: DataView, at: number): number {
    const slots = this.#slots
    const hash = this.#hash(view, at)
    for (let choice = 0; choice < CHOICES; choice++) {
      const slot = (slotOf(hash, choice) & this.#lastSlot) * this.#stride
      if (slots[slot + NUMBER] === 0 || !this.#isAt(slot)) continue
      slots[slot + USED] = this.#age
      return slots[slot + NUMBER]
    }
    return 0
  }

  /** Remembers that frames like the one at `at` go by the megaflow of this number and mask. */
  insert(view: DataView, at: number, number: number, mask: MegaflowMask): void {
    if (!this.#covers(mask)) this.#cover(mask)
    if (2 * this.#size > this.#lastSlot && this.#budget.take(this.#lastSlot + 1)) this.#grow()
    this.#put(this.#hash(view, at), number)
  }

  #isAt(slot: number): boolean {
    const slots = this.#slots
    const count = this.#masks.length
    for (let index = 0; index < count; index++) if (slots[slot + HEAD + index] !== words[index]) return false
    return true
  }

  /** Leaves the frame's words in `words`. */
  #hash(view: DataView, at: number): number {
    const places = this.#places
    const masks = this.#masks
    let hash = 0
    for (let index = 0; index < masks.length; index++) {
      const word = view.getInt32(at + places[index], true) & masks[index]
      words[index] = word
      hash = mixed(hash, word)
    }
    return finished(hash)
  }

  /** Puts what is in `words` into one of its sets. */
  #put(hash: number, number: number): void {
    const slots = this.#slots
    let place = -1
    for (let choice = 0; choice < CHOICES; choice++) {
      const slot = (slotOf(hash, choice) & this.#lastSlot) * this.#stride
      if (slots[slot + NUMBER] !== 0 && this.#isAt(slot)) {
        slots[slot + NUMBER] = number
        return
      }
      if (place < 0 || this.#isWorthLess(slot, place)) place = slot
    }
    if (slots[place + NUMBER] === 0) this.#size++
    this.#age = (this.#age + 1) | 0
    slots[place + NUMBER] = number
    slots[place + USED] = this.#age
    const count = this.#masks.length
    for (let index = 0; index < count; index++) slots[place + HEAD + index] = words[index]
  }

  #isWorthLess(slot: number, other: number): boolean {
    const slots = this.#slots
    if (slots[other + NUMBER] === 0) return false
    return slots[slot + NUMBER] === 0 || this.#age - slots[slot + USED] > this.#age - slots[other + USED]
  }

  #covers(mask: MegaflowMask): boolean {
    for (let index = 0; index < mask.words.length; index++)
      if ((mask.bits[index] & ~this.#covered[mask.words[index]]) !== 0) return false
    return true
  }

  /** A word that had too few bits before is taken whole: it would grow bit by bit if somebody wanted it to. */
  #cover(mask: MegaflowMask): void {
    const before = this.#bits.slice()
    for (const [index, word] of mask.words.entries()) {
      const known = this.#covered[word]
      const wanted = mask.bits[index]
      const bits = known === 0 || (wanted & ~known) === 0 ? wanted : 0xffffffff
      this.#covered[word] |= bits
      markBytes(this.#shape, word, bits, this.#bits)
    }
    if (before.some((octet, at) => octet !== this.#bits[at])) this.#layOut()
  }

  /** The union is another: works out which words to read, and starts anew. */
  #layOut(): void {
    const bits = new DataView(this.#bits.buffer)
    const places: number[] = []
    for (let at = 0; at < SHAPED_BYTES; at++) {
      if (this.#bits[at] === 0) continue
      places.push(at)
      at += 3
    }
    const width = Math.max(places.length, FEW)
    this.#places = Int32Array.from({ length: width }, (_, index) => places[index] ?? 0)
    this.#masks = Int32Array.from({ length: width }, (_, index) => bits.getInt32(places[index] ?? NO_BITS, true))
    this.#stride = HEAD + width
    this.#slots = new Int32Array(this.#stride * (this.#lastSlot + 1))
    this.#size = 0
  }

  #grow(): void {
    const old = this.#slots
    this.#lastSlot = 2 * this.#lastSlot + 1
    this.#slots = new Int32Array(2 * old.length)
    this.#size = 0
    const count = this.#masks.length
    for (let slot = 0; slot < old.length; slot += this.#stride) {
      if (old[slot + NUMBER] === 0) continue
      let hash = 0
      for (let index = 0; index < count; index++) hash = mixed(hash, (words[index] = old[slot + HEAD + index]))
      this.#put(finished(hash), old[slot + NUMBER])
    }
  }
}

/** The slot of an entry's choice, before it is cut to as many bits as there are: its first set's four, then its second set's. */
function slotOf(hash: number, choice: number): number {
  const set = choice < WAYS ? hash : (hash << 16) | (hash >>> 16)
  return set ^ (choice & (WAYS - 1))
}
