import { IDEAL_LINK, NETWORK_MTU } from '../defaults.ts'
import type { Draft, TopologyDraft } from '../draft.ts'
import type { Report } from '../findings.ts'
import { checkKnown } from '../findings.ts'
import { pointer } from '../problems.ts'
import type { WrittenLink } from '../schema/topology.ts'
import { VXLAN_OVERHEAD } from '../topology.ts'
import { namesOf } from './names.ts'

/** Every link joins two things that exist, every host reaches every other, and what guests send fits every link. */
export function checkFabric(topology: TopologyDraft, report: Report): void {
  const { hosts, fabric } = topology
  if (fabric?.links !== undefined && hosts !== undefined) {
    const nodes = new Set([...namesOf(hosts), ...namesOf(fabric.switches)])
    checkEndpoints(fabric.links, nodes, report)
    checkConnected(topology, fabric.links, report)
  }
  checkMtu(topology, report)
}

function checkEndpoints(links: readonly Draft<WrittenLink>[], nodes: ReadonlySet<string>, report: Report): void {
  const joined = new Set<string>()
  for (const [index, { endpoints = [] }] of links.entries()) {
    const at = pointer('fabric', 'links', index, 'endpoints')
    for (const [end, name] of endpoints.entries())
      checkKnown(report, `${at}/${end}`, 'host or fabric switch', name, nodes)
    const [one, other] = endpoints
    if (one === undefined || other === undefined) continue
    if (one === other) report(at, `'${one}' is linked with itself`, 'two different ends')
    const pair = [one, other].sort().join(' ')
    if (joined.has(pair)) report(at, `${one} and ${other} are already linked`, 'one link between two ends')
    joined.add(pair)
  }
}

function checkConnected(
  { hosts = [], fabric }: TopologyDraft,
  links: readonly Draft<WrittenLink>[],
  report: Report,
): void {
  const first = hosts[0]?.name
  if (first === undefined) return
  const reached = reachableFrom(first, links, namesOf(fabric?.switches))
  for (const [index, { name }] of hosts.entries())
    if (name !== undefined && !reached.has(name))
      report(
        pointer('hosts', index),
        `no way through the fabric from ${first} to ${name}`,
        'links that connect all hosts',
      )
}

/** Hosts do not forward: the way leads through switches alone. */
function reachableFrom(
  start: string,
  links: readonly Draft<WrittenLink>[],
  switches: ReadonlySet<string>,
): Set<string> {
  const neighbours = new Map<string, string[]>()
  const join = (a: string, b: string) => neighbours.set(a, [...(neighbours.get(a) ?? []), b])
  for (const { endpoints: [one, other] = [] } of links)
    if (one !== undefined && other !== undefined) {
      join(one, other)
      join(other, one)
    }
  const reached = new Set([start])
  for (const node of reached)
    if (node === start || switches.has(node)) for (const next of neighbours.get(node) ?? []) reached.add(next)
  return reached
}

function checkMtu({ networks = [], fabric }: TopologyDraft, report: Report): void {
  const links = fabric?.links ?? [{}]
  const narrowest = links.reduce((least, link) => (mtuOf(link) < mtuOf(least) ? link : least), links[0] ?? {})
  const [one, other] = narrowest.endpoints ?? []
  const room = mtuOf(narrowest)
  const name = one === undefined || other === undefined ? 'its links' : `the link ${one}-${other}`
  for (const [index, network] of networks.entries()) {
    const overhead = network.type === 'vxlan' ? VXLAN_OVERHEAD : 0
    const mtu = network.mtu ?? NETWORK_MTU
    if (mtu + overhead <= room) continue
    const needed = overhead === 0 ? `${mtu} bytes` : `${mtu} bytes and ${overhead} of VXLAN`
    const at = pointer('networks', index, ...(network.mtu === undefined ? [] : ['mtu']))
    report(at, `${needed} do not fit ${name} (mtu ${room})`, `an mtu of at most ${room - overhead}, or wider links`)
  }
}

const mtuOf = (link: Draft<WrittenLink>) => link.mtu ?? IDEAL_LINK.mtu
