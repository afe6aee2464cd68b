// Source addresses that the topology does not know: behind vNICs without port security, and beyond the uplinks of VLAN and
// flat networks. The first frames of one are told to the controller, and go their way meanwhile.

import type { FlowSpec } from '../../protocols/control/messages.ts'
import type { FieldMatch } from '../../protocols/match.ts'
import type { Binding, Member, Place } from '../network/bindings.ts'
import { placeSeenFrom, placesOf } from '../network/bindings.ts'
import type { LearnedAddress } from '../network/learned.ts'
import type { NetworkView, SwitchView, View } from '../network/view.ts'
import { UPLINK_PORT } from '../network/view.ts'
import { Origin, Register, Table } from '../tables.ts'
import { fromPort, inNetwork, is, writerFor } from './flow.ts'
import { Memory } from './memory.ts'

const flow = writerFor('learning')

/** Seconds without a frame after which an address is forgotten; Open vSwitch's own mac-aging-time. */
const AGEING = 300
/** Enough of a frame to see who sent it. */
const HEADER = 64

const FROM_GROUP: FieldMatch = { field: 'eth_src', value: 0x010000000000n, mask: 0x010000000000n }
const from = (origin: number) => is(Register.Origin, origin)

const goOn = (priority: number, match: FieldMatch[]) =>
  flow({ table: Table.Learning, priority, match, goto: Table.Forward })

const tell = (priority: number, match: FieldMatch[]) =>
  flow({
    table: Table.Learning,
    priority,
    match,
    actions: [{ type: 'controller', maxLength: HEADER }],
    goto: Table.Forward,
  })

const remember = (network: NetworkView, port: number, mac: bigint) =>
  flow({
    table: Table.Learning,
    priority: 90,
    match: [fromPort(port), inNetwork(network.number), is('eth_src', mac)],
    goto: Table.Forward,
    idleTimeout: AGEING,
  })

const GROUPS_AND_ALL_ELSE = [goOn(120, [FROM_GROUP]), goOn(0, [])]

export function learning(_view: View, at: SwitchView): FlowSpec[] {
  const open = at.bindings.filter(({ nic }) => !nic.policy.portSecurity)
  const openPlaces = open.flatMap((binding) => placesOf(binding).filter((place) => place.switch === at.name))
  const flows = [...GROUPS_AND_ALL_ELSE, ...openPlaces.map(({ port }) => tell(10, [fromPort(port)]))]
  for (const network of at.networks) {
    const listensOutside = at.integration && network.onUplink
    if (!listensOutside && !opensOn(network, open)) continue
    for (const member of network.members) flows.push(fromKnown(network, member))
    if (listensOutside) flows.push(tell(10, [from(Origin.Uplink), inNetwork(network.number)]))
    for (const member of network.learnedMembers) flows.push(...fromLearned(at, network, member, listensOutside))
    for (const address of network.learnedOutside) flows.push(...fromOutside(at, network, address))
  }
  return flows
}

const opensOn = (network: NetworkView, open: readonly Binding[]): boolean =>
  network.members.some(({ binding }) => open.includes(binding))

const known = new Memory<FlowSpec>()
const EVERYWHERE = '*'

/** The same on every switch. */
const fromKnown = ({ number }: NetworkView, member: Member): FlowSpec =>
  known.recall(member, EVERYWHERE, [number], () => goOn(100, [inNetwork(number), is('eth_src', member.mac)]))

/** Where it lives it is remembered for as long as it speaks; elsewhere its frames come in from outside, and are no news. */
function fromLearned(at: SwitchView, network: NetworkView, member: Member, listensOutside: boolean): FlowSpec[] {
  const place: Place = placeSeenFrom(member.binding, at.host.name)
  if (place.switch === at.name) return [remember(network, place.port, member.mac)]
  return listensOutside ? [goOn(95, [from(Origin.Uplink), inNetwork(network.number), is('eth_src', member.mac)])] : []
}

const fromOutside = (at: SwitchView, network: NetworkView, { mac, location }: LearnedAddress): FlowSpec[] =>
  location.kind === 'outside' && location.switches.includes(at.name) ? [remember(network, UPLINK_PORT, mac)] : []
