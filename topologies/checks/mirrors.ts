import type { Draft, PlacedNic, TopologyDraft } from '../draft.ts'
import { attachmentsOf, bridgesOf } from '../draft.ts'
import type { Report } from '../findings.ts'
import { checkKnown, within } from '../findings.ts'
import { pointer } from '../problems.ts'
import type { WrittenMirror } from '../schema/mirrors.ts'
import { namesOf } from './names.ts'

type Mirror = Draft<WrittenMirror>

/** The vNICs of a topology, by all that mirrors ask for: looked for once, however many mirrors there are. */
class Nics {
  /** By the names that mean them. */
  readonly #named = new Map<string, PlacedNic[]>()
  /** By network, those that are on it. */
  readonly #members = new Map<string, Set<PlacedNic>>()
  /** By host. */
  readonly integrationBridges: ReadonlyMap<string | undefined, string | undefined>
  /** Names in full of those that hear copies, and nothing else. */
  readonly targets: ReadonlySet<string | undefined>

  constructor(topology: TopologyDraft) {
    const { hosts = [], mirrors = [] } = topology
    for (const { placed, part, network } of attachmentsOf(topology)) {
      if (part === placed.nic) this.#name(placed)
      if (network !== undefined) this.#members.set(network, this.members(network).add(placed))
    }
    this.integrationBridges = new Map(hosts.map((host) => [host.name, bridgesOf(host)[0]?.name]))
    this.targets = new Set(mirrors.flatMap(({ target }) => this.named(target?.port)?.id ?? []))
  }

  /** The one of this name; undefined where there is none, or several. */
  named(name: string | undefined): PlacedNic | undefined {
    const found = name === undefined ? [] : (this.#named.get(name) ?? [])
    return found.length === 1 ? found[0] : undefined
  }

  members(network: string): Set<PlacedNic> {
    return this.#members.get(network) ?? new Set()
  }

  /** What may stand in the place of a name that means none of them, or several: names in full. */
  insteadOf(name: string): Set<string> {
    const several = this.#named.get(name) ?? [...this.#named.values()].flat()
    return new Set(several.flatMap(({ id }) => id ?? []))
  }

  #name(placed: PlacedNic): void {
    const { id, vm } = placed
    if (id === undefined) return
    for (const name of new Set([id, vm.name!])) this.#named.set(name, [...(this.#named.get(name) ?? []), placed])
  }
}

/** Mirrors copy what is there, to who hears nothing else, by a way that nothing else goes. */
export function checkMirrors(topology: TopologyDraft, report: Report): void {
  if (topology.mirrors === undefined) return
  const nics = new Nics(topology)
  /** By segment, the vNIC it leads to; by vNIC, the segment. */
  const ways = new Map<string, string>()
  const owners = new Map<string, string | undefined>()
  for (const [index, mirror] of topology.mirrors.entries()) {
    const here = within(pointer('mirrors', index), report)
    const target = checkTarget(nics, mirror, here)
    const sources = checkSource(topology, nics, mirror, here)
    checkWay(topology, nics, mirror, ways, here)
    checkFile(mirror, owners, here)
    if (target !== undefined) checkHosts(topology, [...sources, target], here)
    // A file is on the very bridge.
    if (mirror.target?.file === undefined) checkBridges(nics, [...sources, ...(target ? [target] : [])], here)
  }
}

function checkTarget(nics: Nics, { target = {}, tenant }: Mirror, report: Report): PlacedNic | undefined {
  const found = checkNic(nics, target.port, '/target/port', report)
  if (found === undefined) return undefined
  const { nic, id, vm } = found
  if (nic.network !== undefined || (nic.trunks ?? []).length > 0)
    report('/target/port', `${id} is on a network`, 'a vNIC without one: it hears copies and nothing else')
  checkOwner(vm.tenant, tenant, `${id}`, '/target/port', report)
  return found
}

/** @returns the vNICs that are copied */
function checkSource(
  topology: TopologyDraft,
  nics: Nics,
  { source = {}, tenant }: Mirror,
  report: Report,
): PlacedNic[] {
  checkKnown(report, '/source/network', 'network', source.network, namesOf(topology.networks))
  const network = topology.networks?.find(({ name }) => name !== undefined && name === source.network)
  if (network !== undefined) checkOwner(network.tenant, tenant, `${network.name}`, '/source/network', report)
  const found = checkNic(nics, source.port, '/source/port', report)
  if (found !== undefined) {
    checkOwner(found.vm.tenant, tenant, `${found.id}`, '/source/port', report)
    if (nics.targets.has(found.id))
      report('/source/port', `${found.id} hears copies itself`, 'a vNIC that is on a network')
  }
  const members = network?.name === undefined ? [] : nics.members(network.name)
  return [...new Set([...(found ? [found] : []), ...members])]
}

function checkNic(nics: Nics, name: string | undefined, at: string, report: Report): PlacedNic | undefined {
  const found = nics.named(name)
  if (found === undefined && name !== undefined) checkKnown(report, at, 'vNIC', name, nics.insteadOf(name))
  return found
}

/** A tenant looks on at what is its own, also where others use it. */
function checkOwner(owner: string | undefined, tenant: string | undefined, name: string, at: string, report: Report) {
  if (tenant !== undefined && owner !== tenant)
    report(at, `${name} belongs to ${owner === undefined ? 'no tenant' : `tenant ${owner}`}`, `what is ${tenant}'s own`)
}

function checkWay(
  topology: TopologyDraft,
  nics: Nics,
  { target = {} }: Mirror,
  ways: Map<string, string>,
  report: Report,
): void {
  const { segment, vlan } = target
  const [type, number, key] = vlan === undefined ? ['vxlan', segment, 'segment'] : ['vlan', vlan, 'vlan']
  if (number === undefined) return
  const network = topology.networks?.find((one) => one.type === type && one.segment === number)
  if (network !== undefined)
    report(`/target/${key}`, `${type} segment ${number} is that of '${network.name}'`, 'one of no network')
  const text = `${type} ${number}`
  const end = nics.named(target.port)?.id ?? ''
  if ((ways.get(text) ?? end) !== end)
    report(`/target/${key}`, `${type} segment ${number} leads to ${ways.get(text)}`, 'a segment of its own')
  ways.set(text, end)
  // By a second way it would hear a copy of two mirrors twice.
  if (end === '') return
  const before = ways.get(end) ?? text
  if (before !== text)
    report(`/target/${key}`, `copies go to ${end} by ${before}`, `the same for all mirrors to ${end}`)
  ways.set(end, before)
}

/** What is one tenant's goes into no file of another. */
function checkFile({ target: { file } = {}, tenant }: Mirror, owners: Map<string, string | undefined>, report: Report) {
  if (file === undefined) return
  const owner = owners.has(file) ? owners.get(file) : tenant
  owners.set(file, owner)
  if (owner === tenant) return
  const whose = owner === undefined ? 'no tenant' : `tenant ${owner}`
  report('/target/file', `${file} has copies of what belongs to ${whose}`, 'a file of its own')
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

function checkBridges({ integrationBridges }: Nics, nics: readonly PlacedNic[], report: Report): void {
  const apart = nics.find(({ vm, nic }) => nic.bridge !== undefined && nic.bridge !== integrationBridges.get(vm.host))
  if (apart !== undefined)
    report(
      '',
      `${apart.id} is on ${apart.nic.bridge}`,
      `vNICs on the integration bridge, ${integrationBridges.get(apart.vm.host)}`,
    )
}
