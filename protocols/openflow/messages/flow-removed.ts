// OFPT_FLOW_REMOVED: OpenFlow 1.3 §7.4.2. What the flow did to frames is not said.

import { REMOVAL_REASONS } from '../../control/messages.ts'
import { Refused } from '../../control/refused.ts'
import { body } from '../body.ts'
import { MessageCode } from '../header.ts'
import { decodeMatch, encodeMatch } from '../oxm.ts'
import { readDuration, writeDuration } from '../values.ts'

export const FLOW_REMOVED = body(
  'flowRemoved',
  { message: MessageCode.FlowRemoved },
  (writer, { reason, flow }) => {
    writer.u64(flow.cookie)
    writer.u16(flow.priority)
    // OpenFlow 1.3 does not know that a meter can take its flows along.
    writer.u8(REMOVAL_REASONS.indexOf(reason === 'meter_delete' ? 'delete' : reason))
    writer.u8(flow.table)
    writeDuration(writer, flow.duration)
    writer.u16(flow.idleTimeout)
    writer.u16(flow.hardTimeout)
    writer.u64(flow.packets)
    writer.u64(flow.bytes)
    encodeMatch(writer, flow.match)
  },
  (reader) => {
    const [cookie, priority] = [reader.u64(), reader.u16()]
    const [code, table] = [reader.u8(), reader.u8()]
    const reason = REMOVAL_REASONS[code]
    if (reason === undefined) throw new Refused('bad_request', 'reason', `nothing is removed for reason ${code}`)
    const flow = {
      table,
      priority,
      cookie,
      duration: readDuration(reader),
      idleTimeout: reader.u16(),
      hardTimeout: reader.u16(),
      packets: reader.u64(),
      bytes: reader.u64(),
      match: decodeMatch(reader),
    }
    const unsaid = { flags: {}, idleAge: 0n, instructions: { apply: [], clear: false, write: [] } }
    return { type: 'flowRemoved', reason, flow: { ...flow, ...unsaid } }
  },
)
