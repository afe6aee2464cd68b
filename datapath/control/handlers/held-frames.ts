import type { HeldFrame, MessageOf } from '../../../protocols/control/messages.ts'
import { Refused } from '../../../protocols/control/refused.ts'
import type { FrameHandle } from '../../frames.ts'
import { MAX_FRAME_LENGTH } from '../../frames.ts'
import type { Kept } from '../../hold-queue.ts'
import type { Port } from '../../port.ts'
import type { Switch } from '../../switch.ts'
import { portNamed } from './named-port.ts'
import { inParts } from './parts.ts'

/** Tells which frames the port keeps; they stay. */
export function heldFrames(
  device: Switch,
  { port: name, after }: MessageOf<'heldFramesRequest'>,
): Iterable<MessageOf<'heldFramesReply'>> {
  const { held } = portNamed(device, name)
  const wanted = held.kept().filter(({ origin, sequence }) => origin !== '' || sequence > after)
  return heldFrameReplies(
    name,
    held.overflowed,
    wanted.map((kept) => tell(device, kept)),
  )
}

function* heldFrameReplies(
  port: string,
  overflowed: number,
  told: readonly HeldFrame[],
): Generator<MessageOf<'heldFramesReply'>> {
  for (const { items, more } of inParts(told, (frame) => frame.bytes.length + 32))
    yield { type: 'heldFramesReply', port, frames: items, overflowed, more }
}

/** Sends frames that were kept elsewhere out of the port, ahead of what it keeps of its own. */
export function deliverFrames(device: Switch, { port: name, frames, upTo }: MessageOf<'deliverFrames'>): void {
  const port = portNamed(device, name)
  frames.forEach(({ bytes }, index) => checkLength(bytes, `frames[${index}].bytes`))
  let own = new Set<number>()
  const moveOwn = () => {
    if (own.size > 0) port.held.moveAhead(own)
    own = new Set()
  }
  for (const frame of frames) {
    if (frame.origin === device.name) own.add(frame.sequence)
    else {
      moveOwn()
      takeOver(device, port, frame)
    }
  }
  moveOwn()
  forget(device, port.held.forget(upTo))
  device.ports.settle(name)
}

export function forgetFrames(device: Switch, { port: name, upTo }: MessageOf<'forgetFrames'>): void {
  const { held } = portNamed(device, name)
  forget(device, [...held.takeAhead(), ...held.forget(upTo)])
}

export function checkLength(bytes: Uint8Array, field: string): void {
  if (bytes.length > MAX_FRAME_LENGTH)
    throw new Refused('bad_request', field, `${bytes.length} bytes; expected at most ${MAX_FRAME_LENGTH}`)
}

const tell = ({ arena, name }: Switch, { frame, origin, sequence }: Kept): HeldFrame => ({
  id: BigInt(arena.id[frame]!),
  bytes: arena.read(frame).slice(),
  origin: origin === '' ? name : origin,
  sequence,
})

function takeOver(device: Switch, port: Port, { id, bytes, origin, sequence }: HeldFrame): void {
  const { arena } = device
  const frame = arena.allocateFrom(bytes)
  const taken = port.held.putAhead(frame, origin, sequence)
  if (taken === 'taken') arena.identify(frame, Number(id))
  else if (taken === 'full') device.discardHeld(port, frame)
  else arena.release(frame)
}

/** They are somewhere else now. */
function forget({ arena }: Switch, frames: readonly FrameHandle[]): void {
  for (const frame of frames) arena.release(frame)
}
