// A TCP connection as a watcher in the middle sees it: the state of either end, and the windows that say which sequence numbers
// may be on their way. The rules are those of Open vSwitch (lib/conntrack-tcp.c), which has them from OpenBSD's pf: Guido van
// Rooij, "Real Stateful TCP Packet Filtering in IP Filter".

import type { TimeoutName } from './timeouts.ts'

/** States in the order in which they come; numbers are compared. */
export const TcpState = {
  Closed: 0,
  Listen: 1,
  SynSent: 2,
  SynReceived: 3,
  Established: 4,
  CloseWait: 5,
  FinWait1: 6,
  Closing: 7,
  LastAck: 8,
  FinWait2: 9,
  TimeWait: 10,
} as const

/** One end of a connection. */
export interface TcpPeer {
  state: number
  /** The highest sequence number that it has sent, and the one that the other end lets it reach. */
  sent: number
  limit: number
  /** The largest window it has announced, as in the header. */
  window: number
  scale: WindowScale
}

/** `unknown`: the connection was picked up after its SYN, so any scale may be meant. `none`: it announced none. */
export type WindowScale = number | 'none' | 'unknown'

/** What is read of a segment. */
export interface TcpSegment {
  flags: number
  sequence: number
  acknowledgement: number
  window: number
  payload: number
  /** None where there is no such option. */
  scale: WindowScale
}

export type Outcome =
  'valid' | 'invalid' | /** Valid, and still as new. */ 'still new' | /** A new connection. */ 'reopened'

const FIN = 0x01
const SYN = 0x02
const RST = 0x04
const PSH = 0x08
const ACK = 0x10
const URG = 0x20

const MAX_SCALE = 14
/** Without a scale (RFC 9293 §3.1). */
const MAX_WINDOW = 0xffff
/** How far an acknowledgement may be off: a window and a frame. */
const MAX_ACK_WINDOW = 0xffff + 1500

const difference = (a: number, b: number) => (a - b) | 0
const atLeast = (a: number, b: number) => difference(a, b) >= 0
const after = (a: number, b: number) => difference(a, b) > 0

/** Of two sequence numbers less than half the space apart. */
export const laterOf = (a: number, b: number): number => (after(b, a) ? b : a)

/** Flags that no honest end sends together (pf's normalisation). */
function contradicts(flags: number): boolean {
  if ((flags & SYN) !== 0 ? (flags & (RST | FIN)) !== 0 : (flags & (ACK | RST)) === 0) return true
  return (flags & ACK) === 0 && (flags & (FIN | PSH | URG)) !== 0
}

/** Whether the segment may be the first that is seen of a connection: also one in the midst of it, but no SYN with ACK. */
export const mayOpen = ({ flags }: TcpSegment): boolean => !contradicts(flags) && (flags & (SYN | ACK)) !== (SYN | ACK)

export function openTcp(segment: TcpSegment): readonly [TcpPeer, TcpPeer] {
  const opens = (segment.flags & SYN) !== 0
  const scale = opens ? segment.scale : 'unknown'
  const window = Math.max(segment.window, 1)
  const ends = 1 + (opens ? 1 : 0) + ((segment.flags & FIN) !== 0 ? 1 : 0)
  return [
    {
      state: TcpState.SynSent,
      sent: segment.sequence,
      limit: (segment.sequence + segment.payload + ends) >>> 0,
      window: typeof scale === 'number' ? unscaled(window, scale) : window,
      scale,
    },
    { state: TcpState.Closed, sent: 0, limit: 1, window: 1, scale: opens ? 'none' : 'unknown' },
  ]
}

/** The window of a SYN is not scaled yet; brought to the units of all others, rounded up. */
const unscaled = (window: number, scale: number) => Math.ceil(window / 2 ** scale)

/** What a segment does to a connection. */
export class TcpWatch {
  /** Off: what lies outside the windows passes, too (`ovs-appctl dpctl/ct-disable-tcp-seq-chk`). */
  sequenceChecks = true
  /** The timeout that begins anew with the last segment; none where the time goes on running out. */
  timeout: TimeoutName | undefined
  // Of the segment at hand.
  #sourceShift = 0
  #destinationShift = 0
  #window = 0
  #end = 0

  /** `source` is the end that sent the segment. Changes both ends. */
  update(source: TcpPeer, destination: TcpPeer, segment: TcpSegment): Outcome {
    const { flags } = segment
    this.timeout = undefined
    if (contradicts(flags)) return 'invalid'
    if ((flags & (SYN | ACK)) === SYN) {
      if (destination.state >= TcpState.FinWait2 && source.state >= TcpState.FinWait2) return 'reopened'
      if (source.state <= TcpState.SynSent) {
        source.state = TcpState.SynSent
        this.timeout = 'tcpFirstPacket'
        return 'still new'
      }
    }
    this.#shiftsOf(source, destination, flags)
    this.#window = segment.window
    const control = ((flags & SYN) !== 0 ? 1 : 0) + ((flags & FIN) !== 0 ? 1 : 0)
    this.#end = (segment.sequence + segment.payload + control) >>> 0
    const lenient = source.state < TcpState.SynSent && this.#firstOf(source, destination, segment)
    return this.#check(source, destination, segment, lenient)
  }

  #shiftsOf(source: TcpPeer, destination: TcpPeer, flags: number): void {
    this.#sourceShift = 0
    this.#destinationShift = 0
    if ((flags & SYN) !== 0) return
    if (typeof source.scale === 'number' && typeof destination.scale === 'number') {
      this.#sourceShift = source.scale
      this.#destinationShift = destination.scale
    } else if (source.scale === 'unknown' && destination.scale === 'unknown') {
      this.#sourceShift = MAX_SCALE
      this.#destinationShift = MAX_SCALE
    }
  }

  /** The first segment of this end. True where what it acknowledges can't be judged yet. */
  #firstOf(source: TcpPeer, destination: TcpPeer, segment: TcpSegment): boolean {
    if ((segment.flags & SYN) !== 0 && typeof destination.scale === 'number')
      this.#agreeOnScale(source, destination, segment)
    source.sent = segment.sequence
    source.state = TcpState.SynSent
    const reach = (this.#end + Math.max(1, destination.window << this.#destinationShift)) >>> 0
    const lenient = source.limit === 1 || atLeast(reach, source.limit)
    if (lenient) source.limit = reach
    source.window = Math.max(source.window, this.#window)
    return lenient
  }

  /** RFC 7323 §2.2: windows are scaled only where both SYNs say so. */
  #agreeOnScale(source: TcpPeer, destination: TcpPeer, segment: TcpSegment): void {
    const other = destination.scale
    if (typeof other !== 'number') return
    source.scale = segment.scale
    if (typeof segment.scale === 'number') {
      this.#sourceShift = segment.scale
      this.#window = unscaled(this.#window, segment.scale)
      this.#destinationShift = other
    } else {
      // At most: rounded up to its own units, it may be more by now than its SYN said.
      destination.window = Math.min(destination.window << other, MAX_WINDOW)
      destination.scale = 'none'
    }
  }

  #check(source: TcpPeer, destination: TcpPeer, segment: TcpSegment, lenient: boolean): Outcome {
    const { flags } = segment
    const empty = segment.sequence === this.#end
    const sequence = empty ? source.sent : segment.sequence
    if (empty) this.#end = source.sent
    // Some stacks acknowledge nothing in the reset that ends an attempt.
    const missing = (flags & ACK) === 0 || (segment.acknowledgement === 0 && (flags & RST) !== 0)
    const acknowledged = missing ? destination.sent : segment.acknowledgement
    const skew = lenient ? 0 : difference(destination.sent, acknowledged)
    if (!this.sequenceChecks || this.#insideWindow(source, destination, segment, sequence, skew)) {
      this.#slide(source, destination, acknowledged)
      this.#advance(source, destination, flags)
      return 'valid'
    }
    if (!this.#excusable(source, destination, sequence)) return 'invalid'
    this.#slide(source, destination, acknowledged)
    if ((flags & FIN) !== 0 && source.state < TcpState.Closing) source.state = TcpState.Closing
    if ((flags & RST) !== 0) source.state = destination.state = TcpState.TimeWait
    return 'valid'
  }

  #insideWindow(source: TcpPeer, destination: TcpPeer, segment: TcpSegment, sequence: number, skew: number): boolean {
    const lowest = source.sent - (destination.window << this.#destinationShift)
    return (
      atLeast(source.limit, this.#end) &&
      atLeast(sequence, lowest) &&
      skew >= -MAX_ACK_WINDOW &&
      skew <= MAX_ACK_WINDOW << this.#sourceShift &&
      // A reset must fit, give or take one.
      ((segment.flags & RST) === 0 || Math.abs(difference(segment.sequence, source.sent)) <= 1)
    )
  }

  /** Crossing SYNs, a connection picked up in its midst, stragglers after the end: let in, but the time goes on running out. */
  #excusable(source: TcpPeer, destination: TcpPeer, sequence: number): boolean {
    return (
      (destination.state < TcpState.SynSent ||
        destination.state >= TcpState.FinWait2 ||
        source.state >= TcpState.FinWait2) &&
      atLeast(source.limit + MAX_ACK_WINDOW, this.#end) &&
      atLeast(sequence, source.sent - MAX_ACK_WINDOW)
    )
  }

  #slide(source: TcpPeer, destination: TcpPeer, acknowledged: number): void {
    source.window = Math.max(source.window, this.#window)
    if (after(this.#end, source.sent)) source.sent = this.#end
    const announced = this.#window << this.#sourceShift
    if (atLeast(acknowledged + announced, destination.limit))
      destination.limit = (acknowledged + Math.max(announced, 1)) >>> 0
  }

  #advance(source: TcpPeer, destination: TcpPeer, flags: number): void {
    if ((flags & SYN) !== 0 && source.state < TcpState.SynSent) source.state = TcpState.SynSent
    if ((flags & FIN) !== 0 && source.state < TcpState.Closing) source.state = TcpState.Closing
    if ((flags & ACK) !== 0) {
      if (destination.state === TcpState.SynSent) destination.state = TcpState.Established
      else if (destination.state === TcpState.Closing) destination.state = TcpState.FinWait2
    }
    if ((flags & RST) !== 0) source.state = destination.state = TcpState.TimeWait
    this.timeout = timeoutOf(source.state, destination.state)
  }
}

function timeoutOf(source: number, destination: number): TimeoutName {
  const least = Math.min(source, destination)
  if (least >= TcpState.FinWait2) return 'tcpClosed'
  if (least >= TcpState.Closing) return 'tcpFinWait'
  if (least < TcpState.Established) return 'tcpOpening'
  return Math.max(source, destination) >= TcpState.Closing ? 'tcpClosing' : 'tcpEstablished'
}
