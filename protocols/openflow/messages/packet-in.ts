// OFPT_PACKET_IN: OpenFlow 1.3 §7.4.1.
//
//   | buffer 32 | total length 16 | reason 8 | table 8 | cookie 64 | match | pad 16 | frame |

import type { PacketIn, PacketInReason } from '../../control/messages.ts'
import { PACKET_IN_REASONS } from '../../control/messages.ts'
import { Refused } from '../../control/refused.ts'
import type { Match } from '../../match.ts'
import { body } from '../body.ts'
import { MessageCode } from '../header.ts'
import { decodeMatch, encodeMatch } from '../oxm.ts'
import { NONE } from '../values.ts'

const LAST_OF_OPENFLOW_13: PacketInReason = 'invalid_ttl'

/** OFPR_*: to OpenFlow 1.3, what it has no word for is an action's doing. */
export function reasonCode(reason: PacketInReason): number {
  const code = PACKET_IN_REASONS.indexOf(reason)
  return code > PACKET_IN_REASONS.indexOf(LAST_OF_OPENFLOW_13) ? PACKET_IN_REASONS.indexOf('action') : code
}

function reasonOf(code: number): PacketInReason {
  const reason = PACKET_IN_REASONS[code]
  if (reason === undefined) throw new Refused('bad_request', 'reason', `there is no reason ${code} for a packet-in`)
  return reason
}

/** Which port the frame came in by; 0 where the switch does not say. */
const portOfEntry = (match: Match): number => Number(match.find(({ field }) => field === 'in_port')?.value ?? 0n)

/** What is said of a frame beside its bytes: in_port first, in every form. */
export const metadataOf = ({ match, inPort }: PacketIn): Match =>
  match.some(({ field }) => field === 'in_port') ? match : [{ field: 'in_port', value: BigInt(inPort) }, ...match]

/** A packet-in as every form of it tells, `code` being the reason's. */
export const packetInOf = (code: number, told: Omit<PacketIn, 'type' | 'reason' | 'inPort'>): PacketIn => ({
  type: 'packetIn',
  ...told,
  reason: reasonOf(code),
  inPort: portOfEntry(told.match),
})

export const PACKET_IN = body(
  'packetIn',
  { message: MessageCode.PacketIn },
  (writer, packet) => {
    writer.u32(NONE)
    writer.u16(Math.min(packet.totalLength, 0xffff))
    writer.u8(reasonCode(packet.reason))
    writer.u8(packet.table)
    writer.u64(packet.cookie)
    encodeMatch(writer, metadataOf(packet))
    writer.zero(2)
    writer.bytes(packet.frame)
  },
  (reader) => {
    reader.skip(4)
    const [totalLength, code, table] = [reader.u16(), reader.u8(), reader.u8()]
    const cookie = reader.u64()
    const match = decodeMatch(reader, { loose: true })
    reader.skip(2)
    const frame = reader.bytes(reader.remaining).slice()
    return packetInOf(code, { table, cookie, totalLength, match, frame })
  },
)
