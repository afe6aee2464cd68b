// What is meant where the file says nothing.

import { createHash } from 'node:crypto'
import { IpProtocol } from '../protocols/match.ts'
import type { WrittenRule } from './schema/security-groups.ts'
import type { Fabric, IgmpSnooping, Link } from './topology.ts'

export const INTEGRATION_BRIDGE = 'br-int'
export const NETWORK_MTU = 1500
/** As Open vSwitch has them. */
export const DEFAULT_SNOOPING: IgmpSnooping = {
  tableSize: 2048,
  agingTime: 300_000_000_000,
  floodUnregistered: true,
  fastLeave: true,
}
/** As Open Virtual Network has them; its interval is half the ageing time. */
export const DEFAULT_QUERIER = { version: 3, ipv4: '0.0.0.0', maxResponse: 1_000_000_000 } as const
export const IDEAL_LINK: Omit<Link, 'endpoints'> = { delay: 0, jitter: 0, loss: 0, mtu: 9000, queue: 1000 }
const IDEAL_SWITCH = 'fabric'

const LEAST_BURST = 12_144
const BURSTS_PER_SECOND = 100

/** One switch, and links without limit from each host to it. */
export const idealFabric = (hosts: readonly string[]): Fabric => ({
  switches: [{ name: IDEAL_SWITCH }],
  links: hosts.map((host) => ({ endpoints: [host, IDEAL_SWITCH], ...IDEAL_LINK })),
})

export const ETHERTYPE = 'IPv4'

const PROTOCOL_NUMBERS = {
  tcp: IpProtocol.Tcp,
  udp: IpProtocol.Udp,
  icmp: IpProtocol.Icmp,
  icmpv6: IpProtocol.Icmpv6,
  sctp: IpProtocol.Sctp,
} as const

export const protocolNumber = (protocol: NonNullable<WrittenRule['protocol']>): number =>
  typeof protocol === 'number' ? protocol : PROTOCOL_NUMBERS[protocol]

/** A locally administered address that follows from the vNIC's id: 02 and the first five octets of its SHA-256. */
export function derivedMac(nicId: string): string {
  const digest = createHash('sha256').update(nicId).digest('hex')
  return `02${digest.slice(0, 10)}`.replace(/..(?!$)/g, '$&:')
}

/** Bits: 10 ms of the rate, at least one full Ethernet frame of 1518 bytes. */
export const defaultBurst = (rate: number): number => Math.max(LEAST_BURST, Math.ceil(rate / BURSTS_PER_SECOND))
