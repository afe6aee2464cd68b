// Source addresses that the topology does not know: behind vNICs without port security or with address pairs of other MACs, and
// beyond the uplinks of VLAN and flat networks. The first frames of one are told to the controller, and go their way meanwhile.

import type { FieldMatch } from '../../protocols/match.ts'
import type { Resident } from '../network/bindings.ts'
import { placeOn, placeSeenFrom } from '../network/bindings.ts'
import type { NetworkFrame, NetworkHere, NetworkView, SwitchView } from '../network/view.ts'
import { UPLINK_PORT } from '../network/view.ts'
import { Origin, Register, Table } from '../tables.ts'
import type { App, Many, ManyAt } from './app.ts'
import { EMPTY, many, manyAt } from './app.ts'
import { fromPort, inNetwork, is, writerFor } from './flow.ts'
import { speaksUnknown } from './standing.ts'
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

const remember = (network: NetworkFrame, port: number, mac: bigint) =>
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
    ...(at.integration && network.onUplink ? [tell(10, [from(Origin.Uplink), inNetwork(network.number)])] : []),
    ...learnedHere(at, network).map(({ port, mac }) => remember(network, port, mac)),
  ],
  ofMany: ({ integration, opens }, network) => {
    if (integration && network.onUplink) return heardOutside(network)
    return opens ? heardFromHere(network) : NOTHING_HEARD
  },
}

/** Where it lives an address is remembered for as long as it speaks. */
function learnedHere(at: SwitchView, { learned }: NetworkHere): { port: number; mac: bigint }[] {
  return learned.flatMap((resident) => {
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

/** And what lives outside is remembered where it came in. */
const heardOutside = once((network: NetworkView): (Many | ManyAt)[] => {
  const { number, learnedOutside } = network
  const rememberedAt = ({ name }: SwitchView) =>
    many('learned at the uplink', learnedOutside, [number], ({ mac, location }) =>
      location.kind === 'outside' && location.switches.includes(name) ? [remember(network, UPLINK_PORT, mac)] : [],
    )
  return [...knownAtUplink(network), learnedOutside.size === 0 ? EMPTY : manyAt(rememberedAt)]
})
