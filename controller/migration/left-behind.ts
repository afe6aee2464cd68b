// What of a vNIC its old place has still, once it has been given up: asked of the switch itself, not of what is believed of it.

import type { Action, FlowStatistics } from '../../protocols/control/messages.ts'
import { inNetwork } from '../apps/flow.ts'
import { ingressMeter } from '../apps/qos.ts'
import type { RemoteSwitch } from '../southbound/remote-switch.ts'
import { EVERY_FLOW } from '../southbound/remote-switch.ts'
import { cookieOf, Register } from '../tables.ts'
import { isPolicy, speaksOf } from './policy.ts'

/** Where a vNIC was. */
export interface FormerPlace {
  readonly nic: string
  readonly switch: string
  readonly port: number
  /** Of its connections, where they were tracked. */
  readonly zone?: number
}

/** What it has given up there, and others may have by now. */
interface GivenUp {
  /** Numbers of networks of the vNIC that the host has no more. */
  readonly networks: readonly number[]
  /** Whether a zone is nobody's. Somebody who is given it later finds it as it is then. */
  readonly isFree: (zone: number) => boolean
}

/** What was found at a place that was given up. */
export interface LeftBehind {
  /** A sentence for each kind of thing that is there still. */
  leftBehind: string[]
  /** Connections that it still knew of. Their zone is empty now. */
  connectionsEnded: number
}

/**
 * Ends the connections that the vNIC had there, which only its old place may, and has given up; then looks at what the switch has still.
 * @throws SwitchAway
 */
export async function leftBehind(
  remote: RemoteSwitch,
  { nic, port, zone }: FormerPlace,
  { networks, isFree }: GivenUp,
): Promise<LeftBehind> {
  const ports = await remote.portStatistics()
  const found: string[] = []
  const tell = (count: number, what: string) =>
    count > 0 ? found.push(`${remote.name} has still ${count} ${what} ${nic}`) : 0
  if (ports.some(({ name }) => name === nic)) {
    found.push(`${remote.name} has still the port ${nic}`)
    tell((await remote.heldFrames(nic)).frames.length, 'frames kept for')
  }
  const connectionsIn = async () =>
    zone === undefined || ports[0] === undefined || !isFree(zone)
      ? 0
      : (await remote.vnicState(ports[0].name, [], zone)).connections.length
  const before = await connectionsIn()
  if (zone !== undefined && isFree(zone)) await remote.flushConnections(zone)
  // Its number may be another's by now.
  const isTaken = ports.some((one) => one.port === port)
  const [after, more] = await Promise.all([connectionsIn(), isTaken ? [] : toldOf(remote, port, networks)])
  for (const [count, what] of more) tell(count, what)
  tell(after, 'connections of')
  return { leftBehind: found, connectionsEnded: Math.max(0, before - after) }
}

/** What it has been told of the port, and of these networks, by kind. */
async function toldOf(remote: RemoteSwitch, port: number, networks: readonly number[]): Promise<[number, string][]> {
  const [flows, meters, groups, sessions, answers] = await Promise.all([
    flowsOf(remote, port),
    remote.meters(),
    flowsTo(remote, 'multicast', port),
    flowsTo(remote, 'mirrors', port),
    flowsOfNetworks(remote, networks),
  ])
  return [
    [flows.length, 'flows for'],
    [meters.filter(({ meter }) => meter === ingressMeter(port)).length, 'meters for'],
    [groups, 'memberships of multicast groups for'],
    [sessions, 'sessions of mirrors for'],
    [answers, 'flows of networks, with answers to neighbours, that nobody there is in but'],
  ]
}

async function flowsOf(remote: RemoteSwitch, port: number): Promise<FlowStatistics[]> {
  const wanted = BigInt(port)
  const both = await Promise.all([
    remote.flows({ ...EVERY_FLOW, match: [{ field: 'in_port', value: wanted }] }),
    remote.flows({ ...EVERY_FLOW, match: [{ field: Register.To, value: wanted, mask: 0xffffn }] }),
  ])
  return both.flat().filter((flow) => isPolicy(flow) && speaksOf(flow, port))
}

/** How many flows of the app send to the port. */
async function flowsTo(remote: RemoteSwitch, app: 'multicast' | 'mirrors', port: number): Promise<number> {
  const flows = await remote.flows({ ...EVERY_FLOW, cookie: cookieOf(app), cookieMask: APP_MASK })
  return flows.filter(({ instructions: { apply, write } }) => sendsTo([...apply, ...write], port)).length
}

/** Bits of cookies that say of which app a flow is. */
const APP_MASK = 0xffffffn << 40n
const PORT_BITS = 0xffffn

const sendsTo = (actions: readonly Action[], port: number): boolean =>
  actions.some((action) => {
    if (action.type === 'output') return action.port === port
    if (action.type === 'set_field') return action.field === Register.To && (action.value & PORT_BITS) === BigInt(port)
    return action.type === 'clone' && sendsTo(action.actions, port)
  })

async function flowsOfNetworks(remote: RemoteSwitch, networks: readonly number[]): Promise<number> {
  const asked = networks.map((network) => remote.flows({ ...EVERY_FLOW, match: [inNetwork(network)] }))
  return (await Promise.all(asked)).flat().filter(isPolicy).length
}
