// What every frame needs of its megaflow: 64 octets that stand together, a line of the processor's cache. One megaflow of 100,000
// that were met in turn has to be fetched from memory; as an object it would be six or seven such waits, and so it is one.
//
//   | number | exit | effort | marks | TCP flags | … 32-bit integers |  | as of change | packets | bytes | used at  64-bit floats |

import type { Nanoseconds } from '../../runtime/clock.ts'

const INTS = 16
const NUMBER = 0
const EXIT = 1
const EFFORT = 2
const MARKS = 3
const TCP_FLAGS = 4

const FLOATS = 8
const AS_OF = 4
const PACKETS = 5
const BYTES = 6
const USED_AT = 7

/** Bits that a record has. */
export const Mark = {
  /** There is something to tell of it. */
  News: 1,
  /** Its frames bring something about, beside being counted. */
  Effects: 2,
  /** They are TCP, as far as is known. */
  Tcp: 4,
  /** What they bring about may change the answer for the next of them. */
  Lasting: 8,
} as const

/** By place: a small integer from 1 on. Place 0 stands for none. */
export class Records {
  #ints = new Int32Array(INTS * 64)
  #floats = new Float64Array(this.#ints.buffer)

  /** Nothing is counted yet. */
  put(
    place: number,
    { number, exit, effort, marks }: { number: number; exit: number; effort: number; marks: number },
    asOf: number,
    now: Nanoseconds,
  ): void {
    while (place * INTS >= this.#ints.length) this.#double()
    const ints = this.#ints
    ints.fill(0, place * INTS, (place + 1) * INTS)
    ints[place * INTS + NUMBER] = number
    ints[place * INTS + EXIT] = exit
    ints[place * INTS + EFFORT] = effort
    ints[place * INTS + MARKS] = marks
    this.setAsOf(place, asOf)
    this.#floats[place * FLOATS + USED_AT] = now
  }

  remove(place: number): void {
    this.#ints[place * INTS + NUMBER] = 0
  }

  /** Of the megaflow there; 0 where there is none. */
  number(place: number): number {
    return this.#ints[place * INTS + NUMBER]
  }

  /** See exits.ts. */
  exit(place: number): number {
    return this.#ints[place * INTS + EXIT]
  }

  effort(place: number): number {
    return this.#ints[place * INTS + EFFORT]
  }

  has(place: number, mark: number): boolean {
    return (this.#ints[place * INTS + MARKS] & mark) !== 0
  }

  asOf(place: number): number {
    return this.#floats[place * FLOATS + AS_OF]
  }

  setAsOf(place: number, change: number): void {
    this.#floats[place * FLOATS + AS_OF] = change
  }

  packets(place: number): number {
    return this.#floats[place * FLOATS + PACKETS]
  }

  bytes(place: number): number {
    return this.#floats[place * FLOATS + BYTES]
  }

  usedAt(place: number): Nanoseconds {
    return this.#floats[place * FLOATS + USED_AT]
  }

  tcpFlags(place: number): number {
    return this.#ints[place * INTS + TCP_FLAGS]
  }

  addTcpFlags(place: number, flags: number): void {
    this.#ints[place * INTS + TCP_FLAGS] |= flags
  }

  /** Counts frames, the last of them at `usedAt`; they may come out of the order of their instants. Whether that is the first thing to tell. */
  count(place: number, packets: number, bytes: number, usedAt: Nanoseconds): boolean {
    const floats = this.#floats
    floats[place * FLOATS + PACKETS] += packets
    floats[place * FLOATS + BYTES] += bytes
    if (usedAt > floats[place * FLOATS + USED_AT]) floats[place * FLOATS + USED_AT] = usedAt
    const marks = this.#ints[place * INTS + MARKS]
    if ((marks & Mark.News) !== 0) return false
    this.#ints[place * INTS + MARKS] = marks | Mark.News
    return true
  }

  /** All that is to tell of it has been told. */
  told(place: number): void {
    this.#ints[place * INTS + MARKS] &= ~Mark.News
  }

  #double(): void {
    const larger = new Int32Array(this.#ints.length * 2)
    larger.set(this.#ints)
    this.#ints = larger
    this.#floats = new Float64Array(larger.buffer)
  }
}
