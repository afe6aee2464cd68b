// What the guests of one host say to each other, by chance: few ports, and answers to what was said before.

import { parseIpv4, parseIpv6, parseMac } from '../../protocols/address.ts'
import {
  icmpEchoFrame,
  icmpv6EchoFrame,
  ipFrame,
  sctpFrame,
  tcpFrame,
  udpFrame,
} from '../../protocols/packet/compose.ts'
import { TcpFlag } from '../../protocols/packet/tcp.ts'
import type { Random } from '../../runtime/random.ts'
import type { PortPolicy, SecurityGroup, Topology } from '../../topologies/topology.ts'
import { withSecurityGroups } from './random-security-groups.ts'

export const GUESTS = 5

export const guest = (index: number, policy: PortPolicy): Topology['vms'][number] => ({
  name: `vm${index}`,
  host: 'h1',
  nics: [
    {
      id: `vm${index}:eth0`,
      vm: `vm${index}`,
      name: 'eth0',
      bridge: 'br-int',
      network: 'blue',
      mac: `02:00:00:00:00:0${index}`,
      addresses: [`10.0.0.${index}`, `2001:db8::${index}`],
      vlanMode: 'access',
      trunks: [],
      policy,
    },
  ],
})

export const oneHost = (securityGroups: SecurityGroup[] = [], policy: Partial<PortPolicy> = {}): Topology => ({
  name: 'one-host',
  hosts: [{ name: 'h1', bridges: [{ name: 'br-int' }] }],
  fabric: { switches: [], links: [] },
  networks: [{ name: 'blue', type: 'vlan', segment: 10, mtu: 1500, subnets: [] }],
  addressGroups: [],
  securityGroups,
  vms: Array.from({ length: GUESTS }, (_, index) => guest(index + 1, { portSecurity: true, ...policy })),
})

export interface Saying {
  from: number
  to: number
  version: 4 | 6
  protocol: number
  sourcePort: number
  destinationPort: number
  icmpType: number
  flags: number
}

/** Put at the beginning of a frame, it is for everybody of the network. */
export const BROADCAST = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]
const macOf = (index: number) => parseMac(`02:00:00:00:00:0${index}`)
export const addressOf = (index: number, version: 4 | 6) => (version === 4 ? `10.0.0.${index}` : `2001:db8::${index}`)
export const isIcmp = ({ protocol }: Saying) => protocol === 1 || protocol === 58
export const REQUESTS = [8, 128]

export function frameOf(said: Saying): Uint8Array {
  const { from, to, version, protocol, sourcePort, destinationPort, icmpType, flags } = said
  const addresses =
    version === 4
      ? { ipSrc: parseIpv4(addressOf(from, 4)), ipDst: parseIpv4(addressOf(to, 4)) }
      : { ipSrc: parseIpv6(addressOf(from, 6)), ipDst: parseIpv6(addressOf(to, 6)) }
  const ends = { ethSrc: macOf(from), ethDst: macOf(to), ...addresses }
  const ports = { ...ends, srcPort: sourcePort, dstPort: destinationPort }
  if (isIcmp(said)) {
    const echo = { ...ends, identifier: sourcePort, sequence: 1, reply: !REQUESTS.includes(icmpType) }
    return version === 4
      ? icmpEchoFrame(echo as Parameters<typeof icmpEchoFrame>[0])
      : icmpv6EchoFrame(echo as Parameters<typeof icmpv6EchoFrame>[0])
  }
  if (protocol === 6) return tcpFrame({ ...ports, flags })
  if (protocol === 17) return udpFrame(ports)
  if (protocol === 132) return sctpFrame(ports)
  return ipFrame({ ...ends, protocol, segment: new Uint8Array(20) })
}

const ANSWERS: Readonly<Record<number, number>> = { 8: 0, 0: 8, 128: 129, 129: 128 }

export const answerTo = (said: Saying): Saying => ({
  ...said,
  from: said.to,
  to: said.from,
  ...(isIcmp(said)
    ? { icmpType: ANSWERS[said.icmpType]! }
    : { sourcePort: said.destinationPort, destinationPort: said.sourcePort }),
  flags: said.flags === TcpFlag.Syn ? TcpFlag.Syn | TcpFlag.Ack : TcpFlag.Ack,
})

export const pick = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)]!

export function randomSaying(random: Random): Saying {
  const version = random.below(5) < 3 ? 4 : 6
  const protocol = pick(random, [6, 6, 17, 17, version === 4 ? 1 : 58, 132, 47])
  const from = 1 + random.below(GUESTS)
  const ports = { sourcePort: 1000 + random.below(3), destinationPort: pick(random, [22, 79, 80, 81, 443, 480, 900]) }
  const isEcho = protocol === 1 || protocol === 58
  return {
    from,
    to: 1 + ((from + random.below(GUESTS - 1)) % GUESTS),
    version,
    protocol,
    ...(isEcho ? { sourcePort: 1000 + random.below(3), destinationPort: 0 } : ports),
    icmpType: isEcho ? (version === 4 ? 8 : 128) : -1,
    flags: TcpFlag.Syn,
  }
}

export const withEvents = (random: Random, topology: Topology): Topology => {
  const other = withSecurityGroups(random, topology)
  const chosen = random.below(GUESTS)
  if (random.below(3) === 0) return { ...topology, vms: topology.vms.with(chosen, other.vms[chosen]!) }
  const group = random.below(topology.securityGroups.length)
  return {
    ...topology,
    addressGroups: random.below(4) === 0 ? other.addressGroups : topology.addressGroups,
    securityGroups: topology.securityGroups.with(group, {
      ...other.securityGroups[group]!,
      stateful: topology.securityGroups[group]!.stateful,
    }),
  }
}
