// What a scenario names must exist in its topology, or in one that it changes to.

import { DROP_NAMES } from '../protocols/drop-names.ts'
import type { Draft } from './draft.ts'
import type { Report } from './findings.ts'
import { attempt, checkKnown } from './findings.ts'
import { findNic, integrationBridge, networksOf } from './lookup.ts'
import type { WrittenEntry, WrittenExpectation, WrittenTarget } from './schema.ts'
import type { Topology } from './topology.ts'
import { switchName } from './topology.ts'

/** All names that mean something at some time of the scenario. */
export class Names {
  readonly topologies: readonly Topology[]
  readonly hosts: ReadonlySet<string>
  readonly networks: ReadonlySet<string>
  readonly vms: ReadonlySet<string>
  readonly switches: ReadonlySet<string>
  readonly links: ReadonlySet<string>

  constructor(topologies: readonly Topology[]) {
    const collect = (names: (topology: Topology) => string[]) => new Set(topologies.flatMap(names))
    this.topologies = topologies
    this.hosts = collect(({ hosts }) => hosts.map(({ name }) => name))
    this.networks = collect(({ networks }) => networks.map(({ name }) => name))
    this.vms = collect(({ vms }) => vms.map(({ name }) => name))
    this.switches = collect(({ hosts }) =>
      hosts.flatMap((host) => [host.name, ...host.bridges.map((bridge) => switchName(host, bridge))]),
    )
    this.links = collect(({ fabric }) => fabric.links.map(({ endpoints }) => linkName(endpoints)))
  }
}

const linkName = (endpoints: readonly string[]) => [...endpoints].sort().join('-')

/** Steps whose names mean nothing are reported under `at`. */
export function checkStep(entry: Draft<WrittenEntry>, at: string, names: Names, report: Report): void {
  const { replay, ping, send, migrate, flow, fail, heal } = entry
  if (typeof replay?.map === 'object')
    for (const [filter, nic] of Object.entries(replay.map as Record<string, string>))
      checkNic(nic, `${at}/replay/map/${filter.replaceAll('~', '~0').replaceAll('/', '~1')}`, names, report)
  if (ping) checkBetween(ping, `${at}/ping`, names, report)
  if (send) checkNic(send.from, `${at}/send/from`, names, report)
  if (migrate) checkMigrate(migrate, `${at}/migrate`, names, report)
  if (flow) checkKnown(report, `${at}/flow/switch`, 'switch', flow.switch, names.switches)
  if (fail) checkTarget(fail as WrittenTarget, `${at}/fail`, names, report)
  if (heal) checkTarget(heal as WrittenTarget, `${at}/heal`, names, report)
}

export function checkExpectation(
  expectation: Draft<WrittenExpectation>,
  at: string,
  names: Names,
  report: Report,
): void {
  const { isolated = [], delivered, notDelivered, policyFollows, dropped } = expectation
  for (const [index, network] of isolated.entries())
    checkKnown(report, `${at}/isolated/${index}`, 'network', network, names.networks)
  if (delivered) checkBetween(delivered, `${at}/delivered`, names, report)
  if (notDelivered) checkBetween(notDelivered, `${at}/notDelivered`, names, report)
  checkKnown(report, `${at}/policyFollows`, 'VM', policyFollows, names.vms)
  const { reason, atLeast, atMost } = dropped ?? {}
  checkKnown(report, `${at}/dropped/reason`, 'reason to drop', reason, DROP_NAMES)
  if (atLeast !== undefined && atMost !== undefined && atLeast > atMost)
    report(`${at}/dropped/atMost`, `at least ${atLeast} and at most ${atMost} can not both be`, `${atLeast} or more`)
}

function checkBetween(
  { from, to }: { from?: string | undefined; to?: string | undefined },
  at: string,
  names: Names,
  report: Report,
): void {
  checkNic(from, `${at}/from`, names, report)
  checkNic(to, `${at}/to`, names, report)
}

/** A vNIC's name is good where any of the topologies knows it; else the first says what is wrong. */
function checkNic(name: string | undefined, at: string, { topologies }: Names, report: Report): void {
  if (name === undefined) return
  const ignore = () => {}
  const isKnown = topologies.some((topology) => attempt(ignore, at, () => findNic(topology, name)) !== undefined)
  if (!isKnown) attempt(report, at, () => findNic(topologies[0]!, name))
}

type Migrate = NonNullable<Draft<WrittenEntry>['migrate']>

function checkMigrate({ vm, to }: Migrate, at: string, names: Names, report: Report): void {
  checkKnown(report, `${at}/vm`, 'VM', vm, names.vms)
  checkKnown(report, `${at}/to`, 'host', to, names.hosts)
  if (vm === undefined || to === undefined) return
  const problems = names.topologies.map((topology) => unfit(topology, vm, to))
  const [problem] = problems
  if (problem !== undefined && problems.every((one) => one !== undefined))
    report(`${at}/to`, problem, 'a host with all that the VM needs')
}

/** Why the VM can not live on that host; undefined where it can, or where one of them is not known. */
function unfit(topology: Topology, vmName: string, hostName: string): string | undefined {
  const vm = topology.vms.find(({ name }) => name === vmName)
  const host = topology.hosts.find(({ name }) => name === hostName)
  const source = topology.hosts.find(({ name }) => name === vm?.host)
  if (vm === undefined || host === undefined || source === undefined) return undefined
  const overlays = new Set(topology.networks.flatMap(({ name, type }) => (type === 'vxlan' ? name : [])))
  const needsTunnel = vm.nics.some((nic) => networksOf(nic).some((network) => overlays.has(network)))
  if (needsTunnel && host.vtep === undefined) return `${vmName} is in a vxlan network, and ${hostName} has no vtep`
  const missing = vm.nics.find(
    ({ bridge }) => bridge !== integrationBridge(source).name && !host.bridges.some(({ name }) => name === bridge),
  )
  return missing && `${hostName} has no bridge '${missing.bridge}' for ${missing.id}`
}

function checkTarget(target: WrittenTarget, at: string, names: Names, report: Report): void {
  if (typeof target !== 'object') return
  checkKnown(report, `${at}/host`, 'host', target.host, names.hosts)
  const ends = target.link?.filter((end) => end !== undefined)
  if (ends?.length === 2) checkKnown(report, `${at}/link`, 'link', linkName(ends), names.links)
}
