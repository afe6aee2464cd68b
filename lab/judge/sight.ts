// What the judge can see of a frame. It reads the bytes itself: a mistake in the switch's parser must not excuse the switch.

/** A MAC address as a number of 48 bits. */
export type Mac = number

export interface Sight {
  destination: Mac
  source: Mac
  /** Tag control information of the VLAN tags, outermost first. */
  tags: number[]
  /** Type after the tags; below 0x600 a length (802.3). */
  etherType: number
  /** Bytes after the tags: what an MTU counts. */
  payloadLength: number
  arp?: { operation: number; senderMac: Mac; sender: string; target: string }
  ip?: IpSight
  /** Equal for frames of one flow: addresses, protocol and ports. */
  flow: number
}

export interface IpSight {
  version: 4 | 6
  source: string
  destination: string
  dscp: number
  protocol: number
  sourcePort?: number
  destinationPort?: number
  icmpType?: number
  /** Neighbour discovery: the address asked for or announced. */
  target?: string
}

const ARP = 0x0806
const RARP = 0x8035
const IPV4 = 0x0800
const IPV6 = 0x86dd
const ICMPV6 = 58

export const isGroup = (mac: Mac) => Math.floor(mac / 2 ** 40) % 2 === 1
/** 01:80:c2:00:00:0X: bridges keep these to themselves (IEEE 802.1D §7.12.6). */
export const isReserved = (mac: Mac) => mac >= 0x0180c2000000 && mac <= 0x0180c200000f
export const isIp = (etherType: number) => etherType === IPV4 || etherType === IPV6
export const isArp = (etherType: number) => etherType === ARP
export const isRarp = (etherType: number) => etherType === RARP

/** Addresses as the judge compares them: IPv4 dotted, IPv6 as 32 hexadecimal digits. */
export const ipv4At = (view: DataView, at: number) =>
  `${view.getUint8(at)}.${view.getUint8(at + 1)}.${view.getUint8(at + 2)}.${view.getUint8(at + 3)}`

export const ipv6At = (view: DataView, at: number) =>
  [0, 4, 8, 12]
    .map((word) =>
      view
        .getUint32(at + word)
        .toString(16)
        .padStart(8, '0'),
    )
    .join('')

const macAt = (view: DataView, at: number): Mac => view.getUint16(at) * 2 ** 32 + view.getUint32(at + 2)

/** Looks at a frame; undefined where it has no whole Ethernet header. */
export function look(bytes: Uint8Array): Sight | undefined {
  if (bytes.length < 14) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const tags: number[] = []
  let at = 12
  while ((view.getUint16(at) === 0x8100 || view.getUint16(at) === 0x88a8) && bytes.length >= at + 6) {
    tags.push(view.getUint16(at + 2))
    at += 4
  }
  const etherType = view.getUint16(at)
  const payload = at + 2
  const seen: Sight = {
    destination: macAt(view, 0),
    source: macAt(view, 6),
    tags,
    etherType,
    payloadLength: bytes.length - payload,
    flow: 0,
  }
  if (etherType === ARP && bytes.length >= payload + 28 && asksForIpv4(view, payload))
    seen.arp = lookAtArp(view, payload)
  if (etherType === IPV4 && bytes.length >= payload + 20) seen.ip = lookAtIpv4(view, payload)
  if (etherType === IPV6 && bytes.length >= payload + 40) seen.ip = lookAtIpv6(view, payload)
  seen.flow = flowOf(seen)
  return seen
}

/** ARP between Ethernet and IPv4 addresses; any other ends before the addresses or means something else by them. */
const asksForIpv4 = (view: DataView, at: number) =>
  view.getUint32(at) === 0x00010800 && view.getUint16(at + 4) === 0x0604

function lookAtArp(view: DataView, at: number): NonNullable<Sight['arp']> {
  return {
    operation: view.getUint16(at + 6),
    senderMac: macAt(view, at + 8),
    sender: ipv4At(view, at + 14),
    target: ipv4At(view, at + 24),
  }
}

function lookAtIpv4(view: DataView, at: number): IpSight {
  const seen: IpSight = {
    version: 4,
    source: ipv4At(view, at + 12),
    destination: ipv4At(view, at + 16),
    dscp: view.getUint8(at + 1) >> 2,
    protocol: view.getUint8(at + 9),
  }
  const isFragment = (view.getUint16(at + 6) & 0x3fff) !== 0
  if (!isFragment) lookAtTransport(view, at + (view.getUint8(at) & 0x0f) * 4, seen)
  return seen
}

function lookAtIpv6(view: DataView, at: number): IpSight {
  const seen: IpSight = {
    version: 6,
    source: ipv6At(view, at + 8),
    destination: ipv6At(view, at + 24),
    dscp: (view.getUint16(at) >> 6) & 0x3f,
    protocol: view.getUint8(at + 6),
  }
  let next = at + 40
  // Hop-by-hop, routing and destination options (RFC 8200 §4) stand between; a fragment header ends the search.
  while ([0, 43, 60].includes(seen.protocol) && view.byteLength >= next + 8) {
    seen.protocol = view.getUint8(next)
    next += (view.getUint8(next + 1) + 1) * 8
  }
  lookAtTransport(view, next, seen)
  return seen
}

function lookAtTransport(view: DataView, at: number, seen: IpSight): void {
  const hasPorts = seen.protocol === 6 || seen.protocol === 17 || seen.protocol === 132
  if (hasPorts && view.byteLength >= at + 4) {
    seen.sourcePort = view.getUint16(at)
    seen.destinationPort = view.getUint16(at + 2)
  }
  if (seen.protocol !== 1 && seen.protocol !== ICMPV6) return
  if (view.byteLength >= at + 1) seen.icmpType = view.getUint8(at)
  const isNeighbour = seen.protocol === ICMPV6 && (seen.icmpType === 135 || seen.icmpType === 136)
  if (isNeighbour && view.byteLength >= at + 24) seen.target = ipv6At(view, at + 8)
}

function flowOf({ destination, source, etherType, ip }: Sight): number {
  const text = `${destination} ${source} ${etherType} ${ip?.source} ${ip?.destination} ${ip?.protocol} ${ip?.sourcePort} ${ip?.destinationPort}`
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return hash >>> 0
}
