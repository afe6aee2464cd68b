// Which frame is to be followed, and from where.

import { FrameArena } from '../../datapath/frames.ts'
import { frameFromKey } from '../../datapath/trace/compose.ts'
import { leavesFlagsOpen, requestOf } from '../../datapath/trace/request.ts'
import { Word } from '../../protocols/fields.ts'
import { InvalidField } from '../../protocols/errors.ts'
import type { Topology } from '../../topologies/topology.ts'
import { parseFrameText } from '../../topologies/frame-text.ts'
import { frameFrom } from '../frame-text.ts'
import type { Lab } from '../lab.ts'
import type { EntryPlace } from './entry.ts'
import { entryAt } from './entry.ts'
import type { Arrival, FollowedFrame } from './follow.ts'
import { followFrame } from './follow.ts'

export interface TraceQuestion {
  /** vNIC or switch. */
  at: string
  /** What the frame is: bytes, or flow syntax; at a switch, it names the in_port. */
  frame: Uint8Array | string
  /** Where bytes enter a switch; 1 where absent. A flow names its own. */
  inPort?: number
  connectionStates?: readonly number[]
}

/** @throws InvalidField, FlowSyntaxError, Error what makes no sense there */
export function follow(lab: Lab, topology: Topology, question: TraceQuestion): FollowedFrame {
  const { frame, connectionStates } = question
  const place = entryAt(lab.network, topology, question.at)
  const { arrival, anyTcpFlags } =
    typeof frame === 'string' ? described(place, frame, question, topology) : inBytes(place, frame, question)
  return followFrame(lab.network, topology, arrival, { anyTcpFlags, ...(connectionStates && { connectionStates }) })
}

interface Start {
  arrival: Arrival
  anyTcpFlags: boolean
}

function inBytes({ device, port, nic }: EntryPlace, frame: Uint8Array, { at, inPort }: TraceQuestion): Start {
  if (nic !== undefined && inPort !== undefined)
    throw new InvalidField('inPort', `${at} is a vNIC, which has one port`, 'a switch, or no port')
  return {
    arrival: { switch: device.name, port: nic === undefined ? (inPort ?? 1) : port, from: at, frame },
    anyTcpFlags: false,
  }
}

/** At a vNIC, what the text leaves open is the guest's; at a switch, it is 0 as for ofproto/trace. */
function described(place: EntryPlace, text: string, { at, inPort }: TraceQuestion, topology: Topology): Start {
  const { device, port, nic } = place
  if (inPort !== undefined) throw new InvalidField('inPort', 'a flow names its in_port itself', 'in_port=N in the flow')
  if (nic !== undefined) {
    const parsed = parseFrameText(text)
    const anyTcpFlags = !(parsed instanceof Uint8Array) && leavesFlagsOpen(parsed)
    return { arrival: { switch: device.name, port, from: at, frame: frameFrom(text, nic, topology) }, anyTcpFlags }
  }
  const { key, anyTcpFlags = false } = requestOf(device, text)
  if (key[Word.inPort] === 0) key[Word.inPort] = 1
  const arena = new FrameArena()
  const frame = arena.read(frameFromKey(arena, key)).slice()
  return { arrival: { switch: device.name, port: key[Word.inPort], from: at, frame, key }, anyTcpFlags }
}
