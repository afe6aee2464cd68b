// A mirror by itself, as people write it, put into the topology that it is to be part of.

import { parseTopology } from './load-topology.ts'
import { pointer, withinPart } from './problems.ts'
import type { WrittenMirror } from './schema/mirrors.ts'
import type { Mirror, Topology } from './topology.ts'
import { topologyToJson } from './write.ts'

/** As in a topology's file. */
export const mirrorToJson = (mirror: Mirror, topology: Topology): WrittenMirror =>
  topologyToJson({ ...topology, hosts: [], networks: [], securityGroups: [], vms: [], mirrors: [mirror] }).mirrors![0]!

/** The topology with one mirror more: `value`, which is anything. @throws InvalidInput with all that is wrong with it */
export function withMirror(topology: Topology, value: unknown): Topology {
  const written = topologyToJson(topology)
  const mirrors = [...(written.mirrors ?? []), (value ?? null) as WrittenMirror]
  const at = pointer('mirrors', mirrors.length - 1)
  const read = withinPart(at, () => parseTopology(JSON.stringify({ ...written, mirrors }), 'mirror'))
  return { ...topology, mirrors: [...(topology.mirrors ?? []), read.mirrors!.at(-1)!] }
}

/** The topology without the mirror of this name, which it has. */
export function withoutMirror({ mirrors = [], ...topology }: Topology, name: string): Topology {
  const others = mirrors.filter((mirror) => mirror.name !== name)
  return { ...topology, ...(others.length > 0 && { mirrors: others }) }
}
