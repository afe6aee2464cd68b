// Rule sets as text that both switches read.

import type { Random } from '../../runtime/random.ts'
import { seeded } from '../../runtime/random.ts'
import { formatIpv4 } from '../../protocols/address.ts'
import { tupleOf } from './traffic.ts'

const REST = 'priority=1,in_port=1,actions=output:2'

/** Rules of which none takes the traffic: prefixes, protocols and ports of many kinds, all of them to drop; then one to let the rest pass. */
export function missedAcl(count: number): string[] {
  const random = seeded(7)
  const lengths = [8, 12, 16, 20, 24, 28, 32]
  const rule = (index: number) => {
    const [third, fourth] = [random.below(256), random.below(256)]
    const source = `172.${16 + random.below(16)}.${third}.${fourth}/${chosen(lengths, random)}`
    const destination = `192.168.${third}.${fourth}/${Math.max(chosen(lengths, random), 16)}`
    const match = matchOf(index, source, destination, { source: 60_000 + (index % 5000), destination: 1000 + index })
    return `priority=${1000 + index},in_port=1,${match},actions=drop`
  }
  return [...Array.from({ length: count }, (_, index) => rule(index)), REST]
}

/**
 * Rules within the traffic, which overlap one another: sources, destinations and ports of many kinds, so that what tells apart
 * who goes by which takes masks of some hundred kinds.
 */
export function hitAcl(count: number): string[] {
  const random = seeded(7)
  const lengths = [18, 20, 22, 24, 26, 28, 30, 32]
  const rule = (index: number) => {
    const [third, fourth] = [random.below(256), random.below(256)]
    const source = `10.1.${third}.${fourth}/${chosen(lengths, random)}`
    const destination = `10.2.${random.below(26)}.${fourth}/${chosen(lengths, random)}`
    const match = matchOf(index, source, destination, { source: 1024 + index * 7, destination: 1 + (index % 200) })
    return `priority=${1000 + index},in_port=1,${match},actions=output:2`
  }
  return [...Array.from({ length: count }, (_, index) => rule(index)), REST]
}

/** The traffic and some others are let through, all else is dropped. */
export const allowSome = (): string[] => [
  'priority=500,in_port=1,udp,nw_src=10.1.0.0/16,actions=output:2',
  'priority=400,in_port=1,udp,tp_dst=443,actions=output:2',
  'priority=300,in_port=1,udp,tp_src=12345,actions=output:2',
  'priority=200,in_port=1,udp,nw_dst=10.9.9.9,actions=output:2',
  'priority=0,actions=drop',
]

/** One rule for each of the first `count` 5-tuples. */
export function exactRules(count: number): string[] {
  return Array.from({ length: count }, (_, flow) => {
    const { ipSrc, ipDst, srcPort, dstPort } = tupleOf(flow)
    const addresses = `nw_src=${formatIpv4(ipSrc)},nw_dst=${formatIpv4(ipDst)}`
    return `priority=10,in_port=1,udp,${addresses},tp_src=${srcPort},tp_dst=${dstPort},actions=output:2`
  })
}

/** Five kinds in turn. */
function matchOf(
  index: number,
  source: string,
  destination: string,
  port: { source: number; destination: number },
): string {
  switch (index % 5) {
    case 0:
      return `udp,nw_src=${source}`
    case 1:
      return `udp,nw_src=${source},nw_dst=${destination}`
    case 2:
      return `udp,nw_dst=${destination},tp_dst=${port.destination}`
    case 3:
      return `udp,nw_src=${source},tp_dst=${port.destination}`
    default:
      return `udp,tp_src=${port.source}`
  }
}

const chosen = (values: readonly number[], random: Random) => values[random.below(values.length)]!
