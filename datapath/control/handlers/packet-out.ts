import type { MessageOf } from '../../../protocols/control/messages.ts'
import { ReservedPort } from '../../../protocols/control/messages.ts'
import { checkPacketOutActions } from '../../flow-check.ts'
import type { Switch } from '../../switch.ts'
import { Refused } from '../../../protocols/control/refused.ts'
import { checkLength } from './held-frames.ts'

const ETHERNET_HEADER_SIZE = 14
const HIGHEST_NUMBER = 0xfeff

/** A frame of the controller's own. It need not have come in anywhere: `controller` is an in_port too. */
export function packetOut(device: Switch, { inPort, actions, frame }: MessageOf<'packetOut'>): void {
  const isReserved = inPort === ReservedPort.Controller || inPort === ReservedPort.Local || inPort === ReservedPort.Any
  if (!isReserved && (inPort < 1 || inPort > HIGHEST_NUMBER))
    throw new Refused('OFPBRC_BAD_PORT', 'inPort', `${inPort} is no port to come from`)
  checkPacketOutActions(actions)
  checkLength(frame, 'frame')
  if (frame.length < ETHERNET_HEADER_SIZE)
    throw new Refused('bad_request', 'frame', `${frame.length} bytes; expected an Ethernet frame`)
  device.inject(device.arena.allocateFrom(frame), inPort, actions)
}
