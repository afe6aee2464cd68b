// OFPT_PACKET_OUT: OpenFlow 1.3 §7.3.7.
//
//   | buffer 32 | port of entry 32 | length of actions 16 | pad 48 | actions | frame |

import { decodeActions, encodeActions } from '../actions.ts'
import { body } from '../body.ts'
import { MessageCode } from '../header.ts'
import { NONE, readPort, unless } from '../values.ts'

const ACTIONS_LENGTH = 16

export const PACKET_OUT = body(
  'packetOut',
  { message: MessageCode.PacketOut },
  (writer, { inPort, actions, frame, bufferId }) => {
    writer.u32(bufferId ?? NONE)
    writer.u32(inPort)
    writer.zero(8)
    const start = writer.length
    encodeActions(writer, actions)
    writer.setU16(ACTIONS_LENGTH, writer.length - start)
    writer.bytes(frame)
  },
  (reader) => {
    const bufferId = reader.u32()
    const inPort = readPort(reader, 'OFPBRC_BAD_PORT')
    const length = reader.u16()
    reader.skip(6)
    const actions = decodeActions(reader.sub(length, 'OFPBAC_BAD_LEN'))
    const frame = reader.bytes(reader.remaining).slice()
    return { type: 'packetOut', inPort, actions, frame, ...unless(NONE, 'bufferId', bufferId) }
  },
)
