// Frames of one flow and length look alike to the judge: what was seen of one is kept for the next, with the ruling it got.
// Kept are those of IPv4 with ports, by all of their headers that a flow could match, so that no switch can tell them apart; of
// any other frame each is looked at anew.

import { VXLAN_PORT } from '../../protocols/packet/vxlan.ts'
import type { Entry, Mapper } from '../frame-map.ts'
import type { Ruling } from './law.ts'
import type { Laws } from './laws.ts'
import { look, type Sight } from './sight.ts'
import type { SteadyKind } from './steady-kinds.ts'

/** A look at a frame, and what the laws said when a vNIC sent one like it. */
export interface Seen {
  readonly sight: Sight
  laws: Laws | undefined
  nic: string
  ruling: Ruling | undefined
  /** See steady-kinds.ts. */
  steady: SteadyKind | undefined
  /** Where `mapper` lets them in. */
  mapper: Mapper | undefined
  entry: Entry | undefined
}

const WORDS = 10
const FIRST_PLACES = 1 << 10
const MOST_PLACES = 1 << 18
const PROBES = 8
const TAGGED = 1 << 30
const UDP = 17
const TCP = 6

export class SightBook {
  /** By hash, in one of a few places from there on: where all are taken, one of those gives way. */
  #seen: (Seen | undefined)[] = []
  #words = new Int32Array(0)
  #taken = 0
  #turn = 0
  /** What the frame's looks depend on. */
  readonly #key = new Int32Array(WORDS)
  #view: DataView = new DataView(new ArrayBuffer(0))

  constructor() {
    this.#resize(FIRST_PLACES)
  }

  /** Looks at the frame in `bytes` from `start` to `end`; undefined where it has no whole Ethernet header. */
  look(bytes: Uint8Array, start: number, end: number): Seen | undefined {
    if (!this.#readKey(bytes, start, end)) return lookAnew(bytes, start, end)
    const first = this.#firstPlace()
    const mask = this.#seen.length - 1
    for (let step = 0; step < PROBES; step++) {
      const place = (first + step) & mask
      const known = this.#seen[place]
      if (known === undefined) return this.#remember(place, bytes, start, end)
      if (this.#isAt(place)) return known
    }
    return this.#remember((first + (this.#turn++ % PROBES)) & mask, bytes, start, end)
  }

  /** False for a frame whose looks depend on more than the key. */
  #readKey(bytes: Uint8Array, start: number, end: number): boolean {
    const length = end - start
    if (length < 42) return false
    if (this.#view.buffer !== bytes.buffer) this.#view = new DataView(bytes.buffer)
    const view = this.#view
    const at = bytes.byteOffset + start
    const tagged = view.getUint16(at + 12) === 0x8100
    const network = tagged ? at + 18 : at + 14
    // IPv4, a header of 20 bytes, no fragment.
    if (view.getUint16(network - 2) !== 0x0800 || view.getUint8(network) !== 0x45) return false
    const protocol = view.getUint8(network + 9)
    if ((view.getUint16(network + 6) & 0x3fff) !== 0 || (protocol !== UDP && protocol !== TCP)) return false
    const room = at + length - network - 20
    if (room < (protocol === TCP ? 20 : 8)) return false
    // What is behind the headers of a tunnel's frame matters, too.
    if (protocol === UDP && view.getUint16(network + 22) === VXLAN_PORT) return false
    const key = this.#key
    key[0] = view.getInt32(at)
    key[1] = view.getInt32(at + 4)
    key[2] = view.getInt32(at + 8)
    key[3] = (tagged ? view.getUint16(at + 14) << 16 : 0) | (view.getUint8(network + 1) << 8) | protocol
    key[4] = length | (tagged ? TAGGED : 0)
    key[5] = view.getInt32(network + 12)
    key[6] = view.getInt32(network + 16)
    key[7] = view.getInt32(network + 20)
    key[8] = (view.getUint16(network + 2) << 16) | view.getUint8(network + 8)
    // The length of a datagram, or the length of a TCP header and its flags.
    key[9] = view.getUint16(network + (protocol === UDP ? 24 : 32))
    return true
  }

  #firstPlace(): number {
    const key = this.#key
    const ends = Math.imul(key[5]!, 0x9e3779b1) ^ Math.imul(key[6]!, 0x85ebca6b)
    const rest = Math.imul(key[7]!, 0xc2b2ae35) ^ Math.imul(key[2]! ^ key[4]!, 0x27d4eb2f)
    const others = Math.imul(key[0]! ^ key[9]!, 0x165667b1) ^ Math.imul(key[1]! ^ key[3]! ^ key[8]!, 0xd6e8feb9)
    const hash = Math.imul(ends ^ (ends >>> 15) ^ rest ^ others, 0x2c1b3c6d)
    return (hash ^ (hash >>> 16)) & (this.#seen.length - 1)
  }

  #isAt(place: number): boolean {
    const first = place * WORDS
    const words = this.#words
    const key = this.#key
    for (let word = 0; word < WORDS; word++) if (words[first + word] !== key[word]) return false
    return true
  }

  #remember(place: number, bytes: Uint8Array, start: number, end: number): Seen | undefined {
    const seen = lookAnew(bytes, start, end)
    if (seen === undefined) return undefined
    if (this.#seen[place] === undefined) this.#taken++
    this.#seen[place] = seen
    this.#words.set(this.#key, place * WORDS)
    if (this.#taken * 2 > this.#seen.length && this.#seen.length < MOST_PLACES) this.#resize(this.#seen.length * 4)
    return seen
  }

  /** A larger book begins empty. */
  #resize(places: number): void {
    this.#seen = new Array<undefined>(places).fill(undefined)
    this.#words = new Int32Array(places * WORDS)
    this.#taken = 0
  }
}

function lookAnew(bytes: Uint8Array, start: number, end: number): Seen | undefined {
  const sight = look(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end))
  if (sight === undefined) return undefined
  return { sight, laws: undefined, nic: '', ruling: undefined, steady: undefined, mapper: undefined, entry: undefined }
}
