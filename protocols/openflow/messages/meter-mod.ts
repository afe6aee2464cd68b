// OFPT_METER_MOD: OpenFlow 1.3 §7.3.4.4.
//
//   | command 16 | flags 16 | meter 32 | bands |

import { Refused } from '../../control/refused.ts'
import { body } from '../body.ts'
import { MessageCode } from '../header.ts'
import { decodeBands, encodeBands, meterFlagBits, readMeterFlags } from '../meters.ts'

/** OFPMC_*. */
const COMMANDS = ['add', 'modify', 'delete'] as const

export const METER_MOD = body(
  'meterMod',
  { message: MessageCode.MeterMod },
  (writer, meterMod) => {
    writer.u16(COMMANDS.indexOf(meterMod.command))
    writer.u16(meterFlagBits(meterMod))
    writer.u32(meterMod.meter)
    encodeBands(writer, meterMod)
  },
  (reader) => {
    const code = reader.u16()
    const command = COMMANDS[code]
    if (command === undefined) throw new Refused('OFPMMFC_BAD_COMMAND', 'command', `there is no meter command ${code}`)
    // As in Open vSwitch, of a deletion only the number is looked at.
    if (command === 'delete') {
      reader.skip(2)
      const meter = reader.u32()
      reader.skip(reader.remaining)
      return { type: 'meterMod', command, meter, bands: [] }
    }
    const counting = readMeterFlags(reader)
    const meter = reader.u32()
    return { type: 'meterMod', command, meter, ...counting, bands: decodeBands(reader, counting.unit) }
  },
)
