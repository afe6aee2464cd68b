// RFC 7348 §5: the outer UDP source port tells inner flows apart, so that equal-cost paths between tunnel endpoints share the
// load while each flow keeps to one of them.

import { EtherType, IpProtocol } from '../../protocols/match.ts'
import type { Layout } from '../rewrite/layout.ts'

/** Linux's ephemeral ports, from which Open vSwitch takes them too. */
const FIRST_PORT = 32768
const PORTS = 61000 - FIRST_PORT

/**
 * A port that depends on the inner flow alone: its addresses and ports, or its MAC addresses and type where it is not IP. The
 * inner frame is of `length` bytes and begins at `start`.
 */
export const sourcePortFor = (layout: Layout, start: number, length: number): number =>
  portOf(hashOf(layout, start, length))

/** The same for an IPv4 header without options, with TCP, UDP or SCTP behind it. */
export function sourcePortOfPlain(view: DataView, ip: number): number {
  const addresses = mixed(mixed(mixed(0, view.getUint8(ip + 9)), view.getInt32(ip + 12)), view.getInt32(ip + 16))
  return portOf(mixed(addresses, view.getInt32(ip + 20)))
}

/** The hash, taken as a fraction of 2^32, of all ports. */
function portOf(hash: number): number {
  const fraction = finished(hash)
  return FIRST_PORT + (((fraction >>> 16) * PORTS + (((fraction & 0xffff) * PORTS) >>> 16)) >>> 16)
}

function hashOf(layout: Layout, start: number, length: number): number {
  if (layout.network === 0 || !isIp(layout)) return hashEthernet(layout, start, length)
  const ipv6 = layout.etherType === EtherType.Ipv6
  const addresses = layout.network + (ipv6 ? 8 : 12)
  let hash = mixed(0, layout.protocol)
  for (let word = 0; word < (ipv6 ? 8 : 2); word++) hash = mixed(hash, layout.view.getUint32(addresses + 4 * word))
  return hasPorts(layout) ? mixed(hash, layout.view.getUint32(layout.transport)) : hash
}

const isIp = ({ etherType }: Layout) => etherType === EtherType.Ipv4 || etherType === EtherType.Ipv6

/** No fragment: the later ones have no ports, and all pieces of a datagram go one way. */
const hasPorts = ({ fragment, transport, protocol }: Layout) =>
  !fragment &&
  transport !== 0 &&
  (protocol === IpProtocol.Tcp || protocol === IpProtocol.Udp || protocol === IpProtocol.Sctp)

function hashEthernet(layout: Layout, start: number, length: number): number {
  let hash = mixed(0, layout.etherType)
  if (length < 12) return hash
  for (let word = 0; word < 3; word++) hash = mixed(hash, layout.view.getUint32(start + 4 * word))
  return hash
}

/** MurmurHash3's step and its last (Appleby, public domain). */
function mixed(hash: number, word: number): number {
  let next = Math.imul(word, 0xcc9e2d51)
  next = Math.imul((next << 15) | (next >>> 17), 0x1b873593) ^ hash
  return (Math.imul((next << 13) | (next >>> 19), 5) + 0xe6546b64) | 0
}

function finished(hash: number): number {
  let last = hash ^ (hash >>> 16)
  last = Math.imul(last, 0x85ebca6b)
  last ^= last >>> 13
  last = Math.imul(last, 0xc2b2ae35)
  return last ^ (last >>> 16)
}
