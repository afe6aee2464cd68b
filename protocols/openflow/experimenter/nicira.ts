// Open vSwitch's small messages: nicira-ext.h, numbers in openvswitch/ofp-msgs.h.

import { Refused } from '../../control/refused.ts'
import type { MessageOf } from '../../control/messages.ts'
import type { Body } from '../body.ts'
import { body, emptyBody } from '../body.ts'
import { nicira, onf } from '../header.ts'

/** NXPIF_*. */
const PACKET_IN_FORMATS = ['openflow', 'nxt_packet_in', 'nxt_packet_in2'] as const
export type PacketInFormat = MessageOf<'setPacketInFormat'>['format']

const setPacketInFormat = body(
  'setPacketInFormat',
  nicira(16),
  (writer, { format }) => writer.u32(PACKET_IN_FORMATS.indexOf(format)),
  (reader) => {
    const code = reader.u32()
    const format = PACKET_IN_FORMATS[code]
    if (format === undefined) throw new Refused('OFPBRC_EPERM', 'format', `there is no packet-in format ${code}`)
    return { type: 'setPacketInFormat', format }
  },
)

const setControllerId = body(
  'setControllerId',
  nicira(20),
  (writer, { controllerId }) => {
    writer.zero(6)
    writer.u16(controllerId)
  },
  (reader) => {
    if (!reader.sub(6).endsInZeros()) throw new Refused('bad_request', '', 'what must be 0 is not')
    return { type: 'setControllerId', controllerId: reader.u16() }
  },
)

const monitorCancel = (wire: ReturnType<typeof onf>): Body =>
  body(
    'flowMonitorCancel',
    wire,
    (writer, { id }) => writer.u32(id),
    (reader) => ({ type: 'flowMonitorCancel', id: reader.u32() }),
  )

/** The monitor of flows is the ONF's on OpenFlow 1.3; the same by its older names is understood. */
export const SMALL_MESSAGES: readonly Body[] = [
  setPacketInFormat,
  setControllerId,
  monitorCancel(onf(1870)),
  emptyBody('flowMonitorPaused', onf(1871), { type: 'flowMonitorPaused' }),
  emptyBody('flowMonitorResumed', onf(1872), { type: 'flowMonitorResumed' }),
]
export const OLDER_MONITOR_MESSAGES: readonly Body[] = [
  monitorCancel(nicira(21)),
  emptyBody('flowMonitorPaused', nicira(22), { type: 'flowMonitorPaused' }),
  emptyBody('flowMonitorResumed', nicira(23), { type: 'flowMonitorResumed' }),
]
