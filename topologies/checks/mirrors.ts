import { bridgesOf } from '../defaults.ts'
import type { Draft, PlacedNic, TopologyDraft } from '../draft.ts'
import { attachmentsOf, nicsOf } from '../draft.ts'
import type { Report } from '../findings.ts'
import { checkKnown, within } from '../findings.ts'
import { pointer } from '../problems.ts'
import type { WrittenMirror } from '../schema/mirrors.ts'
import { namesOf } from './names.ts'

type Mirror = Draft<WrittenMirror>

/** The vNIC of this name; undefined where there is none, or several. */
function nicNamed(topology: TopologyDraft, name: string | undefined): PlacedNic | undefined {
  const found = [...nicsOf(topology)].filter(({ id, vm }) => id !== undefined && (id === name || vm.name === name))
  return found.length === 1 ? found[0] : undefined
}

/** Names in full of the vNICs that hear copies, and nothing else. */
const mirrorTargets = (topology: TopologyDraft): Set<string | undefined> =>
  new Set((topology.mirrors ?? []).flatMap(({ target }) => nicNamed(topology, target?.port)?.id ?? []))

/** Mirrors copy what is there, to who hears nothing else, by a way that nothing else goes. */
export function checkMirrors(topology: TopologyDraft, report: Report): void {
  const ways = new Map<string, string>()
  for (const [index, mirror] of (topology.mirrors ?? []).entries()) {
    const here = within(pointer('mirrors', index), report)
    const target = checkTarget(topology, mirror, here)
    const sources = checkSource(topology, mirror, here)
    checkWay(topology, mirror, ways, here)
    if (target !== undefined) checkHosts(topology, [...sources, target], here)
    checkBridges(topology, [...sources, ...(target ? [target] : [])], here)
  }
}

function checkTarget(topology: TopologyDraft, { target = {}, tenant }: Mirror, report: Report): PlacedNic | undefined {
  const found = checkNic(topology, target.port, '/target/port', report)
  if (found === undefined) return undefined
  const { nic, id, vm } = found
  if (nic.network !== undefined || (nic.trunks ?? []).length > 0)
    report('/target/port', `${id} is on a network`, 'a vNIC without one: it hears copies and nothing else')
  checkOwner(vm.tenant, tenant, `${id}`, '/target/port', report)
  return found
}

/** @returns the vNICs that are copied */
function checkSource(topology: TopologyDraft, { source = {}, tenant }: Mirror, report: Report): PlacedNic[] {
  checkKnown(report, '/source/network', 'network', source.network, namesOf(topology.networks))
  const network = topology.networks?.find(({ name }) => name !== undefined && name === source.network)
  if (network !== undefined) checkOwner(network.tenant, tenant, `${network.name}`, '/source/network', report)
  const found = checkNic(topology, source.port, '/source/port', report)
  if (found !== undefined) {
    checkOwner(found.vm.tenant, tenant, `${found.id}`, '/source/port', report)
    if (mirrorTargets(topology).has(found.id))
      report('/source/port', `${found.id} hears copies itself`, 'a vNIC that is on a network')
  }
  const members = [...attachmentsOf(topology)].filter((one) => network !== undefined && one.network === network.name)
  return [...new Set([...(found ? [found] : []), ...members.map(({ placed }) => placed)])]
}

function checkNic(
  topology: TopologyDraft,
  name: string | undefined,
  at: string,
  report: Report,
): PlacedNic | undefined {
  const found = nicNamed(topology, name)
  if (found === undefined && name !== undefined) {
    const several = [...nicsOf(topology)].filter(({ vm }) => vm.name === name)
    const known = new Set((several.length > 0 ? several : [...nicsOf(topology)]).flatMap(({ id }) => id ?? []))
    checkKnown(report, at, 'vNIC', name, known)
  }
  return found
}

/** A tenant looks on at what is its own, also where others use it. */
function checkOwner(owner: string | undefined, tenant: string | undefined, name: string, at: string, report: Report) {
  if (tenant !== undefined && owner !== tenant)
    report(at, `${name} belongs to ${owner === undefined ? 'no tenant' : `tenant ${owner}`}`, `what is ${tenant}'s own`)
}

function checkWay(topology: TopologyDraft, { target = {} }: Mirror, ways: Map<string, string>, report: Report): void {
  const { segment, vlan } = target
  const [type, number, key] = vlan === undefined ? ['vxlan', segment, 'segment'] : ['vlan', vlan, 'vlan']
  if (number === undefined) return
  const network = topology.networks?.find((one) => one.type === type && one.segment === number)
  if (network !== undefined)
    report(`/target/${key}`, `${type} segment ${number} is that of '${network.name}'`, 'one of no network')
  const text = `${type} ${number}`
  const end = nicNamed(topology, target.port)?.id ?? ''
  if ((ways.get(text) ?? end) !== end)
    report(`/target/${key}`, `${type} segment ${number} leads to ${ways.get(text)}`, 'a segment of its own')
  ways.set(text, end)
}

/** Between hosts copies go through tunnels. */
function checkHosts(topology: TopologyDraft, nics: readonly PlacedNic[], report: Report): void {
  const names = new Set(nics.map(({ vm }) => vm.host))
  if (names.size < 2) return
  const bare = topology.hosts?.find(({ name, vtep }) => names.has(name) && vtep === undefined)
  if (bare !== undefined)
    report(
      '/target',
      `copies go between hosts, and ${bare.name} has no tunnel endpoint`,
      `a key 'vtep' on ${bare.name}`,
    )
}

function checkBridges(topology: TopologyDraft, nics: readonly PlacedNic[], report: Report): void {
  const bridges = new Map((topology.hosts ?? []).map((host) => [host.name, bridgesOf(host)[0]?.name]))
  const apart = nics.find(({ vm, nic }) => nic.bridge !== undefined && nic.bridge !== bridges.get(vm.host))
  if (apart !== undefined)
    report(
      '',
      `${apart.id} is on ${apart.nic.bridge}`,
      `vNICs on the integration bridge, ${bridges.get(apart.vm.host)}`,
    )
}
