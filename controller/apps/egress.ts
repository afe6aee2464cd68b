// Out of a vNIC's port, for frames whose way there is decided: the rate of what it receives, and the tag its guest expects.

import type { FlowSpec } from '../../protocols/control/messages.ts'
import type { Member, Place } from '../network/bindings.ts'
import { exitNumber, membersOf, placesOf } from '../network/bindings.ts'
import type { NetworkView, SwitchView, View } from '../network/view.ts'
import { Register, Table } from '../tables.ts'
import { inNetwork, is, output, POP_TAG, pushTag, writerFor } from './flow.ts'
import { Memory } from './memory.ts'
import { egressMeter, limitsEgress } from './qos.ts'

const flow = writerFor('egress')
const NOWHERE = flow({ table: Table.Egress, priority: 0, match: [] })

export function egress(view: View, at: SwitchView): FlowSpec[] {
  return [
    NOWHERE,
    ...at.bindings.flatMap((binding) => membersOf(binding).flatMap((member) => wayOut(view, at, member))),
  ]
}

const known = new Memory<FlowSpec>()

function wayOut(view: View, at: SwitchView, member: Member): FlowSpec[] {
  const network = view.networks.get(member.attachment.network)
  const place = placesOf(member.binding).find((one) => one.switch === at.name)
  if (network === undefined || place === undefined) return []
  return [known.recall(member, at.name, [network.number, place.port], () => leaving(network, place, member))]
}

/** Leaves the frame as it found it: a flood sends the same one to the next port. */
function leaving(network: NetworkView, place: Place, { attachment }: Member): FlowSpec {
  const { wears, nic } = attachment
  return flow({
    table: Table.Egress,
    priority: 100,
    match: [is(Register.To, exitNumber(place, attachment)), inNetwork(network.number)],
    actions: wears === 0 ? [output(place.port)] : [...pushTag(wears), output(place.port), POP_TAG],
    ...(limitsEgress(nic.policy) ? { meter: egressMeter(place.port) } : {}),
  })
}
