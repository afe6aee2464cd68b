// Which network a frame belongs to: by port, by the tag it wears, by the tunnel it came through. What belongs to none is
// dropped, so a frame is on exactly one network from here on.

import type { Action, FlowSpec } from '../../protocols/control/messages.ts'
import type { FieldMatch } from '../../protocols/match.ts'
import type { Attachment } from '../network/attachments.ts'
import { attachmentsOf } from '../network/attachments.ts'
import type { Binding, Place } from '../network/bindings.ts'
import { exitNumber, placeOn } from '../network/bindings.ts'
import type { NetworkHere, SwitchView } from '../network/view.ts'
import { TUNNEL_PORT, UPLINK_PORT } from '../network/view.ts'
import { Origin, Register, Table } from '../tables.ts'
import type { App } from './app.ts'
import { numberAt, tagAt } from './app.ts'
import { fromPort, is, POP_TAG, PRIORITY_TAGGED, set, tagged, UNTAGGED, writerFor } from './flow.ts'
import { uplinkQueue } from './uplink.ts'

const flow = writerFor('classifier')
const NOWHERE = flow({ table: Table.Classify, priority: 0, match: [] })

export const classifier: App = {
  always: [NOWHERE],
  ofVnic: fromVnic,
  ofNetwork: (at, network) => [
    ...at.patches.map(({ number }) => fromPatch(at, network, number)),
    ...(at.integration ? fromOutside(at, network) : []),
  ],
}

function fromVnic(at: SwitchView, binding: Binding): FlowSpec[] {
  const place = placeOn(binding, at.name)!
  return attachmentsOf(binding.nic).flatMap((one) => accepting(numberAt(at, one.network), place, one))
}

function accepting(network: number, place: Place, attachment: Attachment): FlowSpec[] {
  const actions = [...belongs(network, Origin.Vnic), set(Register.From, exitNumber(place, attachment))]
  const accept = (priority: number, tag: FieldMatch[], strip: Action[]) =>
    flow({
      table: Table.Classify,
      priority,
      match: [fromPort(place.port), ...tag],
      actions: [...strip, ...actions],
      goto: Table.PortSecurity,
    })
  if (attachment.accepts === 'any') return [accept(50, [], [])]
  return attachment.accepts.flatMap((vlan) =>
    vlan === 0
      ? [accept(100, [UNTAGGED], []), accept(100, [PRIORITY_TAGGED], [POP_TAG])]
      : [accept(100, [tagged(vlan)], [POP_TAG])],
  )
}

const belongs = (network: number, origin: number): Action[] => [
  set(Register.Network, network),
  set(Register.Origin, origin),
]

const fromPatch = (at: SwitchView, network: NetworkHere, port: number): FlowSpec =>
  flow({
    table: Table.Classify,
    priority: 100,
    match: [fromPort(port), tagged(tagAt(at, network))],
    actions: [POP_TAG, ...belongs(network.number, Origin.Patch), ...inQueue(uplinkQueue(at, network))],
    goto: Table.Forward,
  })

const inQueue = (queue: number | undefined): Action[] => (queue === undefined ? [] : [{ type: 'set_queue', queue }])

function fromOutside(at: SwitchView, network: NetworkHere): FlowSpec[] {
  const { type, segment = 0 } = network.network
  if (type === 'vxlan') return at.host.vtep === undefined ? [] : [fromTunnel(network, segment)]
  if (!network.onUplink) return []
  if (type === 'vlan') return [fromUplink(network, tagged(segment), [POP_TAG])]
  return [fromUplink(network, UNTAGGED, []), fromUplink(network, PRIORITY_TAGGED, [POP_TAG])]
}

const fromTunnel = (network: NetworkHere, identifier: number): FlowSpec =>
  flow({
    table: Table.Classify,
    priority: 100,
    match: [fromPort(TUNNEL_PORT), is('tun_id', identifier)],
    actions: belongs(network.number, Origin.Tunnel),
    goto: Table.Forward,
  })

const fromUplink = (network: NetworkHere, tag: FieldMatch, strip: Action[]): FlowSpec =>
  flow({
    table: Table.Classify,
    priority: 100,
    match: [fromPort(UPLINK_PORT), tag],
    actions: [...strip, ...belongs(network.number, Origin.Uplink)],
    goto: Table.Learning,
  })
