import type { MessageOf } from '../../../protocols/control/messages.ts'
import { formatMac } from '../../../protocols/address.ts'
import { Refused } from '../../../protocols/control/refused.ts'
import type { Switch } from '../../switch.ts'

/**
 * OpenFlow 1.3 §7.3.4.3: the port and its address go together, so that a port that took another's number is not meant.
 * @throws Refused
 */
export function checkPortFlags({ ports }: Switch, { port: number, mac }: MessageOf<'portFlagsMod'>): void {
  const port = ports.byNumber(number)
  if (port === undefined) throw new Refused('OFPPMFC_BAD_PORT', 'port', `there is no port ${number}`)
  const own = ports.macOf(port)
  if (mac !== own)
    throw new Refused('OFPPMFC_BAD_HW_ADDR', 'mac', `port ${number} has ${formatMac(own)}, not ${formatMac(mac)}`)
}
