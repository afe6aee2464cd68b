// What a frame says of multicast groups, read with the judge's own eyes from the bytes of IGMP (RFC 2236, RFC 3376) and MLD (RFC 2710,
// RFC 3810). Addresses are spelled as a `Sight` has them.

import { internetChecksum, pseudoHeaderSum6 } from '../../../protocols/checksum.ts'
import type { Nanoseconds } from '../../../runtime/clock.ts'
import { SECOND } from '../../../runtime/clock.ts'
import { ipv4At, ipv6At, type IpSight, type Sight } from '../sight.ts'

export type Overheard =
  | { kind: 'query'; isGeneral: boolean }
  | { kind: 'report'; changes: Change[] }
  /** What multicast routers tell each other, and all that snoop: the sender is one for so long, or no more. Undefined where it says neither. */
  | { kind: 'router'; lifetime: Nanoseconds | undefined }
  /** IGMP of a type that none of the three versions has. */
  | { kind: 'unknown' }

export interface Change {
  group: string
  /** `unsure` where whether it still listens depends on what it said of sources before, or the message is damaged. */
  listens: 'yes' | 'no' | 'unsure'
}

const IGMP = 2
const ICMPV6 = 58
const QUERY4 = 0x11
const REPORTS4 = [0x12, 0x16]
const LEAVE4 = 0x17
const REPORT_V3 = 0x22
const QUERY6 = 130
const REPORT6 = 131
const DONE6 = 132
const REPORT_V2 = 143

/** Undefined for a frame that is about something else. */
export function overhear({ ip, tags }: Sight, bytes: Uint8Array): Overheard | undefined {
  if (ip === undefined) return undefined
  const isIgmp = ip.version === 4 && ip.protocol === IGMP
  const isMld = ip.version === 6 && [QUERY6, REPORT6, DONE6, REPORT_V2].includes(ip.icmpType ?? 0)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const at = 14 + 4 * tags.length
  if (!isMld && isForRouterDiscovery(ip)) return { kind: 'router', lifetime: lifetimeIn(bytes, view, at, ip) }
  if (!isIgmp && !isMld) return undefined
  try {
    const heard = isIgmp ? overhearIgmp(view, at) : overhearMld(view, at)
    return heard.kind === 'report' && !isWhole(bytes, view, at, ip)
      ? { kind: 'report', changes: doubted(heard) }
      : heard
  } catch {
    // It says that it is longer than it is.
    return { kind: 'report', changes: [] }
  }
}

const doubted = ({ changes }: { changes: Change[] }): Change[] =>
  changes.map(({ group }) => ({ group, listens: 'unsure' }))

const PIM = 103
const ALL_PIM_ROUTERS = ['224.0.0.13', `ff02${'0'.repeat(26)}0d`]
const ALL_SNOOPERS = ['224.0.0.106', `ff02${'0'.repeat(26)}6a`]

/** PIM (RFC 7761), and multicast router discovery (RFC 4286), which is of IGMP and ICMPv6. */
const isForRouterDiscovery = ({ version, protocol, destination }: IpSight): boolean =>
  protocol === PIM
    ? ALL_PIM_ROUTERS.includes(destination)
    : protocol === (version === 4 ? IGMP : ICMPV6) && ALL_SNOOPERS.includes(destination)

/** 0 where it says that it goes. */
function lifetimeIn(bytes: Uint8Array, view: DataView, ip: number, seen: IpSight): Nanoseconds | undefined {
  try {
    const isV4 = seen.version === 4
    const at = isV4 ? ip + (view.getUint8(ip) & 0x0f) * 4 : transport(view, ip)
    const end = isV4 ? ip + view.getUint16(ip + 2) : ip + 40 + view.getUint16(ip + 4)
    if (!isWhole(bytes, view, ip, seen)) return undefined
    return seen.protocol === PIM ? lifetimeInPim(view, at, end) : lifetimeInDiscovery(view, at, isV4 ? 0x30 : 151)
  } catch {
    return undefined
  }
}

/** A hello of version 2 holds for as long as it says, 65,535 seconds being for ever, or 105 seconds. */
function lifetimeInPim(view: DataView, first: number, end: number): Nanoseconds | undefined {
  if (view.getUint8(first) !== 0x20) return undefined
  let seconds = 105
  let at = first + 4
  for (; at < end; at += 4 + view.getUint16(at + 2))
    if (view.getUint16(at) === 1 && view.getUint16(at + 2) === 2) seconds = view.getUint16(at + 4)
  if (at !== end) return undefined
  return seconds === 65_535 ? Infinity : seconds * SECOND
}

/** An advertisement, a solicitation and a termination follow each other. One that comes every 0 seconds says nothing. */
function lifetimeInDiscovery(view: DataView, at: number, advertisement: number): Nanoseconds | undefined {
  const type = view.getUint8(at) - advertisement
  if (type === 2) return 0
  const seconds = 3 * view.getUint8(at + 1)
  return type === 0 && seconds > 0 ? seconds * SECOND : undefined
}

function overhearIgmp(view: DataView, ip: number): Overheard {
  const at = ip + (view.getUint8(ip) & 0x0f) * 4
  const type = view.getUint8(at)
  const group = ipv4At(view, at + 4)
  if (type === QUERY4) return { kind: 'query', isGeneral: view.getUint32(at + 4) === 0 }
  if (REPORTS4.includes(type)) return { kind: 'report', changes: [{ group, listens: 'yes' }] }
  if (type === LEAVE4) return { kind: 'report', changes: [{ group, listens: 'no' }] }
  if (type === REPORT_V3) return { kind: 'report', changes: records(view, at + 8, view.getUint16(at + 6), 4, ipv4At) }
  return { kind: 'unknown' }
}

function overhearMld(view: DataView, ip: number): Overheard {
  const at = transport(view, ip)
  const type = view.getUint8(at)
  if (type === REPORT_V2) return { kind: 'report', changes: records(view, at + 8, view.getUint16(at + 6), 16, ipv6At) }
  const group = ipv6At(view, at + 8)
  if (type === QUERY6) return { kind: 'query', isGeneral: /^0*$/.test(group) }
  return { kind: 'report', changes: [{ group, listens: type === REPORT6 ? 'yes' : 'no' }] }
}

/** Where ICMPv6 begins, behind hop-by-hop and destination options and routing headers. */
function transport(view: DataView, ip: number): number {
  let next = view.getUint8(ip + 6)
  let at = ip + 40
  for (; [0, 43, 60].includes(next); next = view.getUint8(at), at += (view.getUint8(at + 1) + 1) * 8);
  return at
}

type AddressAt = (view: DataView, at: number) => string

/** | type 8 | words of auxiliary data 8 | sources 16 | group | sources … | auxiliary data … | */
function records(view: DataView, first: number, count: number, size: number, addressAt: AddressAt): Change[] {
  let at = first
  return Array.from({ length: count }, (): Change => {
    const sources = view.getUint16(at + 2)
    const listens = listening(view.getUint8(at), sources)
    const group = addressAt(view, at + 4)
    at += 4 + size + sources * size + view.getUint8(at + 1) * 4
    return { group, listens }
  })
}

/** RFC 3376 §4.2.12: 1 and 3 include only these sources, 2 and 4 exclude only them, 5 allows more, 6 blocks some. */
function listening(type: number, sources: number): Change['listens'] {
  if (type === 2 || type === 4) return 'yes'
  if (type === 1 || type === 3) return sources === 0 ? 'no' : 'yes'
  return type === 5 && sources > 0 ? 'yes' : 'unsure'
}

/** Its checksum holds. */
function isWhole(bytes: Uint8Array, view: DataView, ip: number, { version, protocol }: IpSight): boolean {
  if (version === 4) {
    const header = (view.getUint8(ip) & 0x0f) * 4
    return internetChecksum(bytes, ip + header, view.getUint16(ip + 2) - header) === 0
  }
  const at = transport(view, ip)
  const length = ip + 40 + view.getUint16(ip + 4) - at
  return internetChecksum(bytes, at, length, pseudoHeaderSum6(bytes, ip, protocol, length)) === 0
}
