// Frames of one flow and length look alike to the judge: what was seen of one is kept for the next, with the ruling it got.
// Kept are those of IPv4 with ports, whose looks depend on eight words; of any other frame each is looked at anew.

import type { Law, Ruling } from './law.ts'
import { look, type Sight } from './sight.ts'

/** A look at a frame, and what the law said when a vNIC sent one like it. */
export interface Seen {
  readonly sight: Sight
  law: Law | undefined
  nic: string
  ruling: Ruling | undefined
}

const WORDS = 8
const FIRST_PLACES = 1 << 10
const MOST_PLACES = 1 << 16
const TAGGED = 1 << 30

export class SightBook {
  /** One place for each hash: of two flows that meet there, the later one stays. */
  #seen: (Seen | undefined)[] = []
  #words = new Int32Array(0)
  #taken = 0
  /** What the frame's looks depend on. */
  readonly #key = new Int32Array(WORDS)
  #view: DataView = new DataView(new ArrayBuffer(0))

  constructor() {
    this.#resize(FIRST_PLACES)
  }

  /** Looks at the frame in `bytes` from `start` to `end`; undefined where it has no whole Ethernet header. */
  look(bytes: Uint8Array, start: number, end: number): Seen | undefined {
    if (!this.#readKey(bytes, start, end)) return lookAnew(bytes, start, end)
    const place = this.#place()
    const known = this.#seen[place]
    if (known !== undefined && this.#isAt(place)) return known
    const seen = lookAnew(bytes, start, end)
    if (seen !== undefined) this.#remember(place, seen)
    return seen
  }

  /** False for a frame whose looks depend on more than the key. */
  #readKey(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start < 42) return false
    if (this.#view.buffer !== bytes.buffer) this.#view = new DataView(bytes.buffer)
    const view = this.#view
    const at = bytes.byteOffset + start
    const tagged = view.getUint16(at + 12) === 0x8100
    const network = tagged ? at + 18 : at + 14
    // IPv4, a header of 20 bytes, no fragment.
    if (view.getUint16(network - 2) !== 0x0800 || view.getUint8(network) !== 0x45) return false
    const protocol = view.getUint8(network + 9)
    if ((view.getUint16(network + 6) & 0x3fff) !== 0 || (protocol !== 17 && protocol !== 6)) return false
    const key = this.#key
    key[0] = view.getInt32(at)
    key[1] = view.getInt32(at + 4)
    key[2] = view.getInt32(at + 8)
    key[3] = (tagged ? view.getUint16(at + 14) << 16 : 0) | (view.getUint8(network + 1) << 8) | protocol
    key[4] = (end - start) | (tagged ? TAGGED : 0)
    key[5] = view.getInt32(network + 12)
    key[6] = view.getInt32(network + 16)
    key[7] = view.getInt32(network + 20)
    return true
  }

  #place(): number {
    const key = this.#key
    let hash = 0x811c9dc5
    for (let word = 0; word < WORDS; word++) hash = Math.imul(hash ^ key[word]!, 0x9e3779b1) ^ (hash >>> 15)
    return (hash ^ (hash >>> 16)) & (this.#seen.length - 1)
  }

  #isAt(place: number): boolean {
    const first = place * WORDS
    for (let word = 0; word < WORDS; word++) if (this.#words[first + word] !== this.#key[word]) return false
    return true
  }

  #remember(place: number, seen: Seen): void {
    if (this.#seen[place] === undefined && ++this.#taken * 2 > this.#seen.length && this.#seen.length < MOST_PLACES) {
      this.#resize(this.#seen.length * 4)
      place = this.#place()
      this.#taken++
    }
    this.#seen[place] = seen
    this.#words.set(this.#key, place * WORDS)
  }

  /** A larger book begins empty. */
  #resize(places: number): void {
    this.#seen = Array.from({ length: places }, () => undefined)
    this.#words = new Int32Array(places * WORDS)
    this.#taken = 0
  }
}

function lookAnew(bytes: Uint8Array, start: number, end: number): Seen | undefined {
  const sight = look(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end))
  return sight && { sight, law: undefined, nic: '', ruling: undefined }
}
