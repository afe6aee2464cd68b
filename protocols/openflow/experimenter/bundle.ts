// Bundles: the ONF's extension for OpenFlow 1.3 (EXT-230), as Open vSwitch has it (lib/ofp-bundle.c).
//
//   | bundle 32 | kind 16, or pad | flags 16 | message, where one is added |

import type { BundleCommand, BundledMessage, BundleFlags } from '../../control/messages.ts'
import { Refused } from '../../control/refused.ts'
import type { Body } from '../body.ts'
import { body } from '../body.ts'
import { ByteReader } from '../byte-reader.ts'
import { HEADER_SIZE, VERSION, onf, readHeader, readWireType, wireKey } from '../header.ts'
import { FLOW_MOD } from '../messages/flow-mod.ts'
import { GROUP_MOD, NICIRA_GROUP_MOD } from '../messages/group-mod.ts'
import { METER_MOD } from '../messages/meter-mod.ts'
import { PACKET_OUT } from '../messages/packet-out.ts'
import { PORT_MOD } from '../messages/port.ts'

/** OFPBCT_*: each request is followed by its reply. */
const COMMANDS: readonly BundleCommand[] = ['open', 'close', 'commit', 'discard']
/** OFPBF_*. */
const ATOMIC = 1 << 0
const ORDERED = 1 << 1

const flagBits = (flags: BundleFlags | undefined) =>
  (flags?.atomic === true ? ATOMIC : 0) | (flags?.ordered === true ? ORDERED : 0)

function readFlags(bits: number): { flags?: BundleFlags } {
  if ((bits & ~(ATOMIC | ORDERED)) !== 0)
    throw new Refused('OFPBFC_BAD_FLAGS', 'flags', `no bundle has flags 0x${bits.toString(16)}`)
  if (bits === 0) return {}
  return { flags: { ...((bits & ATOMIC) !== 0 && { atomic: true }), ...((bits & ORDERED) !== 0 && { ordered: true }) } }
}

const CONTROL = onf(2300)

function control(type: 'bundleControl' | 'bundleControlReply', isReply: 0 | 1): Body {
  return body(
    type,
    CONTROL,
    (writer, { bundle, command, flags }) => {
      writer.u32(bundle)
      writer.u16(2 * COMMANDS.indexOf(command) + isReply)
      writer.u16(flagBits(flags))
    },
    (reader) => {
      const [bundle, kind] = [reader.u32(), reader.u16()]
      const flags = readFlags(reader.u16())
      const command = COMMANDS[kind >> 1]
      if (command === undefined)
        throw new Refused('OFPBFC_BAD_TYPE', 'command', `nothing is done to a bundle by ${kind}`)
      // Requests and replies are one message: the kind tells them apart.
      const found = kind % 2 === 0 ? ('bundleControl' as const) : ('bundleControlReply' as const)
      return { type: found, bundle, command, ...flags }
    },
  )
}

const BUNDLED: readonly Body[] = [FLOW_MOD, GROUP_MOD, NICIRA_GROUP_MOD, METER_MOD, PORT_MOD, PACKET_OUT]
const bundled = new Map(BUNDLED.map((one) => [wireKey(one.wire), one]))
const spoken = new Map(BUNDLED.toReversed().map((one) => [one.type, one]))

/** @throws Refused OFPBFC_MSG_*, and what refuses the message itself, at its path in this one. */
function readMessage(reader: ByteReader, xid: number): BundledMessage {
  if (reader.remaining < HEADER_SIZE) throw new Refused('OFPBFC_MSG_BAD_LEN', 'message', 'there is no message')
  const bytes = reader.bytes(reader.remaining)
  const header = readHeader(new ByteReader(bytes))
  if (header.version !== VERSION)
    throw new Refused('OFPBRC_BAD_VERSION', 'message', `OpenFlow version ${header.version} in a message of version 4`)
  if (header.length < HEADER_SIZE || header.length > bytes.length)
    throw new Refused('OFPBFC_MSG_BAD_LEN', 'message', `a message of ${header.length} bytes in ${bytes.length}`)
  if (header.xid !== xid)
    throw new Refused('OFPBFC_MSG_BAD_XID', 'message', `xid ${header.xid} in a message with xid ${xid}`)
  const message = new ByteReader(bytes, HEADER_SIZE, header.length)
  const { wire } = readWireType(header.type, message)
  const found = bundled.get(wireKey(wire))
  if (found === undefined)
    throw new Refused('OFPBFC_MSG_UNSUP', 'message', `messages of type ${header.type} do not go into bundles`)
  return decodeWithin(found, message, xid)
}

function decodeWithin(found: Body, reader: ByteReader, xid: number): BundledMessage {
  try {
    const message = found.decode(reader, { version: VERSION, xid, more: false })
    if (reader.remaining > 0) throw new Refused('bad_request', '', `${reader.remaining} bytes too many`)
    return message as BundledMessage
  } catch (error) {
    throw error instanceof Refused ? error.within('message') : error
  }
}

const bundleAdd = body(
  'bundleAdd',
  onf(2301),
  (writer, { bundle, message, flags }, xid) => {
    const inner = spoken.get(message.type)
    if (inner === undefined) throw new RangeError(`OpenFlow 1.3 has no ${message.type}`)
    writer.u32(bundle)
    writer.zero(2)
    writer.u16(flagBits(flags))
    for (const part of inner.encode(message, xid)) writer.bytes(part)
  },
  (reader, { xid }) => {
    const bundle = reader.u32()
    reader.skip(2)
    const flags = readFlags(reader.u16())
    return { type: 'bundleAdd', bundle, message: readMessage(reader, xid), ...flags }
  },
)

export const BUNDLES: readonly Body[] = [control('bundleControl', 0), control('bundleControlReply', 1), bundleAdd]
