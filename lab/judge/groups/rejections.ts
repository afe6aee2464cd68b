// What whoever sent a frame must hear where security groups that deny it are to reject: a reset of TCP, or an ICMP error, once. Worked out from
// the frame that was denied, by the RFCs alone: what is heard is read with the judge's own eyes (talk.ts, quotes.ts) and has to say the same.

import type { Nanoseconds } from '../../../runtime/clock.ts'
import { MILLISECOND, SECOND } from '../../../runtime/clock.ts'
import { ACK, ICMP, ICMPV6, isError, RST, TCP, type Talk } from './talk.ts'

/** Communication administratively prohibited: type and code. RFC 1812 §5.2.7.1, RFC 4443 §3.1. */
const PROHIBITED = { 4: [3, 13], 6: [1, 1] } as const
const FIRST_INFORMATIONAL6 = 128

/** The answer that a packet calls for; undefined where there must be none (RFC 1122 §3.2.2, RFC 4443 §2.4, RFC 9293 §3.5.2). */
export function answerTo(talk: Talk): Talk | undefined {
  const { family, protocol, source, destination, sourcePort, destinationPort, segment } = talk
  if (talk.wholeness === 'later fragment' || !isOne(source, family) || !isOne(destination, family)) return undefined
  const back: Talk = {
    family,
    protocol,
    source: destination,
    destination: source,
    sourcePort: destinationPort,
    destinationPort: sourcePort,
    icmpType: -1,
    icmpCode: 0,
    wholeness: 'whole',
  }
  if (protocol === TCP) {
    if (segment === undefined || (segment.flags & RST) !== 0) return undefined
    const numbers =
      (segment.flags & ACK) === 0
        ? { flags: RST | ACK, sequence: 0, acknowledgement: (segment.sequence + segment.length) >>> 0 }
        : { flags: RST, sequence: segment.acknowledgement, acknowledgement: 0 }
    return { ...back, segment: { ...numbers, window: 0, length: 0, scale: -1 } }
  }
  if (isError(talk) || (family === 6 && protocol === ICMPV6 && talk.icmpType < FIRST_INFORMATIONAL6)) return undefined
  const [icmpType, icmpCode] = PROHIBITED[family]
  const own = family === 4 ? ICMP : ICMPV6
  return { ...back, protocol: own, sourcePort: 0, destinationPort: 0, icmpType, icmpCode, quoted: talk }
}

/** Neither unspecified, multicast nor broadcast. */
function isOne(address: string, family: 4 | 6): boolean {
  if (family === 6) return !address.startsWith('ff') && !/^0*$/.test(address)
  const first = Number(address.split('.')[0])
  return first > 0 && first < 224
}

/** Whether it is such an answer, to whatever. */
const isRejection = ({ family, protocol, icmpType, icmpCode, segment }: Talk): boolean =>
  protocol === TCP
    ? ((segment?.flags ?? 0) & RST) !== 0
    : icmpType === PROHIBITED[family][0] && icmpCode === PROHIBITED[family][1]

/** An answer as it is to be heard, or has been: by whom, on which network, between which MAC addresses. */
export interface Answer {
  nic: string
  network: string | undefined
  /** In hexadecimal digits. */
  macSource: string
  macDestination: string
  talk: Talk
  /** Of an ICMP error: see quotes.ts. */
  quote: string | undefined
}

function keyOf({ nic, network, macSource, macDestination, talk, quote }: Answer): string {
  const { protocol, source, destination, sourcePort, destinationPort, icmpType, icmpCode, segment } = talk
  const said = [protocol, source, destination, sourcePort, destinationPort, icmpType, icmpCode].join()
  const numbers = segment && [segment.flags, segment.sequence, segment.acknowledgement, segment.length].join()
  return [nic, network, macSource, macDestination, said, numbers, quote].join(' ')
}

interface Owed {
  due: number
  maybe: number
  /** When the last of those came to be due. */
  since: Nanoseconds
}

/** As many frames as switches are to tell the controller of, and somewhat less: bits a second, and bits at once. */
const TOLD = { rate: 900_000, burst: 225_000 } as const
/** What a frame may have beside its own bytes where it is metered. */
const AROUND = 16
/** What has not been heard so long after a frame was denied is not on its way any more. */
const ON_ITS_WAY = 100 * MILLISECOND

export class Rejections {
  heard = 0
  readonly #owed = new Map<string, Owed>()
  /** Connections, or what is like one, that have had an answer. */
  readonly #answered = new Set<string>()
  /** Bits that are left, by host. */
  readonly #buckets = new Map<string, { bits: number; at: Nanoseconds }>()
  /** Reasons for which nobody may hear of what is denied. */
  #away = 0
  #surelyFrom: Nanoseconds = -1
  /** Frames of the controller's own that were lost on their way, for reasons that can not be held against anybody. */
  #excused = 0

  /** Who is to answer is gone, until `back`; what is due since a short while may have been lost with it. */
  leave(at: Nanoseconds): void {
    this.#away++
    for (const owed of this.#owed.values()) {
      if (owed.since < at - ON_ITS_WAY) continue
      owed.maybe += owed.due
      owed.due = 0
    }
  }

  /** What is denied after `at` is to be answered again, unless somebody else comes back later. */
  back(at: Nanoseconds): void {
    this.#away--
    this.#surelyFrom = Math.max(this.#surelyFrom, at)
  }

  excuse(): void {
    this.#excused++
  }

  /** A frame of so many bytes was denied on the host by one who rejects. False where switches need not tell of it: there are too many. */
  spend(host: string, length: number, at: Nanoseconds): boolean {
    const bucket = this.#buckets.get(host) ?? { bits: TOLD.burst, at }
    this.#buckets.set(host, bucket)
    bucket.bits = Math.min(TOLD.burst, bucket.bits + (Math.max(0, at - bucket.at) * TOLD.rate) / SECOND)
    bucket.at = Math.max(at, bucket.at)
    bucket.bits = Math.max(0, bucket.bits - 8 * (length + AROUND))
    return bucket.bits > 0 && this.#away === 0 && at > this.#surelyFrom
  }

  /** The answer may be heard; `isDue`: it must be. After the first reset a tracker takes the connection for ended: the next may be refused. */
  expect(answer: Answer, at: Nanoseconds, isDue: boolean, isTracked: boolean): void {
    const key = keyOf(answer)
    const owed = this.#owed.get(key) ?? { due: 0, maybe: 0, since: at }
    this.#owed.set(key, owed)
    const { nic, network, talk } = answer
    const tuple = [nic, network, talk.source, talk.destination, talk.sourcePort, talk.destinationPort].join(' ')
    const isFirst = talk.protocol !== TCP || !isTracked || !this.#answered.has(tuple)
    if (isTracked && talk.protocol === TCP) this.#answered.add(tuple)
    if (!(isDue && isFirst)) return void owed.maybe++
    owed.due++
    owed.since = at
  }

  /** Something of the controller's own is heard. False where it is an answer that nobody has called for, or that has been heard before. */
  hear(answer: Answer): boolean {
    if (!isRejection(answer.talk)) return true
    const key = keyOf(answer)
    const owed = this.#owed.get(key)
    if (owed === undefined || answer.talk.wholeness !== 'whole') return false
    this.heard++
    if (owed.due > 0) owed.due--
    else owed.maybe--
    if (owed.due + owed.maybe === 0) this.#owed.delete(key)
    return true
  }

  /** How many have not been heard; `isThere` says of whom that is to be expected. */
  missing(isThere: (nic: string) => boolean): number {
    let missing = 0
    for (const [key, { due }] of this.#owed) if (isThere(key.slice(0, key.indexOf(' ')))) missing += due
    return Math.max(0, missing - this.#excused)
  }
}
