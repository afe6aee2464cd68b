// What two TCP ends say to each other, as one in the middle sees it: random walks through connections, in which the ends keep to RFC 9293
// while the network loses, delays and repeats; and what comes in between that no honest end sends.

import { tcpFrame } from '../../../protocols/packet/compose.ts'
import { TcpFlag } from '../../../protocols/packet/tcp.ts'
import type { Random } from '../../../runtime/random.ts'
import { oneOf } from '../../support/frames.ts'

export type End = 0 | 1

export interface WalkedSegment {
  from: End
  flags: number
  sequence: number
  acknowledgement: number
  /** As in the header. */
  window: number
  length: number
  /** Of a SYN: its window scale option. */
  scale: number | undefined
  /** What no honest end sends. */
  isWild: boolean
}

const { Fin, Syn, Rst, Psh, Ack } = TcpFlag
const MOST_WINDOW = 0xffff

const minus = (a: number, b: number) => (a - b) | 0
const plus = (a: number, b: number) => (a + b) >>> 0

/** One end: its own numbers, and what it knows of the other. */
class TcpEnd {
  readonly side: End
  readonly #random: Random
  readonly scale: number | undefined
  readonly window: number
  #next: number
  #acknowledged: number
  /** The next number that it expects of the other; undefined until a SYN has come. */
  expected: number | undefined
  #otherScale: number | undefined
  #mayReach = 0
  hasSyn = false
  hasFin = false
  /** The other has told that it has got what is said before. */
  isEstablished = false
  isReset = false
  readonly #unacknowledged: WalkedSegment[] = []

  constructor(side: End, random: Random, options: { scale: number | undefined; window: number }) {
    this.side = side
    this.#random = random
    this.scale = options.scale
    this.window = options.window
    this.#next = oneOf(random, [random.uint32(), random.uint32(), 0xffff_fff0])
    this.#acknowledged = this.#next
  }

  get isOver(): boolean {
    return this.isReset || (this.hasFin && this.#unacknowledged.length === 0)
  }

  #segment(flags: number, length = 0): WalkedSegment {
    const isSyn = (flags & Syn) !== 0
    const scales = !isSyn && this.scale !== undefined && this.#otherScale !== undefined
    const said: WalkedSegment = {
      from: this.side,
      flags: this.expected === undefined ? flags : flags | Ack,
      sequence: this.#next,
      acknowledgement: this.expected ?? 0,
      window: scales ? Math.min(this.window >>> this.scale!, MOST_WINDOW) : Math.min(this.window, MOST_WINDOW),
      length,
      // An answer offers it only where it was offered (RFC 7323 §2.2).
      scale: isSyn && (this.expected === undefined || this.#otherScale !== undefined) ? this.scale : undefined,
      isWild: false,
    }
    const taken = length + ((flags & (Syn | Fin)) === 0 ? 0 : 1)
    this.#next = plus(this.#next, taken)
    if (taken > 0) this.#unacknowledged.push(said)
    return said
  }

  /** What it says next, of its own accord or since it was told something; undefined for nothing. */
  say(): WalkedSegment | undefined {
    const random = this.#random
    if (this.isReset) return undefined
    if (!this.hasSyn) {
      this.hasSyn = true
      return this.#segment(Syn)
    }
    const [oldest] = this.#unacknowledged
    if (oldest !== undefined && random.below(4) === 0) return this.#again(oldest)
    if (!this.isEstablished) return oldest && this.#again(oldest)
    const luck = random.below(20)
    if (luck === 0) return this.#reset()
    if (this.hasFin || luck < 8) return this.#segment(0)
    if (luck < 11) return this.#finish()
    if (luck === 11) return { ...this.#segment(0), sequence: plus(this.#next, -1) }
    return this.#data()
  }

  /** Once more, with what is known by now. */
  #again(said: WalkedSegment): WalkedSegment {
    if (this.expected === undefined) return said
    return { ...said, flags: said.flags | Ack, acknowledgement: this.expected }
  }

  #data(): WalkedSegment | undefined {
    const room = Math.min(1400, minus(this.#mayReach, this.#next))
    return room <= 0 ? undefined : this.#segment(Psh, 1 + this.#random.below(room))
  }

  #finish(): WalkedSegment | undefined {
    if (minus(this.#mayReach, this.#next) <= 0) return undefined
    this.hasFin = true
    return this.#segment(Fin)
  }

  #reset(): WalkedSegment {
    this.isReset = true
    return this.#segment(Rst)
  }

  /** Takes what has come; says whether it is to be acknowledged. */
  hear({ flags, sequence, acknowledgement, window, length, scale }: WalkedSegment): boolean {
    if (this.isReset) return false
    if ((flags & Rst) !== 0) {
      this.isReset = true
      return false
    }
    if ((flags & Syn) !== 0 && this.expected === undefined) {
      this.expected = plus(sequence, 1)
      this.#otherScale = scale
    } else if (this.expected === undefined) return false
    else if (sequence === this.expected && (flags & Syn) === 0)
      this.expected = plus(sequence, length + ((flags & Fin) === 0 ? 0 : 1))
    if (
      (flags & Ack) !== 0 &&
      minus(acknowledgement, this.#acknowledged) >= 0 &&
      minus(this.#next, acknowledgement) >= 0
    ) {
      this.#acknowledged = acknowledgement
      const shift = (flags & Syn) === 0 && this.scale !== undefined ? (this.#otherScale ?? 0) : 0
      this.#mayReach = plus(acknowledgement, window * 2 ** shift)
      if (this.hasSyn && this.#unacknowledged.some((said) => (said.flags & Syn) !== 0 && this.#isAcknowledged(said)))
        this.isEstablished = true
      while (this.#unacknowledged[0] !== undefined && this.#isAcknowledged(this.#unacknowledged[0]))
        this.#unacknowledged.shift()
    }
    return length > 0 || (flags & (Syn | Fin)) !== 0
  }

  #isAcknowledged({ sequence, length, flags }: WalkedSegment): boolean {
    return minus(this.#acknowledged, plus(sequence, length + ((flags & (Syn | Fin)) === 0 ? 0 : 1))) >= 0
  }
}

/** What comes between, made of a segment that was seen. */
type Strays = (random: Random, seen: WalkedSegment) => WalkedSegment[]

/** Of one pair of addresses and ports; a second connection may follow when the first is over. */
export function tcpWalk(random: Random, { strays, length }: { strays: Strays; length: number }): WalkedSegment[] {
  const seen: WalkedSegment[] = []
  const late: WalkedSegment[] = []
  const scales = random.below(3) > 0
  const fresh = (side: End) =>
    new TcpEnd(side, random, {
      scale: scales || random.below(3) === 0 ? random.below(11) : undefined,
      window: oneOf(random, [500, 4000, 65_535, 65_535, 1_000_000]),
    })
  const ends: [TcpEnd, TcpEnd] = [fresh(0), fresh(1)]
  const opensBoth = random.below(10) === 0
  const pass = (segment: WalkedSegment) => {
    seen.push(segment)
    if (segment.isWild || random.below(12) === 0) return
    const other = ends[segment.from === 0 ? 1 : 0]
    if (other.hear(segment) && random.below(3) > 0) send(other.say())
  }
  const send = (segment: WalkedSegment | undefined) => {
    if (segment === undefined || seen.length >= length) return
    const luck = random.below(40)
    if (luck === 0) return
    if (luck === 1) late.push(segment)
    else pass(segment)
  }
  for (let turn = 0; turn < 4 * length && seen.length < length; turn++) {
    const side: End = random.below(2) === 0 ? 0 : 1
    const end = ends[side]
    if (late.length > 0 && random.below(3) === 0) pass(late.shift()!)
    if (seen.length > 0 && random.below(8) === 0) strays(random, oneOf(random, seen.slice(-6))).forEach(pass)
    if (side === 1 && !end.hasSyn && end.expected === undefined && !opensBoth) continue
    send(end.say())
  }
  return seen
}

const FLAGS = [
  Syn,
  Syn | Ack,
  Ack,
  Fin | Ack,
  Rst,
  Rst | Ack,
  Fin,
  0,
  Syn | Fin,
  Syn | Rst,
  Fin | Rst | Ack,
  Psh | Ack,
] as const
const OFF = [1, -1, 100, -100, 5000, -5000, 70_000, -70_000, 2_000_000, -2_000_000, 1 << 30]

const FAR_AHEAD = [3_000_000, 1 << 29, 1 << 30]

/** No ends but honest ones. */
export const noStrays: Strays = () => []

/**
 * Data ahead of all windows that a walk has. (Of an empty segment Open vSwitch does not look at the sequence number, and what is
 * behind the window newer kernels let pass.)
 */
export const farStrays: Strays = (random, seen) =>
  seen.length === 0 || seen.isWild
    ? []
    : [{ ...seen, isWild: true, sequence: plus(seen.sequence, oneOf(random, FAR_AHEAD)) }]

/** Any, with something else in it. */
export const wildStrays: Strays = (random, seen) => {
  const wild = { ...seen, isWild: true }
  const kind = random.below(5)
  if (kind === 0) wild.flags = oneOf(random, FLAGS)
  if (kind === 1 || kind === 4) wild.sequence = plus(wild.sequence, oneOf(random, OFF))
  if (kind === 2 || kind === 4) wild.acknowledgement = plus(wild.acknowledgement, oneOf(random, OFF))
  if (kind === 3) wild.from = wild.from === 0 ? 1 : 0
  if (random.below(4) === 0) wild.window = oneOf(random, [0, 1, 65_535])
  if ((wild.flags & Syn) === 0) wild.scale = undefined
  return [wild]
}

const A = { ethSrc: 0x020000000002n, ethDst: 0x020000000001n, srcPort: 40_000, dstPort: 80 }
const ENDS = {
  4: [0x0a000001, 0x0a000101],
  6: [0xfd00_0000_0000_0000_0000_0000_0000_0001n, 0xfd01_0000_0000_0000_0000_0000_0000_0001n],
} as const

/** Of one pair of addresses and ports. */
export function framesOf(walk: readonly WalkedSegment[], family: 4 | 6): Uint8Array[] {
  const [near, far] = ENDS[family]
  const outward = { ...A, ipSrc: near, ipDst: far }
  const back = { ...A, ipSrc: far, ipDst: near, srcPort: A.dstPort, dstPort: A.srcPort }
  return walk.map(({ from, flags, sequence, acknowledgement, window, length, scale }) =>
    tcpFrame({
      ...(from === 0 ? outward : back),
      flags,
      sequence,
      acknowledgement,
      window,
      payload: new Uint8Array(length),
      options:
        scale === undefined
          ? []
          : [
              { kind: 1, data: new Uint8Array(0) },
              { kind: 3, data: Uint8Array.of(scale) },
            ],
    }),
  )
}
