// A vNIC's rates and its DSCP. `ingress` is what the VM sends, `egress` what it receives, as Open vSwitch means them.

import type { Action, FlowSpec, MeterBand } from '../../protocols/control/messages.ts'
import type { FieldMatch } from '../../protocols/match.ts'
import type { Binding, Place } from '../network/bindings.ts'
import { placesOf } from '../network/bindings.ts'
import type { SwitchView } from '../network/view.ts'
import type { PortPolicy } from '../../topologies/topology.ts'
import { Table } from '../tables.ts'
import type { App } from './app.ts'
import { fromPort, IPV4, IPV6, set, writerFor } from './flow.ts'

const flow = writerFor('qos')
const FREE = flow({ table: Table.Qos, priority: 0, match: [], goto: Table.Neighbours })

export const ingressMeter = (port: number): number => 2 * port
export const egressMeter = (port: number): number => 2 * port + 1

/** 10 ms of the rate, and at least one full Ethernet frame. */
const defaultBurst = (rate: number) => Math.max(Math.ceil(rate / 100), 12_144)

export const qos: App = {
  always: [FREE],
  ofVnic: (at, binding) => placesAt(at, binding).flatMap((place) => limited(binding, place)),
}

/** Meters by number. */
export function qosMeters(at: SwitchView): Map<number, MeterBand> {
  const meters = new Map<number, MeterBand>()
  for (const binding of at.bindings)
    for (const { port } of placesAt(at, binding)) {
      const { ingressRate, egressRate, ingressBurst, egressBurst } = binding.nic.policy
      if (ingressRate !== undefined) meters.set(ingressMeter(port), band(ingressRate, ingressBurst))
      if (egressRate !== undefined) meters.set(egressMeter(port), band(egressRate, egressBurst))
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

function limited({ nic }: Binding, { port }: Place): FlowSpec[] {
  const { ingressRate, dscp } = nic.policy
  if (ingressRate === undefined && dscp === undefined) return []
  const rule = (priority: number, match: FieldMatch[], actions: Action[]) =>
    flow({
      table: Table.Qos,
      priority,
      match: [fromPort(port), ...match],
      actions,
      ...(ingressRate === undefined ? {} : { meter: ingressMeter(port) }),
      goto: Table.Neighbours,
    })
  const marked = dscp === undefined ? [] : [IPV4, IPV6].map((type) => rule(20, [type], [set('ip_dscp', dscp)]))
  return [rule(10, [], []), ...marked]
}

/** True where what the vNIC receives is limited. */
export const limitsEgress = (policy: PortPolicy): boolean => policy.egressRate !== undefined
