// What whoever sent a frame must hear where security groups that deny it are to reject: a reset of TCP, or an ICMP error, once. Worked out from
// the frame that was denied, by the RFCs alone: what is heard is read with the judge's own eyes (talk.ts) and has to say the same.

import type { Nanoseconds } from '../../../runtime/clock.ts'
import { SECOND } from '../../../runtime/clock.ts'
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

/** An answer as it is to be heard: by whom, on which network, between which MAC addresses. */
export interface Address {
  nic: string
  network: string | undefined
  /** The answer's own, in hexadecimal digits. */
  macSource: string
  macDestination: string
}

function keyOf({ nic, network, macSource, macDestination }: Address, talk: Talk): string {
  const { segment, quoted } = talk
  const said = (one: Talk) =>
    [one.protocol, one.source, one.destination, one.sourcePort, one.destinationPort, one.icmpType, one.icmpCode].join()
  const numbers = segment && [segment.flags, segment.sequence, segment.acknowledgement, segment.length].join()
  return [nic, network, macSource, macDestination, said(talk), numbers, quoted && said(quoted)].join(' ')
}

interface Owed {
  due: number
  maybe: number
}

/** As many frames as switches are to tell the controller of, and somewhat less: bits a second, and bits at once. */
const TOLD = { rate: 900_000, burst: 225_000 } as const
/** What a frame may have beside its own bytes where it is metered. */
const AROUND = 16

export class Rejections {
  heard = 0
  readonly #owed = new Map<string, Owed>()
  /** Connections, or what is like one, that have had an answer. */
  readonly #answered = new Set<string>()
  /** Bits that are left, by host. */
  readonly #buckets = new Map<string, { bits: number; at: Nanoseconds }>()
  /** Reasons for which nobody may hear of what is denied. */
  #away = 0
  #surelyFrom: Nanoseconds = 0
  /** Frames of the controller's own that were lost on their way, for reasons that can not be held against anybody. */
  #excused = 0

  /** Who is to answer is gone, until `back`. */
  leave(): void {
    this.#away++
  }

  back(at: Nanoseconds): void {
    this.#away--
    this.#surelyFrom = at + SECOND
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
    return bucket.bits > 0 && this.#away === 0 && at >= this.#surelyFrom
  }

  /** The answer may be heard; `isDue`: it must be. After the first reset a tracker takes the connection for ended: the next may be refused. */
  expect(address: Address, answer: Talk, isDue: boolean, isTracked: boolean): void {
    const key = keyOf(address, answer)
    const owed = this.#owed.get(key) ?? { due: 0, maybe: 0 }
    this.#owed.set(key, owed)
    const { nic, network } = address
    const tuple = [nic, network, answer.source, answer.destination, answer.sourcePort, answer.destinationPort].join(' ')
    const isFirst = answer.protocol !== TCP || !isTracked || !this.#answered.has(tuple)
    if (isTracked && answer.protocol === TCP) this.#answered.add(tuple)
    if (isDue && isFirst) owed.due++
    else owed.maybe++
  }

  /** Something of the controller's own is heard. False where it is an answer that nobody has called for, or that has been heard before. */
  hear(address: Address, talk: Talk): boolean {
    if (!isRejection(talk)) return true
    const key = keyOf(address, talk)
    const owed = this.#owed.get(key)
    if (owed === undefined || talk.wholeness !== 'whole') return false
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
