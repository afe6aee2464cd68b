// A TCP connection as the judge follows it, from the segments that it knows to have passed: RFC 9293's handshake and windows, as one in the
// middle sees them. It says yes only where nobody who follows the rules could say no, and leaves the rest open.

import { ACK, FIN, RST, SYN, type Segment } from './talk.ts'

/** One end of a connection. */
interface End {
  /** It has sent something. */
  hasSpoken: boolean
  /** The sequence number after the last that it has sent. */
  next: number
  /** The same of what takes sequence numbers: where an empty segment stands, not everybody looks. */
  spent: number
  /** The sequence number up to which the other end lets it send; undefined where it has not said. */
  limit: number | undefined
  /** The largest window that it has announced, in bytes. */
  window: number
  scale: number
  hasEnded: boolean
}

/**
 * `repeated`: the opening segment once more. `ahead`: it acknowledges what the other end is not known to have sent, as when that is still held
 * back somewhere. `open`: anything else of which it is for whoever enforces the policy to say whether it belongs.
 */
export type Fit = 'fits' | 'repeated' | 'ahead' | 'open'

/** How far behind an acknowledgement may be, in windows' own units. */
const FAR_BEHIND = 0xffff

const difference = (a: number, b: number) => (a - b) | 0
const atMost = (a: number, b: number) => difference(a, b) <= 0

const newEnd = (): End => ({
  hasSpoken: false,
  next: 0,
  spent: 0,
  limit: undefined,
  window: 0,
  scale: -1,
  hasEnded: false,
})

export class TcpCourse {
  /** The end that opened it, and the other. */
  readonly #ends: readonly [End, End] = [newEnd(), newEnd()]
  /** All of it has been seen. Of any other no windows are known. */
  #isKnown: boolean
  /** The opening end has acknowledged the other's SYN. */
  #isEstablished = false
  #isReset = false

  constructor(first: Segment) {
    this.#isKnown = isOpening(first)
    this.advance(first, false)
  }

  /** `unknown`: any of them. */
  get phase(): 'opening' | 'established' | 'ending' | 'unknown' {
    if (!this.#isKnown) return 'unknown'
    if (this.#isReset || this.#ends.some(({ hasEnded }) => hasEnded)) return 'ending'
    return this.#isEstablished ? 'established' : 'opening'
  }

  fit(segment: Segment, isReply: boolean): Fit {
    const { flags } = segment
    const [sender, other] = this.#sides(isReply)
    if (!this.#isKnown || this.#isReset || contradicts(flags)) return 'open'
    if (isOpening(segment)) {
      const isRepeated = !isReply && !other.hasSpoken && segment.sequence + 1 === sender.next
      return isRepeated && segment.length === 1 ? 'repeated' : 'open'
    }
    if (!other.hasSpoken) return 'open'
    if (!sender.hasSpoken) return this.#answers(segment, other) ? 'fits' : 'open'
    return this.#inWindow(segment, sender, other)
  }

  /** Something may have been missed. */
  doubt(): void {
    this.#isKnown = false
  }

  /** The segment has passed. */
  advance(segment: Segment, isReply: boolean): void {
    const { flags, sequence, length, acknowledgement } = segment
    const [sender, other] = this.#sides(isReply)
    const end = (sequence + length) >>> 0
    if (!sender.hasSpoken || difference(end, sender.next) > 0) sender.next = end
    if (length > 0 && (!sender.hasSpoken || difference(end, sender.spent) > 0)) sender.spent = end
    if ((flags & SYN) !== 0) sender.scale = segment.scale
    sender.hasSpoken = true
    sender.window = Math.max(sender.window, this.#windowOf(segment, isReply))
    if ((flags & ACK) !== 0) {
      const limit = (acknowledgement + this.#windowOf(segment, isReply)) >>> 0
      if (other.limit === undefined || difference(limit, other.limit) > 0) other.limit = limit
      if (!isReply && other.hasSpoken) this.#isEstablished = true
    }
    if ((flags & FIN) !== 0) sender.hasEnded = true
    if ((flags & RST) !== 0) this.#isReset = true
  }

  #sides(isReply: boolean): readonly [End, End] {
    const [opener, answerer] = this.#ends
    return isReply ? [answerer, opener] : [opener, answerer]
  }

  /** In bytes. That of a SYN is never scaled (RFC 7323 §2.2). */
  #windowOf({ flags, window }: Segment, isReply: boolean): number {
    const [sender, other] = this.#sides(isReply)
    const isScaled = (flags & SYN) === 0 && sender.scale >= 0 && other.scale >= 0
    return isScaled ? window * 2 ** sender.scale : window
  }

  /** The SYN with ACK that answers the SYN and nothing else, or the reset that refuses it. */
  #answers({ flags, acknowledgement, length }: Segment, opener: End): boolean {
    if (acknowledgement !== opener.next) return false
    if ((flags & (SYN | ACK | RST)) === (SYN | ACK)) return length === 1
    return (flags & (RST | ACK)) === (RST | ACK) && length === 0
  }

  #inWindow(segment: Segment, sender: End, other: End): Fit {
    const { flags, sequence, length, acknowledgement } = segment
    if ((flags & SYN) !== 0 || (flags & ACK) === 0 || sender.limit === undefined) return 'open'
    const behind = difference(other.next, acknowledgement)
    if ((flags & RST) !== 0) {
      const isNext = sequence === sender.next && sequence === sender.spent
      return isNext && length === 0 && behind === 0 ? 'fits' : 'open'
    }
    const isInside =
      atMost((sequence + length) >>> 0, sender.limit) && difference(sequence, sender.next) >= -other.window
    if (!isInside || behind > FAR_BEHIND * 2 ** Math.max(0, other.scale >= 0 ? sender.scale : 0)) return 'open'
    return behind >= 0 ? 'fits' : behind >= -FAR_BEHIND ? 'ahead' : 'open'
  }
}

export const isOpening = ({ flags }: Segment): boolean => (flags & (SYN | ACK)) === SYN

/** Flags that no honest end sends together. */
function contradicts(flags: number): boolean {
  if ((flags & SYN) !== 0 && (flags & (RST | FIN)) !== 0) return true
  return (flags & (SYN | ACK | RST)) === 0 || ((flags & ACK) === 0 && (flags & FIN) !== 0)
}

/** Whether a segment that is of no known connection may begin one: everybody takes a lone SYN, and some what comes in the midst of one. */
export function opens(segment: Segment): 'yes' | 'open' {
  return isOpening(segment) && !contradicts(segment.flags) && (segment.flags & ~(SYN | 0xc0)) === 0 ? 'yes' : 'open'
}
