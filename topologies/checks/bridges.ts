import type { TopologyDraft } from '../draft.ts'
import { bridgesOf, nicsOf } from '../draft.ts'
import type { Report } from '../findings.ts'
import { checkKnown, within } from '../findings.ts'
import { pointer } from '../problems.ts'
import { namesOf } from './names.ts'

type Bridges = ReturnType<typeof bridgesOf>

/** A host's bridges are a tree whose root is the first of them, and every vNIC is on one that is there. */
export function checkBridges(topology: TopologyDraft, report: Report): void {
  const byHost = new Map<string, Set<string>>()
  for (const [index, host] of (topology.hosts ?? []).entries()) {
    checkTree(bridgesOf(host), within(pointer('hosts', index, 'bridges'), report))
    if (host.name !== undefined) byHost.set(host.name, namesOf(bridgesOf(host)))
  }
  for (const { vm, nic, at } of nicsOf(topology)) {
    const bridges = vm.host === undefined ? undefined : byHost.get(vm.host)
    if (bridges !== undefined) checkKnown(report, `${at}/bridge`, `bridge on ${vm.host}`, nic.bridge, bridges)
  }
}

function checkTree(bridges: Bridges, report: Report): void {
  const names = namesOf(bridges)
  const seen = new Set<string>()
  for (const [index, { name, peer }] of bridges.entries()) {
    if (name !== undefined && seen.has(name))
      report(`/${index}/name`, `'${name}' is already a bridge of this host`, 'a name of its own')
    if (name !== undefined) seen.add(name)
    checkKnown(report, `/${index}/peer`, 'bridge of this host', peer, names)
    if (index === 0 && peer !== undefined)
      report('/0/peer', 'the integration bridge has a peer', 'the first bridge to have none')
    if (index > 0 && peer === undefined) report(`/${index}`, 'a bridge that hangs from no other', "a key 'peer'")
    if (index > 0 && hasCycle(bridges, index))
      report(`/${index}/peer`, 'bridges that are patched in a circle', `a way to ${bridges[0]?.name}`)
  }
}

/** Follows the peers: whoever is still under way after as many steps as there are bridges walks in a circle. */
function hasCycle(bridges: Bridges, start: number): boolean {
  let at: Bridges[number] | undefined = bridges[start]
  for (let step = 0; step < bridges.length; step++) {
    const peer: string | undefined = at?.peer
    if (peer === undefined) return false
    at = bridges.find(({ name }) => name === peer)
  }
  return at !== undefined && at !== bridges[0]
}
