// Whether the checksums that a frame carries are the right ones.

import { bytesOf, viewOf } from '../bytes.ts'
import { internetChecksum, pseudoHeaderSum4, pseudoHeaderSum6 } from '../checksum.ts'
import { IpProtocol } from '../match.ts'
import type { Layer } from './dissect.ts'
import { dissect } from './dissect.ts'
import { ipv4ChecksumHolds } from './ipv4.ts'
import { pimChecksummed } from './pim.ts'
import { sctpChecksum } from './sctp.ts'

/** The names of the layers whose checksum does not hold, outermost first. Fragments are asked for their IP header only. */
export function wrongChecksums(frame: Uint8Array): Layer['name'][] {
  const view = viewOf(frame)
  const wrong: Layer['name'][] = []
  let ip: Layer | undefined
  for (const layer of dissect(frame)) {
    if (layer.name === 'ipv4' || layer.name === 'ipv6') ip = layer
    if (startsFragments(layer)) ip = undefined
    if (!checksumHolds(view, layer, ip)) wrong.push(layer.name)
  }
  return wrong
}

function checksumHolds(view: DataView, layer: Layer, ip: Layer | undefined): boolean {
  const bytes = bytesOf(view)
  const length = layer.end - layer.at
  if (layer.name === 'ipv4') return ipv4ChecksumHolds(view, bytes, layer.at)
  if (ip === undefined) return true
  switch (layer.name) {
    case 'icmp':
    case 'igmp':
      return internetChecksum(bytes, layer.at, length) === 0
    case 'mrd':
      return ip.name === 'ipv4'
        ? internetChecksum(bytes, layer.at, length) === 0
        : transportHolds(bytes, layer, ip, IpProtocol.Icmpv6)
    case 'pim':
      return pimHolds(bytes, ip, layer.at, pimChecksummed(layer.header, length))
    case 'icmpv6':
      return transportHolds(bytes, layer, ip, IpProtocol.Icmpv6)
    case 'tcp':
      return transportHolds(bytes, layer, ip, IpProtocol.Tcp)
    case 'udp':
      return (layer.header.checksum === 0 && ip.name === 'ipv4') || transportHolds(bytes, layer, ip, IpProtocol.Udp)
    case 'sctp':
      return sctpChecksum(bytes, layer.at, length) === layer.header.checksum
    default:
      return true
  }
}

/** In IPv4 no addresses are summed (RFC 7761 §4.9). */
function pimHolds(bytes: Uint8Array, ip: Layer, at: number, length: number): boolean {
  const above = ip.name === 'ipv4' ? 0 : pseudoHeaderSum6(bytes, ip.at, IpProtocol.Pim, length)
  return internetChecksum(bytes, at, length, above) === 0
}

/** A first fragment has a transport header, but not all that the header's checksum sums. */
const startsFragments = (layer: Layer) =>
  (layer.name === 'ipv4' && layer.header.moreFragments) ||
  (layer.name === 'ipv6-extensions' &&
    layer.header.extensions.some((extension) => extension.type === 'fragment' && extension.more))

function transportHolds(bytes: Uint8Array, layer: Layer, ip: Layer, protocol: number): boolean {
  const length = layer.end - layer.at
  const pseudoHeaderSum = ip.name === 'ipv4' ? pseudoHeaderSum4 : pseudoHeaderSum6
  return internetChecksum(bytes, layer.at, length, pseudoHeaderSum(bytes, ip.at, protocol, length)) === 0
}
