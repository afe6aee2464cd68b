// Which addresses and ports a new connection is given: Open vSwitch's `nat_get_unique_tuple` (lib/conntrack.c). A choice must
// leave the replies of every connection apart from those of all others.

import { IpProtocol } from '../../protocols/match.ts'
import type { Random } from '../../runtime/random.ts'
import type { Tuple } from './connection.ts'
import { keyOf, reversed } from './connection.ts'
import type { NatRequest } from './tracker.ts'

/** Tuples that are tried for one connection, at most: a few addresses, so that a flood that has used them up costs no time. */
const MAX_ATTEMPTS = 1024
/** Ports that are tried in a row. Then half as many from elsewhere, and so on down to the fewest, as Open vSwitch and Linux do. */
const MAX_ROW = 128
const FEWEST_IN_ROW = 16
const MAX_SPAN = 0xffffffff

/** A request's addresses in a form that needs no big numbers, worked out once. */
interface AddressRange {
  family: 4 | 6
  first: readonly number[]
  span: number
}

interface PortRange {
  /** Tried first; may lie outside. */
  start: number
  min: number
  max: number
}

export class NatChooser {
  readonly #random: Random
  readonly #basis: number
  readonly #taken: (reply: Tuple) => boolean
  readonly #ranges = new WeakMap<NatRequest, AddressRange>()
  #attempts = 0

  /** `taken` says whether replies of some connection look like this already. */
  constructor(random: Random, taken: (reply: Tuple) => boolean) {
    this.#random = random
    this.#basis = random.uint32()
    this.#taken = taken
  }

  /** What the replies to `original` shall look like; undefined where all is taken. */
  choose(original: Tuple, request: NatRequest, zone: number): Tuple | undefined {
    const hash = request.algorithm === 'random' ? this.#random.uint32() : this.#hash(keyOf(original, zone))
    const range = this.#addresses(request)
    const { first, span } = range?.family === original.family ? range : keepAddress(original, request)
    const begin = (request.persistent ? this.#hash(String(addressOf(original, request))) : hash) % span
    this.#attempts = MAX_ATTEMPTS
    for (let tried = 0; tried < span && this.#attempts > 0; tried++) {
      const address = plus(first, (begin + tried) % span)
      const reply = { ...reversed(original), [request.direction === 'src' ? 'destination' : 'source']: address }
      if (this.#choosePorts(reply, original, request, hash)) return reply
    }
    return undefined
  }

  #hash(text: string): number {
    let hash = this.#basis
    for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
    return (hash ^ (hash >>> 15)) >>> 0
  }

  /** Undefined: none asked for. All zeros ask for none, too. */
  #addresses(request: NatRequest): AddressRange | undefined {
    const { addresses } = request
    if (!addresses || addresses.first === 0n) return undefined
    const known = this.#ranges.get(request)
    if (known) return known
    const { family, first, last } = addresses
    const bits = family === 4 ? 32 : 128
    const words = Array.from({ length: bits / 32 }, (_, word) =>
      Number((first >> BigInt(bits - 32 * (word + 1))) & 0xffffffffn),
    )
    const difference = last - first
    const span = difference < 0n ? 1 : difference >= BigInt(MAX_SPAN) ? MAX_SPAN : Number(difference) + 1
    const range: AddressRange = { family, first: words, span }
    this.#ranges.set(request, range)
    return range
  }

  /** Only TCP and UDP have ports that may be changed. */
  #choosePorts(reply: Tuple, original: Tuple, request: NatRequest, hash: number): boolean {
    if (original.protocol !== IpProtocol.Tcp && original.protocol !== IpProtocol.Udp) {
      this.#attempts--
      return !this.#taken(reply)
    }
    if (request.direction === 'dst' && request.ports) {
      const range = within(request.ports, hash)
      if (this.#search(reply, 'sourcePort', range)) return true
      reply.sourcePort = range.start
    }
    const wanted = request.direction === 'src' ? request.ports : undefined
    const range = wanted ? within(wanted, hash) : similarPorts(original.sourcePort)
    return this.#search(reply, 'destinationPort', range)
  }

  #search(reply: Tuple, port: 'sourcePort' | 'destinationPort', { start, min, max }: PortRange): boolean {
    const outside = start < min || start > max
    const all = max - min + (outside ? 2 : 1)
    let candidate = start
    for (let row = MAX_ROW; row >= FEWEST_IN_ROW; row /= 2) {
      for (let left = Math.min(row, all); left > 0 && this.#attempts > 0; left--) {
        this.#attempts--
        reply[port] = candidate
        if (!this.#taken(reply)) return true
        candidate = candidate < min || candidate >= max ? min : candidate + 1
      }
      if (all <= row) return false
      candidate = min + this.#random.below(max - min + 1)
    }
    return false
  }
}

const addressOf = (original: Tuple, { direction }: NatRequest) =>
  Array.from(direction === 'src' ? original.source : original.destination)

const keepAddress = (original: Tuple, request: NatRequest): AddressRange => ({
  family: original.family,
  first: addressOf(original, request),
  span: 1,
})

/** `first` and `offset` more. */
function plus(first: readonly number[], offset: number): number[] {
  const words = [...first]
  let carry = offset
  for (let word = words.length - 1; word >= 0; word--) {
    const sum = words[word] + carry
    words[word] = sum >>> 0
    carry = sum > 0xffffffff ? 1 : 0
  }
  return words
}

const within = ({ first, last }: { first: number; last: number }, hash: number): PortRange => ({
  start: first + (hash % (Math.max(last - first, 0) + 1)),
  min: first,
  max: Math.max(first, last),
})

/** Another source port is as privileged as the one it stands for, which is tried first. */
function similarPorts(port: number): PortRange {
  if (port < 512) return { start: port, min: 1, max: 511 }
  return port < 1024 ? { start: port, min: 600, max: 1023 } : { start: port, min: 1024, max: 65535 }
}
