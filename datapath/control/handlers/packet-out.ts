import type { MessageOf } from '../../../protocols/control/messages.ts'
import { NO_BUFFER, ReservedPort } from '../../../protocols/control/messages.ts'
import { Refused } from '../../../protocols/control/refused.ts'
import type { CheckContext } from '../../flow-check.ts'
import { checkActions } from '../../flow-check.ts'
import type { Switch } from '../../switch.ts'
import { checkLength } from './held-frames.ts'

const HIGHEST_NUMBER = 0xfeff

/**
 * A frame of the controller's own. It need not have come in anywhere: `controller` is an in_port too, and 0, which no port has.
 * One that is too short for its header is dropped as one that came in would be.
 * @throws Refused
 */
export function checkPacketOut(
  { inPort, actions, frame, bufferId = NO_BUFFER }: MessageOf<'packetOut'>,
  known: CheckContext,
): void {
  if (bufferId !== NO_BUFFER)
    throw new Refused('OFPBRC_BUFFER_UNKNOWN', 'bufferId', `this switch keeps no packets, ${bufferId} neither`)
  const isReserved = inPort === ReservedPort.Controller || inPort === ReservedPort.Local || inPort === ReservedPort.Any
  if (!isReserved && inPort > HIGHEST_NUMBER)
    throw new Refused('OFPBRC_BAD_PORT', 'inPort', `${inPort} is no port to come from`)
  checkActions(actions, [], { ...known, packetOut: true }, 'actions')
  checkLength(frame, 'frame')
}

export function packetOut(device: Switch, { inPort, actions, frame }: MessageOf<'packetOut'>): void {
  device.inject(device.arena.allocateFrom(frame), inPort, actions)
}
