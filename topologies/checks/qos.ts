import { bridgesOf } from '../defaults.ts'
import type { Draft, PlacedNic, TopologyDraft } from '../draft.ts'
import { nicsOf } from '../draft.ts'
import type { Report } from '../findings.ts'
import { within } from '../findings.ts'
import { pointer } from '../problems.ts'
import type { WrittenNetworkQos, WrittenQueue } from '../schema/qos.ts'
import { formatRate, parseRate } from '../units.ts'

const WAYS = ['ingress', 'egress'] as const

/** Minima are below maxima, there is something that they are a part of, and together they fit it. */
export function checkQos(topology: TopologyDraft, report: Report): void {
  for (const [index, link] of (topology.fabric?.links ?? []).entries())
    checkQueues(link.queues, rateOf(link.bandwidth), 'bandwidth', within(pointer('fabric', 'links', index), report))
  for (const [index, host] of (topology.hosts ?? []).entries()) {
    const here = within(pointer('hosts', index, 'uplink'), report)
    checkQueues(host.uplink?.queues, rateOf(uplinkOf(topology, host.name)), 'rate', here)
  }
  for (const [index, { qos }] of (topology.networks ?? []).entries())
    if (qos !== undefined) checkNetwork(qos, within(pointer('networks', index, 'qos'), report))
  for (const placed of nicsOf(topology)) checkNic(topology, placed, within(`${placed.at}/policy`, report))
  checkSums(topology, report)
}

const rateOf = (text: string | undefined) => (text === undefined ? undefined : parseRate(text))

/** What is known of the rate of the host's uplink: what is said of it, or the bandwidth of its only link. */
function uplinkOf({ hosts = [], fabric }: TopologyDraft, name: string | undefined): string | undefined {
  const links = (fabric?.links ?? []).filter(({ endpoints = [] }) => name !== undefined && endpoints.includes(name))
  return (
    hosts.find((host) => host.name === name)?.uplink?.rate ?? (links.length === 1 ? links[0]!.bandwidth : undefined)
  )
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

function checkNic(topology: TopologyDraft, { vm, nic }: PlacedNic, report: Report): void {
  const { ingressMinimum, egressMinimum, ingressRate, egressRate } = nic.policy ?? {}
  checkBelow(ingressMinimum, rateOf(ingressRate), '/ingressMinimum', report)
  checkBelow(egressMinimum, rateOf(egressRate), '/egressMinimum', report)
  for (const way of WAYS)
    if (nic.policy?.[`${way}Minimum`] !== undefined && (nic.trunks ?? []).length > 0)
      report(`/${way}Minimum`, 'a minimum on a trunk', 'a vNIC of one network')
  const host = topology.hosts?.find(({ name }) => name === vm.host)
  if (ingressMinimum !== undefined && host !== undefined) {
    if (uplinkOf(topology, host.name) === undefined)
      report('/ingressMinimum', `nothing says what the uplink of ${host.name} carries`, expectedUplink)
    if (nic.bridge !== undefined && nic.bridge !== bridgesOf(host)[0]?.name)
      report('/ingressMinimum', 'a minimum off the integration bridge', `a vNIC on ${bridgesOf(host)[0]?.name}`)
  }
  const network = topology.networks?.find(({ name }) => name === nic.network)
  if (egressMinimum !== undefined && network !== undefined && network.qos?.egressRate === undefined)
    report('/egressMinimum', `a part of nothing: ${network.name} has no limit`, "a key 'egressRate' in its qos")
}

const expectedUplink = 'a rate of its uplink, or one link with a bandwidth'

/** On each host, minima of what it sends and of what its networks receive. */
function checkSums(topology: TopologyDraft, report: Report): void {
  for (const [index, host] of (topology.hosts ?? []).entries()) {
    const here = [...nicsOf(topology)].filter(({ vm }) => vm.host !== undefined && vm.host === host.name)
    let sent = 0
    for (const [place, network] of (topology.networks ?? []).entries()) {
      const members = here.filter(({ nic }) => nic.network !== undefined && nic.network === network.name)
      if (members.length === 0) continue
      const minima = members.map(({ nic }) => rateOf(nic.policy?.ingressMinimum) ?? 0)
      const together = rateOf(network.qos?.ingressMinimum) ?? 0
      sent += Math.max(
        together,
        minima.reduce((sum, one) => sum + one, 0),
      )
      checkSum(
        members.map(({ nic }) => nic.policy?.egressMinimum),
        rateOf(network.qos?.egressRate),
        pointer('networks', place, 'qos', 'egressRate'),
        report,
      )
      if (together > 0 && uplinkOf(topology, host.name) === undefined)
        report(
          pointer('networks', place, 'qos', 'ingressMinimum'),
          `nothing says what the uplink of ${host.name} carries`,
          expectedUplink,
        )
    }
    checkSum([formatRate(sent)], rateOf(uplinkOf(topology, host.name)), pointer('hosts', index), report)
  }
}
