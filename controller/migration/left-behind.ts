// What of a vNIC its old place has still, once it has been given up: asked of the switch itself, not of what is believed of it.

import type { FlowStatistics } from '../../protocols/control/messages.ts'
import { ingressMeter } from '../apps/qos.ts'
import type { RemoteSwitch } from '../southbound/remote-switch.ts'
import { EVERY_FLOW } from '../southbound/remote-switch.ts'
import { Register } from '../tables.ts'
import { isPolicy, speaksOf } from './policy.ts'

/** Where a vNIC was. */
export interface FormerPlace {
  readonly nic: string
  readonly switch: string
  readonly port: number
  /** Of its connections, where they were tracked. */
  readonly zone?: number
}

/**
 * Ends the connections that the vNIC had there, which only its old place may, and has given up. Then a sentence for each kind of thing that
 * the switch has still; none where it has nothing.
 * @throws SwitchAway
 */
export async function leftBehind(remote: RemoteSwitch, { nic, port, zone }: FormerPlace): Promise<string[]> {
  const ports = await remote.portStatistics()
  const found = ports.some(({ name }) => name === nic) ? [`${remote.name} has still the port ${nic}`] : []
  // Its number may be another's by now.
  if (ports.some((one) => one.port === port)) return found
  if (zone !== undefined) await remote.flushConnections(zone)
  const [flows, meters] = [await flowsOf(remote, port), await remote.meters()]
  const own = meters.filter(({ meter }) => meter === ingressMeter(port))
  if (flows.length > 0) found.push(`${remote.name} has still ${flows.length} flows for ${nic}`)
  if (own.length > 0) found.push(`${remote.name} has still ${own.length} meters for ${nic}`)
  return found
}

async function flowsOf(remote: RemoteSwitch, port: number): Promise<FlowStatistics[]> {
  const wanted = BigInt(port)
  const from = await remote.flows({ ...EVERY_FLOW, match: [{ field: 'in_port', value: wanted }] })
  const to = await remote.flows({ ...EVERY_FLOW, match: [{ field: Register.To, value: wanted, mask: 0xffffn }] })
  return [...from, ...to].filter((flow) => isPolicy(flow) && speaksOf(flow, port))
}
