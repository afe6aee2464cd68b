import type { Random } from '../../runtime/random.ts'
import type { Mirror, Topology } from '../../topologies/topology.ts'

const pick = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)]!

/** The topology with some mirrors, or none; their targets are any vNICs. */
export function withMirrors(random: Random, topology: Topology): Topology {
  const { mirrors: _, ...rest } = topology
  const nics = topology.vms.flatMap((vm) => vm.nics)
  const count = nics.length === 0 ? 0 : random.below(4)
  if (count === 0) return rest
  const mirrors = Array.from({ length: count }, (_unused, index): Mirror => ({
    name: `mirror${index}`,
    source:
      random.below(2) === 0
        ? { kind: 'port', port: pick(random, nics).id }
        : { kind: 'network', network: pick(random, topology.networks).name },
    direction: pick(random, ['from-lport', 'to-lport', 'both'] as const),
    target: pick<Mirror['target']>(random, [
      { kind: 'vlan', vlan: 900 + random.below(2) },
      { kind: 'file', file: `tap${random.below(2)}.pcapng` },
      { kind: 'port', port: pick(random, nics).id, segment: 9000 + index },
    ]),
  }))
  return { ...rest, mirrors }
}
