// Which frame is to be followed, and from where.

import { FrameArena } from '../../datapath/frames.ts'
import { frameFromKey } from '../../datapath/trace/compose.ts'
import { requestOf } from '../../datapath/trace/request.ts'
import { Word } from '../../protocols/fields.ts'
import type { Topology } from '../../topologies/topology.ts'
import { frameFrom } from '../frame-text.ts'
import type { Lab } from '../lab.ts'
import { entryAt } from './entry.ts'
import type { FollowedFrame } from './follow.ts'
import { followFrame } from './follow.ts'

export interface TraceQuestion {
  /** vNIC or switch. */
  at: string
  /** What the frame is: bytes, or flow syntax; at a switch, it names the in_port. */
  frame: Uint8Array | string
  /** Where bytes enter a switch; 1 where absent. */
  inPort?: number
  connectionStates?: readonly number[]
}

/** @throws InvalidField, FlowSyntaxError, Error what makes no sense there */
export function follow(lab: Lab, topology: Topology, question: TraceQuestion): FollowedFrame {
  const { at, frame, inPort = 1, connectionStates } = question
  const { device, port, nic } = entryAt(lab.network, topology, at)
  const entry = { switch: device.name, port: nic === undefined ? inPort : port, from: at }
  if (typeof frame !== 'string') return followFrame(lab.network, topology, entry, frame, connectionStates)
  if (nic !== undefined)
    return followFrame(lab.network, topology, entry, frameFrom(frame, nic, topology), connectionStates)
  const { key } = requestOf(device, frame)
  const arena = new FrameArena()
  const bytes = arena.read(frameFromKey(arena, key)).slice()
  return followFrame(lab.network, topology, { ...entry, port: key[Word.inPort] || inPort }, bytes, connectionStates)
}
