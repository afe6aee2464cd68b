// OFPT_FLOW_MOD: OpenFlow 1.3 §7.3.4.1.

import type { FlowCommand } from '../../control/messages.ts'
import { Refused } from '../../control/refused.ts'
import { body } from '../body.ts'
import { flowFlagBits, flowFlags } from '../flow-flags.ts'
import { MessageCode } from '../header.ts'
import { decodeInstructions, encodeInstructions } from '../instructions.ts'
import { decodeMatch, encodeMatch } from '../oxm.ts'
import { NONE, readPort, unless } from '../values.ts'

/** OFPFC_*. */
const COMMANDS: readonly FlowCommand[] = ['add', 'modify', 'modify-strict', 'delete', 'delete-strict']

function commandOf(code: number): FlowCommand {
  const command = COMMANDS[code]
  if (command === undefined) throw new Refused('OFPFMFC_BAD_COMMAND', 'command', `there is no flow command ${code}`)
  return command
}

export const FLOW_MOD = body(
  'flowMod',
  { message: MessageCode.FlowMod },
  (writer, flow) => {
    writer.u64(flow.cookie)
    writer.u64(flow.cookieMask)
    writer.u8(flow.table)
    writer.u8(COMMANDS.indexOf(flow.command))
    writer.u16(flow.idleTimeout)
    writer.u16(flow.hardTimeout)
    writer.u16(flow.priority)
    writer.u32(flow.bufferId ?? NONE)
    writer.u32(flow.outPort ?? NONE)
    writer.u32(flow.outGroup ?? NONE)
    writer.u16(flowFlagBits(flow.flags))
    writer.zero(2)
    encodeMatch(writer, flow.match)
    encodeInstructions(writer, flow.instructions, flow.match)
  },
  (reader) => {
    const [cookie, cookieMask] = [reader.u64(), reader.u64()]
    const [table, command] = [reader.u8(), reader.u8()]
    const [idleTimeout, hardTimeout, priority] = [reader.u16(), reader.u16(), reader.u16()]
    const bufferId = reader.u32()
    const [outPort, outGroup] = [readPort(reader), reader.u32()]
    const flags = reader.u16()
    reader.skip(2)
    return {
      type: 'flowMod',
      table,
      priority,
      match: decodeMatch(reader),
      instructions: decodeInstructions(reader),
      command: commandOf(command),
      cookie,
      cookieMask,
      idleTimeout,
      hardTimeout,
      flags: flowFlags(flags),
      ...unless(NONE, 'bufferId', bufferId),
      ...unless(NONE, 'outPort', outPort),
      ...unless(NONE, 'outGroup', outGroup),
    }
  },
)
