// OpenFlow 1.3 messages as bytes, and back: which body has which type on the wire.

import type { ErrorCode } from '../control/error-codes.ts'
import type { Envelope, Message, MessageType } from '../control/messages.ts'
import { Refused } from '../control/refused.ts'
import { Malformed } from '../errors.ts'
import type { Body } from './body.ts'
import { ByteReader } from './byte-reader.ts'
import { ERROR } from './errors.ts'
import { BUNDLES } from './experimenter/bundle.ts'
import { FLUSH, FLUSH_ZONE } from './experimenter/conntrack.ts'
import { FLOW_MONITOR } from './experimenter/flow-monitor.ts'
import type { PacketInFormat } from './experimenter/nicira.ts'
import { OLDER_MONITOR_MESSAGES, SMALL_MESSAGES } from './experimenter/nicira.ts'
import { NXT_PACKET_IN, NXT_PACKET_IN2 } from './experimenter/packet-in.ts'
import type { WireType } from './header.ts'
import { HEADER_SIZE, MessageCode, VERSION, isMultipart, readHeader, readWireType, wireKey } from './header.ts'
import { HELLO } from './hello.ts'
import { ASYNC_CONFIG, NICIRA_ASYNC_CONFIG } from './messages/async-config.ts'
import { ECHO } from './messages/echo.ts'
import { FLOW_MOD } from './messages/flow-mod.ts'
import { FLOW_REMOVED } from './messages/flow-removed.ts'
import { GROUP_MOD, NICIRA_GROUP_MOD } from './messages/group-mod.ts'
import { METER_MOD } from './messages/meter-mod.ts'
import { PACKET_IN } from './messages/packet-in.ts'
import { PACKET_OUT } from './messages/packet-out.ts'
import { PORT_MOD, PORT_STATUS } from './messages/port.ts'
import { QUEUE_CONFIG } from './messages/queue-config.ts'
import { NICIRA_ROLE_REPLY, NICIRA_ROLE_REQUEST, ROLE } from './messages/role.ts'
import { SWITCH_SETTINGS } from './messages/switch-settings.ts'
import { TABLE_MOD } from './messages/table-mod.ts'
import { DESCRIPTION } from './multipart/description.ts'
import { FLOW_STATISTICS } from './multipart/flow.ts'
import { GROUPS } from './multipart/group.ts'
import { METERS } from './multipart/meter.ts'
import { PORTS } from './multipart/port.ts'
import { QUEUE_STATISTICS } from './multipart/queue.ts'
import { TABLE_FEATURES } from './multipart/table-features.ts'
import { TABLE_STATISTICS } from './multipart/table.ts'

/** What we say. */
const SPOKEN: readonly Body[] = [
  HELLO,
  ERROR,
  ...ECHO,
  ...SWITCH_SETTINGS,
  PACKET_IN,
  FLOW_REMOVED,
  PORT_STATUS,
  PACKET_OUT,
  FLOW_MOD,
  GROUP_MOD,
  PORT_MOD,
  TABLE_MOD,
  METER_MOD,
  ...QUEUE_CONFIG,
  ...ROLE,
  ...ASYNC_CONFIG,
  ...DESCRIPTION,
  ...FLOW_STATISTICS,
  ...TABLE_STATISTICS,
  ...TABLE_FEATURES,
  ...PORTS,
  ...QUEUE_STATISTICS,
  ...GROUPS,
  ...METERS,
  ...BUNDLES,
  ...FLOW_MONITOR,
  ...SMALL_MESSAGES,
  FLUSH,
]

/** What we understand beside it: other words for the same. */
const UNDERSTOOD: readonly Body[] = [
  NXT_PACKET_IN,
  NXT_PACKET_IN2,
  NICIRA_ROLE_REQUEST,
  NICIRA_ROLE_REPLY,
  ...NICIRA_ASYNC_CONFIG,
  ...OLDER_MONITOR_MESSAGES,
  NICIRA_GROUP_MOD,
  FLUSH_ZONE,
]

/** Every message that there is, in each of its forms. */
export const BODIES: readonly Body[] = [...SPOKEN, ...UNDERSTOOD]

const byType = new Map<MessageType, Body>(SPOKEN.map((body) => [body.type, body]))
const byWire = new Map<string, Body>(BODIES.map((body) => [wireKey(body.wire), body]))

/** Where a message has several forms, which of them the hearer wants. */
export interface Forms {
  packetIn?: PacketInFormat
  /** He asked for his role by NXT_ROLE_REQUEST. */
  niciraRole?: boolean
}

function bodyFor({ type }: Message, forms: Forms): Body {
  if (type === 'packetIn' && forms.packetIn === 'nxt_packet_in') return NXT_PACKET_IN
  if (type === 'packetIn' && forms.packetIn === 'nxt_packet_in2') return NXT_PACKET_IN2
  if (type === 'roleReply' && forms.niciraRole === true) return NICIRA_ROLE_REPLY
  const body = byType.get(type)
  if (body === undefined) throw new RangeError(`OpenFlow 1.3 has no ${type}`)
  return body
}

/**
 * The message; several of them where a multipart body is too long for one, all but the last saying that more follow.
 * @throws RangeError a message that OpenFlow 1.3 does not have, or one too long. Refused an action that has no form in it.
 */
export const encodeOpenFlow = ({ xid, message }: Envelope, forms: Forms = {}): Uint8Array[] =>
  bodyFor(message, forms).encode(message, xid)

/** A message of which the headers have been read. */
export interface Opened {
  version: number
  xid: number
  wire: WireType
  more: boolean
  /** What stands behind the headers. */
  body: Uint8Array
}

/**
 * Reads the headers of one whole message.
 * @throws Refused OFPBRC_BAD_VERSION, OFPBRC_BAD_LEN, OFPBRC_BAD_EXPERIMENTER.
 */
export function openMessage(bytes: Uint8Array): Opened {
  const reader = new ByteReader(bytes)
  const { version, type, xid } = readHeader(reader)
  if (version !== VERSION && type !== MessageCode.Hello)
    throw new Refused('OFPBRC_BAD_VERSION', '', `OpenFlow version ${version} where ${VERSION} was agreed`)
  const { wire, more } = readWireType(type, reader)
  return { version, xid, wire, more, body: bytes.subarray(reader.position) }
}

/** What is unknown of a message whose body nobody knows: the innermost of its types. */
function unknownType({ message, experimenter }: WireType): ErrorCode {
  if (experimenter !== undefined) return 'OFPBRC_BAD_EXP_TYPE'
  return isMultipart(message) ? 'OFPBRC_BAD_MULTIPART' : 'OFPBRC_BAD_TYPE'
}

/** @throws Refused with OpenFlow's own code: what nobody knows, what does not fit, what means nothing. */
export function decodeBody({ version, xid, wire, more, body }: Opened): Message {
  const found = byWire.get(wireKey(wire))
  if (found === undefined) throw new Refused(unknownType(wire), '', `nobody knows message ${wireKey(wire)}`)
  const reader = new ByteReader(body)
  const message = found.decode(reader, { version, xid, more })
  if (reader.remaining > 0) throw new Refused('OFPBRC_BAD_LEN', '', `${reader.remaining} bytes too many`)
  return message
}

/**
 * Reads one whole message. Of a multipart message it is this part.
 * @throws Refused with OpenFlow's own code. Malformed where the bytes are not one message.
 */
export function decodeOpenFlow(bytes: Uint8Array): Envelope {
  const length = bytes.length < HEADER_SIZE ? 0 : readHeader(new ByteReader(bytes)).length
  if (length !== bytes.length) throw new Malformed('openflow', `a message of ${length} bytes in ${bytes.length}`, 0)
  const opened = openMessage(bytes)
  return { xid: opened.xid, message: decodeBody(opened) }
}
