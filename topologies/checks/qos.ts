import type { Draft, PlacedNic, TopologyDraft } from '../draft.ts'
import { bridgesOf, nicsOf } from '../draft.ts'
import type { Report } from '../findings.ts'
import { within } from '../findings.ts'
import { pointer } from '../problems.ts'
import type { WrittenNetworkQos, WrittenQueue } from '../schema/qos.ts'
import type { WrittenHost, WrittenLink, WrittenNetwork } from '../schema/topology.ts'
import { formatRate, parseRate } from '../units.ts'

const WAYS = ['ingress', 'egress'] as const

/** Minima are below maxima, there is something that they are a part of, and together they fit it. */
export function checkQos(topology: TopologyDraft, report: Report): void {
  const { hosts = [], networks = [] } = topology
  const uplinks = uplinksOf(topology)
  const known: Known = { uplinks, hosts: firstOfName(hosts), networks: firstOfName(networks) }
  for (const [index, link] of (topology.fabric?.links ?? []).entries())
    checkQueues(link.queues, rateOf(link.bandwidth), 'bandwidth', within(pointer('fabric', 'links', index), report))
  for (const [index, host] of hosts.entries()) {
    const here = within(pointer('hosts', index, 'uplink'), report)
    checkQueues(host.uplink?.queues, rateOf(uplinks.get(host.name)), 'rate', here)
  }
  for (const [index, { qos }] of networks.entries())
    if (qos !== undefined) checkNetwork(qos, within(pointer('networks', index, 'qos'), report))
  for (const placed of nicsOf(topology)) checkNic(known, placed, within(`${placed.at}/policy`, report))
  checkSums(topology, uplinks, report)
}

type Named<T> = ReadonlyMap<string | undefined, T>

/** What vNICs are held against, by name. */
interface Known {
  readonly uplinks: Uplinks
  readonly hosts: Named<Draft<WrittenHost>>
  readonly networks: Named<Draft<WrittenNetwork>>
}

/** Of several of one name, which is a mistake told elsewhere, the first counts. */
function firstOfName<T extends { name?: string | undefined }>(all: readonly T[]): Named<T> {
  return new Map(all.toReversed().map((one) => [one.name, one]))
}

const rateOf = (text: string | undefined) => (text === undefined ? undefined : parseRate(text))

/** By host: what is known of the rate of its uplink, said of it, or the bandwidth of its only link. */
type Uplinks = Named<string | undefined>

function uplinksOf({ hosts = [], fabric }: TopologyDraft): Uplinks {
  const links = new Map<string | undefined, Draft<WrittenLink>[]>()
  for (const link of fabric?.links ?? [])
    for (const end of new Set(link.endpoints)) links.set(end, [...(links.get(end) ?? []), link])
  const rateOfLink = (name: string | undefined) => {
    const [only, ...others] = name === undefined ? [] : (links.get(name) ?? [])
    return others.length === 0 ? only?.bandwidth : undefined
  }
  return new Map([...firstOfName(hosts)].map(([name, { uplink }]) => [name, uplink?.rate ?? rateOfLink(name)]))
}

function checkQueues(
  queues: readonly Draft<WrittenQueue>[] | undefined,
  rate: number | undefined,
  key: string,
  report: Report,
): void {
  if (queues === undefined) return
  if (rate === undefined) report('/queues', 'queues for what is never full', `a key '${key}' beside them`)
  const taken = new Set<number | undefined>()
  for (const [index, queue] of queues.entries()) {
    const at = pointer('queues', index)
    const dscps = queue.dscp === undefined ? [undefined] : queue.dscp
    for (const dscp of dscps) {
      if (taken.has(dscp)) report(at, doubled(dscp), 'each in one queue')
      taken.add(dscp)
    }
    if (queue.burst !== undefined && queue.rate === undefined)
      report(`${at}/burst`, 'a burst over no rate', "a key 'rate' beside it")
    checkBelow(queue.minimum, rateOf(queue.rate), `${at}/minimum`, report)
  }
  checkSum(
    queues.map(({ minimum }) => minimum),
    rate,
    '/queues',
    report,
  )
}

const doubled = (dscp: number | undefined) =>
  dscp === undefined ? 'a second queue for all other frames' : `DSCP ${dscp} is already another queue's`

function checkBelow(minimum: string | undefined, most: number | undefined, at: string, report: Report): void {
  if (minimum !== undefined && most !== undefined && parseRate(minimum) > most)
    report(at, `${minimum} are more than the most that is allowed`, `at most ${formatRate(most)}`)
}

function checkSum(minima: readonly (string | undefined)[], most: number | undefined, at: string, report: Report): void {
  const sum = minima.reduce((total, minimum) => total + (rateOf(minimum) ?? 0), 0)
  if (most !== undefined && sum > most)
    report(at, `minima come to ${formatRate(sum)}`, `no more than the ${formatRate(most)} that there are`)
}

function checkNetwork(qos: Draft<WrittenNetworkQos>, report: Report): void {
  for (const way of WAYS)
    if (qos[`${way}Burst`] !== undefined && qos[`${way}Rate`] === undefined)
      report(`/${way}Burst`, 'a burst over no rate', `a key '${way}Rate' beside it`)
  checkBelow(qos.ingressMinimum, rateOf(qos.ingressRate), '/ingressMinimum', report)
}

function checkNic({ uplinks, hosts, networks }: Known, { vm, nic }: PlacedNic, report: Report): void {
  const { ingressMinimum, egressMinimum, ingressRate, egressRate } = nic.policy ?? {}
  checkBelow(ingressMinimum, rateOf(ingressRate), '/ingressMinimum', report)
  checkBelow(egressMinimum, rateOf(egressRate), '/egressMinimum', report)
  for (const way of WAYS)
    if (nic.policy?.[`${way}Minimum`] !== undefined && (nic.trunks ?? []).length > 0)
      report(`/${way}Minimum`, 'a minimum on a trunk', 'a vNIC of one network')
  const host = hosts.get(vm.host)
  if (ingressMinimum !== undefined && host !== undefined) {
    if (uplinks.get(host.name) === undefined)
      report('/ingressMinimum', `nothing says what the uplink of ${host.name} carries`, expectedUplink)
    if (nic.bridge !== undefined && nic.bridge !== bridgesOf(host)[0]?.name)
      report('/ingressMinimum', 'a minimum off the integration bridge', `a vNIC on ${bridgesOf(host)[0]?.name}`)
  }
  const network = networks.get(nic.network)
  if (egressMinimum !== undefined && network !== undefined && network.qos?.egressRate === undefined)
    report('/egressMinimum', `a part of nothing: ${network.name} has no limit`, "a key 'egressRate' in its qos")
}

const expectedUplink = 'a rate of its uplink, or one link with a bandwidth'

/** On each host, minima of what it sends and of what its networks receive. */
function checkSums(topology: TopologyDraft, uplinks: Uplinks, report: Report): void {
  const placed = byHostAndNetwork(topology)
  for (const [index, host] of (topology.hosts ?? []).entries()) {
    const here = placed.get(host.name)
    if (here === undefined) continue
    let sent = 0
    for (const [place, network] of (topology.networks ?? []).entries()) {
      const policies = here.get(network.name)
      if (policies === undefined) continue
      const minima = policies.map((policy) => rateOf(policy?.ingressMinimum) ?? 0)
      const together = rateOf(network.qos?.ingressMinimum) ?? 0
      sent += Math.max(
        together,
        minima.reduce((sum, one) => sum + one, 0),
      )
      checkSum(
        policies.map((policy) => policy?.egressMinimum),
        rateOf(network.qos?.egressRate),
        pointer('networks', place, 'qos', 'egressRate'),
        report,
      )
      if (together > 0 && uplinks.get(host.name) === undefined)
        report(
          pointer('networks', place, 'qos', 'ingressMinimum'),
          `nothing says what the uplink of ${host.name} carries`,
          expectedUplink,
        )
    }
    checkSum([formatRate(sent)], rateOf(uplinks.get(host.name)), pointer('hosts', index), report)
  }
}

type ByNetwork = Map<string | undefined, PlacedNic['nic']['policy'][]>

/** Policies of the vNICs that are on a network with their untagged frames. */
function byHostAndNetwork(topology: TopologyDraft): Named<ByNetwork> {
  const hosts = new Map<string | undefined, ByNetwork>()
  for (const { vm, nic } of nicsOf(topology)) {
    if (vm.host === undefined || nic.network === undefined) continue
    const networks = hosts.get(vm.host) ?? (new Map() as ByNetwork)
    hosts.set(vm.host, networks)
    const policies = networks.get(nic.network)
    if (policies) policies.push(nic.policy)
    else networks.set(nic.network, [nic.policy])
  }
  return hosts
}
