// A segment that changes hands: VLAN 10 was blue's and is to be green's. Frames of blue may still be on their way when the first host
// takes VLAN 10 for green. So it is free for a while between the two, and a network that waits for another's segment keeps its own
// meanwhile, or has one that nobody else has.

import type { Network, NetworkType, Topology } from '../../topologies/topology.ts'

const LAST = { vlan: 4094, vxlan: 0xffffff, flat: 0 } as const satisfies Record<NetworkType, number>

const keyOf = (type: NetworkType, segment: number | undefined): string => `${type} ${segment}`

/**
 * The way from one topology to another, of which the last is `to`: in no step does a network get a segment that another has had in the
 * step before. Where none changes hands, one step.
 */
export function segmentSteps(from: Topology, to: Topology): Topology[] {
  const steps: Topology[] = []
  let held = new Map(from.networks.map(({ name, type, segment }) => [name, keyOf(type, segment)]))
  const before = new Map(from.networks.map((network) => [network.name, network]))
  for (;;) {
    const networks = step(to.networks, held, before)
    const arrived = networks.every((network, index) => network === to.networks[index])
    steps.push(arrived ? to : { ...to, networks })
    if (arrived) return steps
    held = new Map(networks.map(({ name, type, segment }) => [name, keyOf(type, segment)]))
    for (const network of networks) before.set(network.name, network)
  }
}

/** Networks of `from` whose segment is another's in `to`. */
export function handedOver(from: Topology, to: Topology): Network[] {
  const owners = new Map(to.networks.map(({ name, type, segment }) => [keyOf(type, segment), name]))
  return from.networks.filter(
    ({ name, type, segment }) => type !== 'flat' && (owners.get(keyOf(type, segment)) ?? name) !== name,
  )
}

function step(
  wanted: readonly Network[],
  held: ReadonlyMap<string, string>,
  before: ReadonlyMap<string, Network>,
): Network[] {
  const owners = new Map([...held].map(([name, key]) => [key, name]))
  const taken = new Set([...held.values(), ...wanted.map(({ type, segment }) => keyOf(type, segment))])
  const waits = ({ name, type, segment }: Network): boolean =>
    type !== 'flat' && (owners.get(keyOf(type, segment)) ?? name) !== name
  const free = (network: Network): Network => {
    let segment: number = LAST[network.type]
    while (segment > 1 && taken.has(keyOf(network.type, segment))) segment--
    taken.add(keyOf(network.type, segment))
    return { ...network, segment }
  }
  const waiting = wanted.filter(waits)
  // Some that wait for each other get on only if one of them makes way.
  const stuck =
    waiting.length > 0 && wanted.every((one) => waits(one) || held.get(one.name) === keyOf(one.type, one.segment))
  const leaves = [...held.keys()].some((name) => !wanted.some((one) => one.name === name))
  return wanted.map((network) => {
    if (!waits(network)) return network
    const own = before.get(network.name)
    if (own === undefined || own.type !== network.type) return free(network)
    return stuck && !leaves && network === waiting[0] ? free(network) : { ...network, segment: own.segment! }
  })
}
