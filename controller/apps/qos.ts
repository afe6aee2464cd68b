// A vNIC's rates and its DSCP. `ingress` is what the VM sends, `egress` what it receives, as Open vSwitch means them. What it sends beyond
// its rate is dropped where it enters, before it is looked at or copied, as Open vSwitch polices; what it receives waits in its port
// (ports.ts), and what leaves the host in the uplink's queues (uplink.ts).

import type { Action, FlowSpec, MeterBand } from '../../protocols/control/messages.ts'
import type { FieldMatch } from '../../protocols/match.ts'
import { attachmentsOf } from '../network/attachments.ts'
import type { Binding, Place } from '../network/bindings.ts'
import { placesOf } from '../network/bindings.ts'
import type { NetworkHere, SwitchView } from '../network/view.ts'
import { defaultBurst } from '../../topologies/defaults.ts'
import type { PortPolicy } from '../../topologies/topology.ts'
import { Register, Table } from '../tables.ts'
import type { App } from './app.ts'
import { fromPort, inNetwork, IPV4, IPV6, is, resubmit, set, writerFor } from './flow.ts'
import { uplinkQueue } from './uplink.ts'

const flow = writerFor('qos')
const FREE = flow({ table: Table.Qos, priority: 0, match: [], goto: Table.Neighbours })

export const ingressMeter = (port: number): number => 2 * port

export const qos: App = {
  always: [FREE],
  ofVnic: (at, binding) => placesAt(at, binding).flatMap((place) => limited(binding, place)),
  ofNetwork: (at, network) =>
    at.bindings
      .filter(({ nic }) => attachmentsOf(nic).some((attachment) => attachment.network === network.network.name))
      .flatMap((binding) => placesAt(at, binding).flatMap((place) => queued(at, network, binding, place))),
}

/** Meters by number. */
export function qosMeters(at: SwitchView): Map<number, MeterBand> {
  const meters = new Map<number, MeterBand>()
  for (const binding of at.bindings)
    for (const { port } of placesAt(at, binding)) {
      const { ingressRate, ingressBurst } = binding.nic.policy
      if (ingressRate !== undefined) meters.set(ingressMeter(port), band(ingressRate, ingressBurst))
    }
  return meters
}

const placesAt = (at: SwitchView, binding: Binding): Place[] =>
  placesOf(binding).filter((place) => place.switch === at.name)

const band = (rate: number, burst = defaultBurst(rate)): MeterBand => ({
  type: 'drop',
  rate: BigInt(Math.round(rate)),
  burst: BigInt(Math.round(burst)),
})

/** Of all frames, of those that are marked; and the same of a network whose frames have a queue of their own, above. */
const PRIORITY = { all: 10, marked: 20, inNetwork: 100 }
/** Above copies (mirrors.ts). */
const POLICE = 400

function limited({ nic }: Binding, { port }: Place): FlowSpec[] {
  const policing = nic.policy.ingressRate === undefined ? [] : [police(port)]
  return [...policing, ...(marksOf(nic.policy).length === 0 ? [] : rulesOf(nic.policy, port, 0, [], []))]
}

/** What is within the rate comes in once more, above all that looks at it. */
const police = (port: number): FlowSpec =>
  flow({
    table: Table.Classify,
    priority: POLICE,
    match: [fromPort(port), is(Register.Policed, 0)],
    meter: ingressMeter(port),
    actions: [set(Register.Policed, 1), resubmit(Table.Classify)],
  })

/** What the vNIC sends on the network, where it leaves the host in a queue of its own or of the network's. */
function queued(at: SwitchView, network: NetworkHere, binding: Binding, place: Place): FlowSpec[] {
  const queue = uplinkQueue(at, network, { binding, place })
  if (queue === undefined) return []
  const match = [inNetwork(network.number)]
  return rulesOf(binding.nic.policy, place.port, PRIORITY.inNetwork, match, [{ type: 'set_queue', queue }])
}

function rulesOf(
  policy: PortPolicy,
  port: number,
  above: number,
  match: readonly FieldMatch[],
  actions: readonly Action[],
): FlowSpec[] {
  const rule = (priority: number, more: readonly FieldMatch[], marking: readonly Action[]) =>
    flow({
      table: Table.Qos,
      priority: above + priority,
      match: [fromPort(port), ...match, ...more],
      actions: [...marking, ...actions],
      goto: Table.Neighbours,
    })
  return [
    rule(PRIORITY.all, [], []),
    ...marksOf(policy).map(({ match: packets, dscp }) => rule(PRIORITY.marked, packets, [set('ip_dscp', dscp)])),
  ]
}

/** Which packets are marked, and how: all, or where the guest is trusted, those that it has not marked itself. */
function marksOf({ dscp, trustDscp = dscp === undefined }: PortPolicy): { match: FieldMatch[]; dscp: number }[] {
  if (trustDscp && dscp === undefined) return []
  const unmarked = trustDscp ? [is('ip_dscp', 0)] : []
  return [IPV4, IPV6].map((type) => ({ match: [type, ...unmarked], dscp: dscp ?? 0 }))
}
