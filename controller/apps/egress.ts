// Out of a vNIC's port, for frames whose way there is decided: the tag its guest expects.

import type { FlowSpec } from '../../protocols/control/messages.ts'
import type { Attachment } from '../network/attachments.ts'
import { attachmentsOf } from '../network/attachments.ts'
import type { Place } from '../network/bindings.ts'
import { exitNumber, placeOn } from '../network/bindings.ts'
import { Register, Table } from '../tables.ts'
import type { App } from './app.ts'
import { numberAt } from './app.ts'
import { inNetwork, is, output, POP_TAG, pushTag, writerFor } from './flow.ts'

const flow = writerFor('egress')
const NOWHERE = flow({ table: Table.Egress, priority: 0, match: [] })

export const egress: App = {
  always: [NOWHERE],
  ofVnic: (at, binding) =>
    attachmentsOf(binding.nic).map((one) => leaving(numberAt(at, one.network), placeOn(binding, at.name)!, one)),
}

/** Leaves the frame as it found it: a flood sends the same one to the next port. */
function leaving(network: number, place: Place, attachment: Attachment): FlowSpec {
  const { wears } = attachment
  return flow({
    table: Table.Egress,
    priority: 100,
    match: [is(Register.To, exitNumber(place, attachment)), inNetwork(network)],
    actions: wears === 0 ? [output(place.port)] : [...pushTag(wears), output(place.port), POP_TAG],
  })
}
