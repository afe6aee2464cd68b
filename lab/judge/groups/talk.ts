// What a frame says of the conversation that it is part of, as far as security groups are about it. The judge reads it with its own eyes, as
// in sight.ts: addresses, ports, what TCP counts, what an ICMP error quotes, and whether all of that is whole and right.

import { formatIpv6 } from '../../../protocols/address.ts'
import { foldSum, internetChecksum, onesSum, pseudoHeaderSum4, pseudoHeaderSum6 } from '../../../protocols/checksum.ts'

export interface Talk {
  family: 4 | 6
  protocol: number
  /** IPv4 dotted, IPv6 as 32 hexadecimal digits. */
  source: string
  destination: string
  /** Of TCP, UDP and SCTP; of an ICMP query both are its identifier; 0 of all others. */
  sourcePort: number
  destinationPort: number
  /** -1 where it is not ICMP. */
  icmpType: number
  icmpCode: number
  segment?: Segment
  /** What an ICMP error is about. */
  quoted?: Talk
  /**
   * `fragment`: part of a packet; of the first one, ports can be trusted. `doubtful`: something is wrong with it that one who looks closely may
   * hold against it, and another may not.
   */
  wholeness: 'whole' | 'fragment' | 'later fragment' | 'doubtful'
}

export interface Segment {
  flags: number
  sequence: number
  acknowledgement: number
  /** As in the header. */
  window: number
  /** Sequence numbers that it takes: payload, SYN and FIN. */
  length: number
  /** RFC 7323 §2.2; -1 where it offers none. */
  scale: number
}

export const FIN = 0x01
export const SYN = 0x02
export const RST = 0x04
export const ACK = 0x10

export const ICMP = 1
export const TCP = 6
export const UDP = 17
export const ICMPV6 = 58
export const SCTP = 132

const IPV4 = 0x0800
const IPV6 = 0x86dd
const FRAGMENT = 44
const AUTHENTICATION = 51
const NO_TYPE = -1
/** Type, code, checksum, and four octets that depend on them; then what is quoted. */
export const ICMP_ERROR_HEADER = 8

/** RFC 792 and RFC 4443 §3: messages that quote a packet. */
const ERRORS = { 4: [3, 4, 5, 11, 12], 6: [1, 2, 3, 4] } as const
/** Requests, and what answers each. */
const QUERIES = { 4: [8, 0, 13, 14, 15, 16, 17, 18], 6: [128, 129] } as const
const REQUESTS = { 4: [8, 13, 15, 17], 6: [128] } as const

const isIcmp = ({ family, protocol }: Talk) => protocol === (family === 4 ? ICMP : ICMPV6)
const isAmong = (types: readonly number[], type: number) => types.includes(type)

/** A question that somebody else's ICMP answers. */
export const isRequest = (talk: Talk): boolean => isIcmp(talk) && isAmong(REQUESTS[talk.family], talk.icmpType)
export const isQuery = (talk: Talk): boolean => isIcmp(talk) && isAmong(QUERIES[talk.family], talk.icmpType)
export const isError = (talk: Talk): boolean => isIcmp(talk) && isAmong(ERRORS[talk.family], talk.icmpType)

/** An IP packet in a frame: where its header begins, and where the frame ends. */
export interface PacketPlace {
  family: 4 | 6
  at: number
  end: number
}

/** Where the IP packet is in the frame, which is in `bytes` from `start` to `end`; undefined where its Ethernet type is another. */
export function packetIn(bytes: Uint8Array, start: number, end: number): PacketPlace | undefined {
  const typeAt = (place: number) => (bytes[place]! << 8) | bytes[place + 1]!
  let at = start + 12
  while (end >= at + 6 && (typeAt(at) === 0x8100 || typeAt(at) === 0x88a8)) at += 4
  if (end < at + 2) return undefined
  const family = typeAt(at) === IPV4 ? 4 : typeAt(at) === IPV6 ? 6 : undefined
  return family && { family, at: at + 2, end }
}

/** Reads the frame in `bytes` from `start` to `end`; undefined where it is not IP, or has no whole IP header. */
export function overhear(bytes: Uint8Array, start = 0, end = bytes.length): Talk | undefined {
  const place = packetIn(bytes, start, end)
  if (place === undefined) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return place.family === 4 ? readIpv4(view, place.at, end) : readIpv6(view, place.at, end)
}

const bytesOf = (view: DataView) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength)

function newTalk(family: 4 | 6, protocol: number, source: string, destination: string): Talk {
  return {
    family,
    protocol,
    source,
    destination,
    sourcePort: 0,
    destinationPort: 0,
    icmpType: NO_TYPE,
    icmpCode: 0,
    wholeness: 'whole',
  }
}

function readIpv4(view: DataView, at: number, limit: number): Talk | undefined {
  if (limit - at < 20) return undefined
  const address = (place: number) => [0, 1, 2, 3].map((octet) => view.getUint8(place + octet)).join('.')
  const talk = newTalk(4, view.getUint8(at + 9), address(at + 12), address(at + 16))
  const header = (view.getUint8(at) & 0x0f) * 4
  const length = view.getUint16(at + 2)
  const isWhole = view.getUint8(at) >> 4 === 4 && header >= 20 && length >= header && length <= limit - at
  if (!isWhole || internetChecksum(bytesOf(view), at, header) !== 0) talk.wholeness = 'doubtful'
  const end = Math.min(limit, at + Math.max(length, header))
  const fragment = view.getUint16(at + 6) & 0x3fff
  if (fragment !== 0 && talk.wholeness === 'whole')
    talk.wholeness = (fragment & 0x1fff) === 0 ? 'fragment' : 'later fragment'
  const sum = () => pseudoHeaderSum4(bytesOf(view), at, talk.protocol, end - at - header)
  return readTransport(view, at + header, end, talk, sum)
}

function readIpv6(view: DataView, at: number, limit: number): Talk | undefined {
  if (limit - at < 40) return undefined
  const address = (place: number) =>
    [0, 4, 8, 12]
      .map((word) =>
        view
          .getUint32(place + word)
          .toString(16)
          .padStart(8, '0'),
      )
      .join('')
  const talk = newTalk(6, view.getUint8(at + 6), address(at + 8), address(at + 24))
  const length = view.getUint16(at + 4)
  if (view.getUint8(at) >> 4 !== 6 || length > limit - at - 40) talk.wholeness = 'doubtful'
  const end = Math.min(limit, at + 40 + length)
  const transport = passExtensions(view, at + 40, end, talk)
  const sum = () => pseudoHeaderSum6(bytesOf(view), at, talk.protocol, end - transport)
  return readTransport(view, transport, end, talk, sum)
}

/** RFC 8200 §4. Gives where the headers end that stand between. */
function passExtensions(view: DataView, first: number, end: number, talk: Talk): number {
  let at = first
  while ([0, 43, 60, FRAGMENT, AUTHENTICATION].includes(talk.protocol)) {
    if (end - at < 8) {
      talk.wholeness = 'doubtful'
      return end
    }
    const units = view.getUint8(at + 1)
    const size = talk.protocol === FRAGMENT ? 8 : talk.protocol === AUTHENTICATION ? (units + 2) * 4 : (units + 1) * 8
    const fragment = talk.protocol === FRAGMENT ? view.getUint16(at + 2) : 0
    talk.protocol = view.getUint8(at)
    if ((fragment & 0xfff9) !== 0) talk.wholeness = (fragment & 0xfff8) === 0 ? 'fragment' : 'later fragment'
    at += size
    if (talk.wholeness === 'later fragment') return at
  }
  return at
}

function readTransport(view: DataView, at: number, end: number, talk: Talk, pseudoHeader: () => number): Talk {
  if (talk.wholeness === 'later fragment') return talk
  const size = end - at
  const isWhole = readHeader(view, at, end, talk)
  if (talk.wholeness === 'whole' && !(isWhole && checksumIsRight(view, at, size, talk, pseudoHeader)))
    talk.wholeness = 'doubtful'
  return talk
}

/** False where the header is cut short, or is not what it should be. */
function readHeader(view: DataView, at: number, end: number, talk: Talk): boolean {
  const size = end - at
  if (isIcmp(talk)) return size >= 8 && readIcmp(view, at, end, talk)
  const hasPorts = talk.protocol === TCP || talk.protocol === UDP || talk.protocol === SCTP
  if (!hasPorts) return true
  if (size < 4) return false
  talk.sourcePort = view.getUint16(at)
  talk.destinationPort = view.getUint16(at + 2)
  if (talk.sourcePort === 0 || talk.destinationPort === 0) return false
  if (talk.protocol === TCP) return readSegment(view, at, end, talk)
  if (talk.protocol === UDP) return size >= 8 && view.getUint16(at + 4) >= 8 && view.getUint16(at + 4) <= size
  return true
}

function readIcmp(view: DataView, at: number, end: number, talk: Talk): boolean {
  talk.icmpType = view.getUint8(at)
  talk.icmpCode = view.getUint8(at + 1)
  if (isQuery(talk)) {
    talk.sourcePort = talk.destinationPort = view.getUint16(at + 4)
    return talk.icmpCode === 0
  }
  if (!isError(talk)) return true
  const { family } = talk
  const quoted = quote(view, at + ICMP_ERROR_HEADER, end, family)
  if (quoted === undefined) return false
  talk.quoted = quoted
  if (end - at - ICMP_ERROR_HEADER < (family === 4 ? 28 : 48)) return false
  // RFC 4443 quotes as much as fits: of TCP some want to see the whole header.
  if (family === 6 && quoted.protocol === TCP && quoted.segment === undefined) return false
  return quoted.source === talk.destination
}

/** The packet that an ICMP error quotes: its beginning is enough, with at least 8 bytes after its own header (RFC 792). */
function quote(view: DataView, at: number, end: number, family: 4 | 6): Talk | undefined {
  if (end - at < (family === 4 ? 20 : 40)) return undefined
  const bytes = bytesOf(view)
  // Its length is that of the packet, not of what is quoted; nothing behind the ports is needed.
  const copy = new Uint8Array(end - at)
  copy.set(bytes.subarray(at, end))
  const copied = new DataView(copy.buffer)
  return family === 4 ? readIpv4(copied, 0, copy.length) : readIpv6(copied, 0, copy.length)
}

function readSegment(view: DataView, at: number, end: number, talk: Talk): boolean {
  if (end - at < 20) return false
  const header = (view.getUint8(at + 12) >> 4) * 4
  if (header < 20 || header > end - at) return false
  const flags = view.getUint8(at + 13) & 0x3f
  const controls = ((flags & SYN) === 0 ? 0 : 1) + ((flags & FIN) === 0 ? 0 : 1)
  talk.segment = {
    flags,
    sequence: view.getUint32(at + 4),
    acknowledgement: view.getUint32(at + 8),
    window: view.getUint16(at + 14),
    length: end - at - header + controls,
    scale: windowScale(view, at + 20, at + header),
  }
  return true
}

function windowScale(view: DataView, first: number, end: number): number {
  let at = first
  while (at < end) {
    const kind = view.getUint8(at)
    if (kind === 0) return -1
    const size = kind === 1 ? 1 : at + 1 < end ? Math.max(2, view.getUint8(at + 1)) : end
    if (kind === 3 && at + 3 <= end) return Math.min(14, view.getUint8(at + 2))
    at += size
  }
  return -1
}

function checksumIsRight(view: DataView, at: number, size: number, talk: Talk, pseudoHeader: () => number): boolean {
  const { family, protocol } = talk
  if (protocol === ICMP && family === 4) return internetChecksum(bytesOf(view), at, size) === 0
  if (protocol === UDP && family === 4 && view.getUint16(at + 6) === 0) return true
  if (protocol !== TCP && protocol !== UDP && !(protocol === ICMPV6 && family === 6)) return true
  return foldSum(onesSum(bytesOf(view), at, size, pseudoHeader())) === 0xffff
}

/** ARP and RARP: no business of security groups. */
export const SPEAKS_FOR_ITSELF: readonly number[] = [0x0806, 0x8035]

/** Neighbour discovery (RFC 4861), and reports and queries of multicast listeners (RFC 2710, RFC 3810). */
const NEIGHBOUR = [135, 136]
const DISCOVERY = [130, 131, 132, 133, 134, 137, 143]
const SENT_BY_GUESTS = [131, 132, 133, 143]
const HEARD_BY_GUESTS = [130, 134, 137]
const DHCP = { client: 68, server: 67 } as const
const DHCPV6 = { client: 546, server: 547 } as const

/** What the network itself needs: neighbour and router discovery, listener reports, and a client's DHCP. `perhaps` for a router's own part in it. */
export function isOfTheNetwork(talk: Talk, direction: 'ingress' | 'egress'): 'yes' | 'perhaps' | 'no' {
  const { family, protocol, icmpType, sourcePort, destinationPort } = talk
  if (family === 6 && protocol === ICMPV6) {
    const plain = [...NEIGHBOUR, ...(direction === 'egress' ? SENT_BY_GUESTS : HEARD_BY_GUESTS)]
    if (plain.includes(icmpType)) return 'yes'
    return DISCOVERY.includes(icmpType) ? 'perhaps' : 'no'
  }
  if (protocol !== UDP) return 'no'
  const { client, server } = family === 4 ? DHCP : DHCPV6
  const [from, to] = direction === 'egress' ? [client, server] : [server, client]
  return sourcePort === from && destinationPort === to ? 'yes' : 'no'
}

const NAMES: Readonly<Record<number, string>> = {
  [ICMP]: 'icmp',
  [TCP]: 'tcp',
  [UDP]: 'udp',
  [ICMPV6]: 'icmpv6',
  [SCTP]: 'sctp',
}

/** As `tcp from 10.0.0.1:1234 to 10.0.0.2:80`. */
export function describe(talk: Talk): string {
  const { family, protocol, source, destination, sourcePort, destinationPort, icmpType, icmpCode } = talk
  const name = NAMES[protocol] ?? `IP protocol ${protocol}`
  const spelled = (address: string) => (family === 6 ? formatIpv6(BigInt(`0x${address}`)) : address)
  if (icmpType >= 0)
    return `${name} type ${icmpType} code ${icmpCode} from ${spelled(source)} to ${spelled(destination)}`
  const end = (address: string, port: number) =>
    port === 0 ? spelled(address) : family === 6 ? `[${spelled(address)}]:${port}` : `${address}:${port}`
  return `${name} from ${end(source, sourcePort)} to ${end(destination, destinationPort)}`
}
