import type { HeldFrame, MessageOf } from '../../../protocols/control/messages.ts'
import type { FrameArena, FrameHandle } from '../../frames.ts'
import { MAX_FRAME_LENGTH } from '../../frames.ts'
import type { Switch } from '../../switch.ts'
import { Refused } from '../../../protocols/control/refused.ts'
import { inParts } from './parts.ts'

/** Takes the frames that the port keeps: the switch has them no more. */
export function heldFrames(device: Switch, port: string): Iterable<MessageOf<'heldFramesReply'>> {
  requirePort(device, port)
  const taken = device.ports.takeHeld(port).map((frame) => takeOut(device.arena, frame))
  return heldFrameReplies(port, taken)
}

function* heldFrameReplies(port: string, taken: readonly HeldFrame[]): Generator<MessageOf<'heldFramesReply'>> {
  for (const { items, more } of inParts(taken, (frame) => frame.bytes.length + 16))
    yield { type: 'heldFramesReply', port, frames: items, more }
}

/** Sends frames that were kept elsewhere out of the port, ahead of what it keeps itself. */
export function deliverFrames(device: Switch, { port, frames }: MessageOf<'deliverFrames'>): void {
  requirePort(device, port)
  frames.forEach(({ bytes }, index) => checkLength(bytes, `frames[${index}].bytes`))
  device.ports.deliverHeld(
    port,
    frames.map((frame) => takeIn(device.arena, frame)),
  )
}

export function checkLength(bytes: Uint8Array, field: string): void {
  if (bytes.length > MAX_FRAME_LENGTH)
    throw new Refused('bad_request', field, `${bytes.length} bytes; expected at most ${MAX_FRAME_LENGTH}`)
}

function requirePort(device: Switch, name: string): void {
  if (device.ports.byName(name) === undefined)
    throw new Refused('OFPBRC_BAD_PORT', 'port', `there is no port '${name}'`)
}

function takeOut(arena: FrameArena, frame: FrameHandle): HeldFrame {
  const held = { id: BigInt(arena.id[frame]!), bytes: arena.read(frame).slice() }
  // It is not gone: whoever counts its copies counts the one in the message.
  arena.id[frame] = 0
  arena.release(frame)
  return held
}

function takeIn(arena: FrameArena, { id, bytes }: HeldFrame): FrameHandle {
  const frame = arena.allocateFrom(bytes)
  arena.id[frame] = Number(id)
  return frame
}
