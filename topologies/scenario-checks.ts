// What a scenario names must exist in its topology, or in one that it changes to, and its flow text must say something.

import type { FlowSpec } from '../protocols/control/messages.ts'
import { DROP_NAMES } from '../protocols/drop-names.ts'
import { InvalidField } from '../protocols/errors.ts'
import { parseFlow, parseFlowFilter } from '../protocols/flow-text/parse.ts'
import type { PortNames } from '../protocols/flow-text/ports.ts'
import type { Draft } from './draft.ts'
import type { Findings, Report } from './findings.ts'
import { attempt, checkKnown } from './findings.ts'
import { parseFrameFilter, parseFrameText } from './frame-text.ts'
import { findNic, networksOf } from './lookup.ts'
import { mirrorBrokenAt } from './mirrors.ts'
import { pointer } from './problems.ts'
import { hasBridgeFor } from './relocation.ts'
import type { WrittenEntry, WrittenExpectation, WrittenTarget } from './schema/scenario.ts'
import { TENANT } from './tenants.ts'
import type { Topology } from './topology.ts'
import { switchesAt } from './topology.ts'

/** Tables above are the controller's (`controller/tables.ts`). */
const LAST_USER_TABLE = 9

/** All names that mean something at some time of the scenario. */
export class Names {
  readonly topologies: readonly Topology[]
  readonly hosts: ReadonlySet<string>
  readonly networks: ReadonlySet<string>
  readonly tenants: ReadonlySet<string>
  readonly vms: ReadonlySet<string>
  /** Those to vNICs and files. */
  readonly mirrors: ReadonlySet<string>
  readonly switches: ReadonlySet<string>
  readonly links: ReadonlySet<string>
  /** Of any switch: on which one a vNIC is depends on the time. */
  readonly ports: PortNames

  constructor(topologies: readonly Topology[]) {
    const collect = (names: (topology: Topology) => string[]) => new Set(topologies.flatMap(names))
    this.topologies = topologies
    this.hosts = collect(({ hosts }) => hosts.map(({ name }) => name))
    this.networks = collect(({ networks }) => networks.map(({ name }) => name))
    this.tenants = collect(({ tenants = [] }) => tenants.map(({ name }) => name))
    this.mirrors = collect(({ mirrors = [] }) =>
      mirrors.flatMap(({ name, target }) => (target.kind === 'vlan' ? [] : name)),
    )
    this.vms = collect(({ vms }) => vms.map(({ name }) => name))
    this.switches = collect(({ hosts }) => hosts.flatMap((host) => [host.name, ...switchesAt(host)]))
    this.links = collect(({ fabric }) => fabric.links.map(({ endpoints }) => linkName(endpoints)))
    this.ports = portNames([...collect(portsOf)])
  }
}

const portsOf = ({ hosts, vms }: Topology): string[] => [
  'uplink',
  'vxlan0',
  ...hosts.flatMap(({ bridges }) => bridges.map(({ name }) => `patch-${name}`)),
  ...vms.flatMap(({ nics }) => nics.map(({ id }) => id)),
]

/** Numbers are only told apart: those of the switches are not known before they run. */
function portNames(all: readonly string[]): PortNames {
  const numbers = new Map(all.map((name, index) => [name, index + 1]))
  return { number: (name) => numbers.get(name), name: (number) => all[number - 1], names: () => all }
}

const linkName = (endpoints: readonly string[]) => [...endpoints].sort().join('-')

type Reports = Pick<Findings, 'report' | 'reportKey'>

/** Steps whose names or flow text mean nothing are reported under `at`. */
export function checkStep(entry: Draft<WrittenEntry>, at: string, names: Names, { report, reportKey }: Reports): void {
  const { replay, ping, send, migrate, drain, failover, flow, fail, heal } = entry
  if (typeof replay?.map === 'object')
    for (const [filter, nic] of Object.entries(replay.map as Record<string, string>)) {
      const place = at + pointer('replay', 'map', filter)
      attempt(reportKey, place, () => parseFrameFilter(filter))
      checkNic(nic, place, names, report)
    }
  if (ping) checkBetween(ping, `${at}/ping`, names, report)
  if (send) checkSend(send, `${at}/send`, names, report)
  if (migrate) checkMigrate(migrate, `${at}/migrate`, names, report)
  if (drain) checkKnown(report, `${at}/drain/host`, 'host', drain.host, names.hosts)
  if (failover) checkKnown(report, `${at}/failover/host`, 'host', failover.host, names.hosts)
  if (flow) checkFlow(flow, `${at}/flow`, names, report)
  if (fail) checkTarget(fail as WrittenTarget, `${at}/fail`, names, report)
  if (heal) checkTarget(heal as WrittenTarget, `${at}/heal`, names, report)
}

function checkSend(
  { from, frame }: NonNullable<Draft<WrittenEntry>['send']>,
  at: string,
  names: Names,
  report: Report,
) {
  checkNic(from, `${at}/from`, names, report)
  if (frame !== undefined) attempt(report, `${at}/frame`, () => parseFrameText(frame))
}

type Flow = NonNullable<Draft<WrittenEntry>['flow']>

function checkFlow({ switch: name, add, del }: Flow, at: string, names: Names, report: Report): void {
  checkKnown(report, `${at}/switch`, 'switch', name, names.switches)
  const options = { ports: names.ports }
  if (add !== undefined) attempt(report, `${at}/add`, () => checkUserTable(parseFlow(add, options)))
  if (del !== undefined) attempt(report, `${at}/del`, () => parseFlowFilter(del, options))
}

function checkUserTable({ table }: FlowSpec): void {
  if (table > LAST_USER_TABLE)
    throw new InvalidField('table', `table ${table} is the controller's`, `0 to ${LAST_USER_TABLE}`)
}

export function checkExpectation(
  expectation: Draft<WrittenExpectation>,
  at: string,
  names: Names,
  report: Report,
): void {
  const { isolated = [], mirrored, delivered, notDelivered, policyFollows, dropped } = expectation
  checkIsolated(isolated, `${at}/isolated`, names, report)
  checkKnown(report, `${at}/mirrored`, 'mirror to a vNIC or a file', mirrored, names.mirrors)
  if (delivered) checkBetween(delivered, `${at}/delivered`, names, report)
  if (notDelivered) checkBetween(notDelivered, `${at}/notDelivered`, names, report)
  checkKnown(report, `${at}/policyFollows`, 'VM', policyFollows, names.vms)
  const { reason, atLeast, atMost } = dropped ?? {}
  checkKnown(report, `${at}/dropped/reason`, 'reason to drop', reason, DROP_NAMES)
  if (atLeast !== undefined && atMost !== undefined && atLeast > atMost)
    report(`${at}/dropped/atMost`, `at least ${atLeast} and at most ${atMost} can not both be`, `${atLeast} or more`)
}

function checkIsolated(listed: readonly (string | undefined)[], at: string, names: Names, report: Report): void {
  const areTenants = listed.some((name) => name?.startsWith(TENANT))
  for (const [index, name] of listed.entries())
    if (!areTenants) checkKnown(report, `${at}/${index}`, 'network', name, names.networks)
    else if (name?.startsWith(TENANT))
      checkKnown(report, `${at}/${index}`, 'tenant', name.slice(TENANT.length), names.tenants)
    else if (name !== undefined) report(`${at}/${index}`, `the network ${name} among tenants`, 'either or')
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
  const broken = mirrorBrokenAt(topology, vm, hostName)
  if (broken !== undefined)
    return `copies of the mirror ${broken.mirror.name} would go through tunnels, and ${broken.bare} has no vtep`
  const missing = vm.nics.find((nic) => !hasBridgeFor(nic, source, host))
  return missing && `${hostName} has no bridge '${missing.bridge}' for ${missing.id}`
}

function checkTarget(target: WrittenTarget, at: string, names: Names, report: Report): void {
  if (typeof target !== 'object') return
  checkKnown(report, `${at}/host`, 'host', target.host, names.hosts)
  const ends = target.link?.filter((end) => end !== undefined)
  if (ends?.length === 2) checkKnown(report, `${at}/link`, 'link', linkName(ends), names.links)
}
