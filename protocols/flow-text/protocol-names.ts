// `tcp`, `arp` and their like: one word for an Ethernet type, or for that and an IP protocol.

import { EtherType, IpProtocol } from '../match.ts'

interface ProtocolName {
  readonly etherType: number
  readonly protocol?: number
}

const MPLS = 0x8847
const MPLS_MULTICAST = 0x8848

/** Where two names mean the same, the first is printed. */
export const PROTOCOL_NAMES: ReadonlyMap<string, ProtocolName> = new Map(
  Object.entries<ProtocolName>({
    ip: { etherType: EtherType.Ipv4 },
    ipv4: { etherType: EtherType.Ipv4 },
    icmp: { etherType: EtherType.Ipv4, protocol: IpProtocol.Icmp },
    tcp: { etherType: EtherType.Ipv4, protocol: IpProtocol.Tcp },
    udp: { etherType: EtherType.Ipv4, protocol: IpProtocol.Udp },
    sctp: { etherType: EtherType.Ipv4, protocol: IpProtocol.Sctp },
    ipv6: { etherType: EtherType.Ipv6 },
    ip6: { etherType: EtherType.Ipv6 },
    icmp6: { etherType: EtherType.Ipv6, protocol: IpProtocol.Icmpv6 },
    tcp6: { etherType: EtherType.Ipv6, protocol: IpProtocol.Tcp },
    udp6: { etherType: EtherType.Ipv6, protocol: IpProtocol.Udp },
    sctp6: { etherType: EtherType.Ipv6, protocol: IpProtocol.Sctp },
    arp: { etherType: EtherType.Arp },
    rarp: { etherType: EtherType.Rarp },
    mpls: { etherType: MPLS },
    mplsm: { etherType: MPLS_MULTICAST },
  }),
)

/** The shortest text for this Ethernet type and protocol; undefined where there is no name for it. */
export function protocolName(etherType: number, protocol: number | undefined): string | undefined {
  for (const [name, named] of PROTOCOL_NAMES) {
    if (named.etherType === etherType && named.protocol === protocol) return name
  }
  return undefined
}
