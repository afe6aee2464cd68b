// What a tunnel reads of the packet it carries, from where its headers stand.

import { EtherType } from '../../protocols/match.ts'
import type { Layout } from '../rewrite/layout.ts'

/** The inner packet's type of service or traffic class; -1 where the frame carries no IP. */
export function innerTos({ etherType, network, view }: Layout): number {
  if (network === 0) return -1
  if (etherType === EtherType.Ipv4) return view.getUint8(network + 1)
  return etherType === EtherType.Ipv6 ? (view.getUint16(network) >> 4) & 0xff : -1
}

/** The inner packet's TTL or hop limit; `otherwise` where the frame carries no IP. */
export function innerTtl({ etherType, network, view }: Layout, otherwise: number): number {
  if (network === 0) return otherwise
  if (etherType === EtherType.Ipv4) return view.getUint8(network + 8)
  return etherType === EtherType.Ipv6 ? view.getUint8(network + 7) : otherwise
}
