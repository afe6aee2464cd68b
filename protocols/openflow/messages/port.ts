// A port changed, or is to: OpenFlow 1.3 §7.4.3 and §7.3.4.3.

import { ReservedPort } from '../../control/messages.ts'
import { Refused } from '../../control/refused.ts'
import { body } from '../body.ts'
import { MessageCode } from '../header.ts'
import { ALL_CONFIG_BITS, configBits, decodePort, encodePort, portFlags, readMac, writeMac } from '../ports.ts'
import { readPort } from '../values.ts'

/** OFPPR_*. */
export const PORT_REASONS = ['add', 'delete', 'modify'] as const

export const PORT_STATUS = body(
  'portStatus',
  { message: MessageCode.PortStatus },
  (writer, { reason, port }) => {
    writer.u8(PORT_REASONS.indexOf(reason))
    writer.zero(7)
    encodePort(writer, port)
  },
  (reader) => {
    const code = reader.u8()
    const reason = PORT_REASONS[code]
    if (reason === undefined) throw new Refused('bad_request', 'reason', `a port has no status ${code}`)
    reader.skip(7)
    return { type: 'portStatus', reason, port: decodePort(reader) }
  },
)

export const PORT_MOD = body(
  'portFlagsMod',
  { message: MessageCode.PortMod },
  (writer, { port, mac, flags }) => {
    writer.u32(port)
    writer.zero(4)
    writeMac(writer, mac)
    writer.u32(configBits(flags))
    writer.u32(configBits(Object.fromEntries(Object.keys(flags).map((flag) => [flag, true]))))
    writer.u32(0)
    writer.zero(4)
  },
  (reader) => {
    const port = readPort(reader, 'OFPPMFC_BAD_PORT')
    if (port === ReservedPort.Any) throw new Refused('OFPPMFC_BAD_PORT', 'port', 'no one port is meant')
    reader.skip(4)
    const mac = readMac(reader)
    const [config, mask] = [reader.u32(), reader.u32()]
    if ((mask & ~ALL_CONFIG_BITS) !== 0)
      throw new Refused('OFPPMFC_BAD_CONFIG', 'flags', `a port can not change all of 0x${mask.toString(16)}`)
    reader.skip(8)
    return { type: 'portFlagsMod', port, mac, flags: portFlags(config, mask) }
  },
)
