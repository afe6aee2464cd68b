// Source addresses that the topology does not know: behind vNICs without port security or with address pairs of other MACs, and
// beyond the uplinks of VLAN and flat networks. The first frames of one are told to the controller, and go their way meanwhile.

import type { FieldMatch } from '../../protocols/match.ts'
import type { Binding, Resident } from '../network/bindings.ts'
import { placeOn, placeSeenFrom } from '../network/bindings.ts'
import { networksOf } from '../network/places.ts'
import type { NetworkView, SwitchView } from '../network/view.ts'
import { UPLINK_PORT } from '../network/view.ts'
import { Origin, Register, Table } from '../tables.ts'
import type { App, Many } from './app.ts'
import { EMPTY, many, onlyAt } from './app.ts'
import { fromPort, inNetwork, is, writerFor } from './flow.ts'
import { once } from '../../runtime/once.ts'

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

export const learning: App = {
  always: GROUPS_AND_ALL_ELSE,
  ofVnic: (at, binding) => (speaksUnknown(binding) ? [tell(10, [fromPort(placeOn(binding, at.name)!.port)])] : []),
  ofNetwork: (at, network) => [
    ...(listensOutside(at, network) ? [tell(10, [from(Origin.Uplink), inNetwork(network.number)])] : []),
    ...learnedHere(at, network).map(({ port, mac }) => remember(network, port, mac)),
  ],
  ofMany: (at, network) => {
    if (listensOutside(at, network)) return heardOutside(at, network)
    return opensOn(at, network) ? heardFromHere(network) : NOTHING_HEARD
  },
}

/** It may wear MAC addresses that the topology does not know whose they are. */
const speaksUnknown = ({ nic: { policy } }: Binding): boolean =>
  !policy.portSecurity || (policy.allowedAddressPairs ?? []).some(({ mac }) => mac !== undefined)

const listensOutside = (at: SwitchView, { onUplink }: NetworkView): boolean => at.integration && onUplink

/** Whether there is a port here through which the network could hear of addresses. */
const opensOn = ({ bindings }: SwitchView, { network }: NetworkView): boolean =>
  openNetworks(bindings).has(network.name)

const openNetworks = once((bindings: SwitchView['bindings']) => networksOf(bindings.filter(speaksUnknown)))

/** Where it lives an address is remembered for as long as it speaks. */
function learnedHere(at: SwitchView, { learnedBehind }: NetworkView): { port: number; mac: bigint }[] {
  const residents = at.bindings.flatMap(({ nic }) => learnedBehind.get(nic.id) ?? [])
  return residents.flatMap((resident) => {
    const place = placeSeenFrom(resident, at.host.name)
    return place.switch === at.name ? [{ port: place.port, mac: resident.mac }] : []
  })
}

const NOTHING_HEARD = [EMPTY, EMPTY, EMPTY]

/** The same on every switch. */
const knownSenders = once(({ number, residents }: NetworkView) =>
  many('known senders', residents, [number], ({ mac }) => [goOn(100, [inNetwork(number), is('eth_src', mac)])]),
)

const heardFromHere = once((network: NetworkView) => [knownSenders(network), EMPTY, EMPTY])

/** What comes in from outside is no news where it is known to live elsewhere. */
const knownAtUplink = once((network: NetworkView): [Many, Many] => {
  const { number, learnedBehind } = network
  const elsewhere = ({ mac }: Resident) => goOn(95, [from(Origin.Uplink), inNetwork(number), is('eth_src', mac)])
  return [
    knownSenders(network),
    many('learned behind vNICs', learnedBehind, [number], (residents) => residents.map(elsewhere)),
  ]
})

const nothingOutside = once((network: NetworkView) => [...knownAtUplink(network), EMPTY])

/** And what lives outside is remembered where it came in. */
function heardOutside(at: SwitchView, network: NetworkView): readonly Many[] {
  const { number, learnedOutside } = network
  if (learnedOutside.size === 0) return nothingOutside(network)
  const learned = many('learned at the uplink', learnedOutside, [number], ({ mac, location }) =>
    location.kind === 'outside' && location.switches.includes(at.name) ? [remember(network, UPLINK_PORT, mac)] : [],
  )
  return [...knownAtUplink(network), onlyAt(at, learned)]
}
