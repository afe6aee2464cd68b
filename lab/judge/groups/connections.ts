// The connections of one vNIC, by the judge's own bookkeeping of frames that have passed it: what began when and in which direction, and
// what was answered. Where time or a TCP window leaves it to whoever enforces the policy whether a connection is still one, it says so.

import type { Nanoseconds } from '../../../runtime/clock.ts'
import { SECOND } from '../../../runtime/clock.ts'
import { isError, isQuery, isRequest, SCTP, TCP, type Segment, type Talk } from './talk.ts'
import { opens, TcpCourse, type Fit } from './tcp-course.ts'

export type Direction = 'ingress' | 'egress'

/**
 * What a frame is to the connections that are known. `opening`: it is one that opened, or asks again, and goes by the rules like the
 * first. `member`: surely of one, or of an error about one. `perhaps`: maybe of one. `misfit`: it wears the addresses and ports of one, but may be refused.
 */
export type Standing = 'none' | 'opening' | 'member' | 'perhaps' | 'misfit'

export interface Connection {
  /** The frame that opened it, and whether the VM sent it or was to hear it. */
  readonly opener: Talk
  readonly direction: Direction
  /** Whoever enforces the policy knows of it. */
  isCertain: boolean
  isAnswered: boolean
  /** When a frame of it was last let through, surely, and perhaps. */
  surelyLast: Nanoseconds
  perhapsLast: Nanoseconds
  readonly course: TcpCourse | undefined
}

/**
 * Everybody remembers a connection for so long after its last frame: Linux and Open vSwitch differ, and this is the shorter. RFC 5382 REQ-5
 * and RFC 4787 REQ-5 would have it longer.
 */
const SURE = { opening: 29 * SECOND, established: 86_000 * SECOND, ending: 9 * SECOND, unknown: 9 * SECOND } as const
/** And nobody for longer than this. */
const AT_MOST = { tcp: 5 * 86_400 * SECOND + SECOND, other: 1200 * SECOND } as const
const FIRST_SWEEP = 1024

export class Connections {
  /** By what opened each. */
  readonly #byOpener = new Map<string, Connection>()
  /** Between which addresses something was said, by protocol: all that is known of fragments. */
  readonly #pairs = new Set<string>()
  #sweepAt = FIRST_SWEEP

  standing(talk: Talk, now: Nanoseconds): Standing {
    if (talk.wholeness === 'later fragment') return this.#pairs.has(pairOf(talk)) ? 'perhaps' : 'none'
    if (talk.quoted !== undefined) return this.#ofQuoted(talk, talk.quoted, now)
    const found = this.#find(talk, now)
    if (found === undefined) return this.#mayBeOfOther(talk) ? 'perhaps' : 'none'
    const { connection, isReply } = found
    if (talk.wholeness !== 'whole') return 'perhaps'
    const fit = talk.segment === undefined ? 'fits' : (connection.course?.fit(talk.segment, isReply) ?? 'open')
    return standingOf(connection, isReply, fit, isSure(connection, now))
  }

  /** The frame has passed. `isCertain`: whoever enforces the policy knows it as one of a connection. */
  note(talk: Talk, direction: Direction, now: Nanoseconds, isCertain: boolean): void {
    this.#pairs.add(pairOf(talk))
    if (talk.wholeness === 'later fragment' || isError(talk)) return
    const found = this.#find(talk, now)
    if (found === undefined) return this.#open(talk, direction, now, isCertain)
    const { connection, isReply } = found
    if (talk.segment !== undefined && isPast(connection.course) && opens(talk.segment) === 'yes')
      return this.#reopen(connection, talk, direction, now)
    this.#goOn(connection, talk, isReply, now, isCertain)
  }

  *[Symbol.iterator](): Iterator<Connection> {
    yield* this.#byOpener.values()
  }

  forget(connection: Connection): void {
    this.#byOpener.delete(keyOf(connection.opener))
  }

  /** From now on nobody can tell whether what is known holds. */
  doubt(): void {
    for (const connection of this.#byOpener.values()) connection.isCertain = false
  }

  /** The frame may have passed, and may not. */
  doubtOf(talk: Talk, now: Nanoseconds): void {
    const found = this.#find(talk, now)
    if (found !== undefined) found.connection.isCertain = false
  }

  /** The frame may be taken for a part of its connection, though it has not passed, or for none. */
  refused(talk: Talk, now: Nanoseconds): void {
    const found = this.#find(talk, now)
    const { segment } = talk
    const course = found?.connection.course
    if (segment === undefined || course?.fit(segment, found?.isReply === true) !== 'ahead') course?.doubt()
  }

  #goOn(connection: Connection, talk: Talk, isReply: boolean, now: Nanoseconds, isCertain: boolean): void {
    const isStale = !isSure(connection, now)
    if (talk.segment !== undefined) this.#follow(connection.course, talk.segment, isReply, isCertain)
    connection.perhapsLast = now
    // What may not have been let through keeps nothing alive, but may have begun another where this one's time was up.
    if (!isCertain) {
      if (isStale) connection.isCertain = false
      return
    }
    if (isStale && isReply) connection.isCertain = false
    if (isStale && !isReply) connection.isAnswered = false
    else if (isReply) connection.isAnswered = true
    if (!isReply && !isStale) connection.isCertain = true
    connection.surelyLast = now
  }

  /** What may have passed or not, or been taken for something else, leaves no window known. */
  #follow(course: TcpCourse | undefined, segment: Segment, isReply: boolean, isCertain: boolean): void {
    if (course === undefined) return
    const fit = course.fit(segment, isReply)
    if (fit === 'ahead' && !isCertain) return
    if (!isCertain || fit === 'open') course.doubt()
    course.advance(segment, isReply)
  }

  #open(opener: Talk, direction: Direction, now: Nanoseconds, isCertain: boolean): void {
    const { segment, protocol } = opener
    if (protocol === TCP && segment === undefined) return
    if (this.#byOpener.size >= this.#sweepAt) this.#sweep(now)
    this.#byOpener.set(keyOf(opener), {
      opener,
      direction,
      isCertain: isCertain && opener.wholeness === 'whole' && mayOpen(opener) === 'yes',
      isAnswered: false,
      surelyLast: now,
      perhapsLast: now,
      course: segment === undefined ? undefined : new TcpCourse(segment),
    })
  }

  /** With the ports of another, it may be one of its own, or a misfit of the old one. */
  #reopen(connection: Connection, talk: Talk, direction: Direction, now: Nanoseconds): void {
    this.forget(connection)
    this.#open(talk, direction, now, false)
    this.refused(talk, now)
  }

  /** Some tell connections of SCTP apart by addresses alone. */
  #mayBeOfOther(talk: Talk): boolean {
    return talk.protocol === SCTP && this.#pairs.has(pairOf(talk))
  }

  #ofQuoted(error: Talk, quoted: Talk, now: Nanoseconds): Standing {
    const found = this.#find(quoted, now)
    if (found === undefined) return this.#mayBeOfOther(quoted) ? 'perhaps' : 'none'
    const { connection } = found
    const isPlain = error.wholeness === 'whole' && quoted.wholeness !== 'fragment'
    return isPlain && connection.isCertain && !isPast(connection.course) && isSure(connection, now)
      ? 'member'
      : 'perhaps'
  }

  #find(talk: Talk, now: Nanoseconds): { connection: Connection; isReply: boolean } | undefined {
    const opened = this.#alive(keyOf(talk), now)
    if (opened !== undefined) return { connection: opened, isReply: false }
    const answered = this.#alive(keyOfAnswered(talk), now)
    return answered === undefined ? undefined : { connection: answered, isReply: true }
  }

  #alive(key: string, now: Nanoseconds): Connection | undefined {
    const connection = this.#byOpener.get(key)
    if (connection === undefined || now - connection.perhapsLast <= longest(connection)) return connection
    this.#byOpener.delete(key)
    return undefined
  }

  #sweep(now: Nanoseconds): void {
    for (const [key, connection] of this.#byOpener)
      if (now - connection.perhapsLast > longest(connection)) this.#byOpener.delete(key)
    this.#sweepAt = Math.max(FIRST_SWEEP, 2 * this.#byOpener.size)
  }
}

function standingOf({ isAnswered, isCertain }: Connection, isReply: boolean, fit: Fit, isAlive: boolean): Standing {
  if (fit === 'open' || fit === 'ahead') return 'misfit'
  if (fit === 'repeated') return isCertain && isAlive ? 'opening' : 'perhaps'
  if (!isCertain || !isAlive) return 'perhaps'
  return isReply || isAnswered ? 'member' : 'opening'
}

/** Whether such a frame, of no known connection, begins one: everybody says yes, or some. */
export function mayOpen(talk: Talk): 'yes' | 'open' {
  if (talk.wholeness !== 'whole' || isError(talk)) return 'open'
  if (talk.segment !== undefined) return opens(talk.segment)
  return talk.icmpType < 0 || isRequest(talk) ? 'yes' : 'open'
}

/** Another connection may begin with the same ports. */
const isPast = (course: TcpCourse | undefined): boolean => course?.phase === 'ending' || course?.phase === 'unknown'

const isSure = ({ course, surelyLast }: Connection, now: Nanoseconds): boolean =>
  now - surelyLast <= SURE[course?.phase ?? 'opening']

const longest = ({ course }: Connection): Nanoseconds => (course === undefined ? AT_MOST.other : AT_MOST.tcp)

function keyOf(talk: Talk): string {
  const { protocol, source, sourcePort, destination, destinationPort, icmpType } = talk
  // An answer is the opposite of a request, and every other message of ICMP is its own.
  const kind = isQuery(talk) ? (isRequest(talk) ? 'asks' : 'answers') : icmpType
  return `${protocol} ${source} ${sourcePort} ${destination} ${destinationPort} ${kind}`
}

/** The key of what a frame like this would answer. */
function keyOfAnswered(talk: Talk): string {
  const { protocol, source, sourcePort, destination, destinationPort, icmpType } = talk
  const kind = isQuery(talk) ? (isRequest(talk) ? 'answers' : 'asks') : icmpType
  return `${protocol} ${destination} ${destinationPort} ${source} ${sourcePort} ${kind}`
}

/** The same for both directions. */
function pairOf({ protocol, source, destination }: Talk): string {
  return source < destination ? `${protocol} ${source} ${destination}` : `${protocol} ${destination} ${source}`
}
