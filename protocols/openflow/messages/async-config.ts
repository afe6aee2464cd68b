// What is sent unasked, by role: OpenFlow 1.3 §7.3.10, and Open vSwitch's two forms of it from before and after.
//
//   | packet-in: primary 32, secondary 32 | port status: the same | flow removed: the same |

import type { AsyncConfig, PacketInReason } from '../../control/messages.ts'
import { PACKET_IN_REASONS, REMOVAL_REASONS } from '../../control/messages.ts'
import type { Body } from '../body.ts'
import { body, emptyBody } from '../body.ts'
import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'
import type { WireType } from '../header.ts'
import { MessageCode, nicira } from '../header.ts'
import { readProperties } from '../properties.ts'
import { bitsOf, namesOf } from '../values.ts'
import { PORT_REASONS } from './port.ts'

/** Reasons that OpenFlow 1.3 has: of the later ones a packet-in says `action`, and so they come and go with it. */
const SPOKEN = PACKET_IN_REASONS.slice(0, 3)
const AS_ACTION = PACKET_IN_REASONS.slice(3)

function packetInReasons(bits: number): PacketInReason[] {
  const reasons = namesOf(bits, SPOKEN)
  return reasons.includes('action') ? [...reasons, ...AS_ACTION] : reasons
}

type Roles = Record<'primary' | 'secondary', AsyncConfig>

function writeMasks(writer: ByteWriter, { primary, secondary }: Roles): void {
  for (const config of [primary, secondary]) writer.u32(bitsOf(config.packetIn, SPOKEN))
  for (const config of [primary, secondary]) writer.u32(bitsOf(config.portStatus, PORT_REASONS))
  for (const config of [primary, secondary]) writer.u32(bitsOf(config.flowRemoved, REMOVAL_REASONS))
}

/** By kind of message and then by role, primary first. */
type Masks = [number, number, number, number, number, number]

const configs = ([packetIn0, packetIn1, port0, port1, flow0, flow1]: Masks): Roles => ({
  primary: configOf(packetIn0, port0, flow0),
  secondary: configOf(packetIn1, port1, flow1),
})

const configOf = (packetIn: number, portStatus: number, flowRemoved: number): AsyncConfig => ({
  packetIn: packetInReasons(packetIn),
  portStatus: namesOf(portStatus, PORT_REASONS),
  flowRemoved: namesOf(flowRemoved, REMOVAL_REASONS),
})

const readMasks = (reader: ByteReader): Masks => [
  reader.u32(),
  reader.u32(),
  reader.u32(),
  reader.u32(),
  reader.u32(),
  reader.u32(),
]

/** What is sent where nobody has said otherwise: all to a primary but expired TTLs, and of ports to a secondary. */
const DEFAULTS: Masks = [0b011, 0, 0b111, 0b111, 0b1111, 0]

/** OpenFlow 1.4's properties, secondary before primary; those that are absent stand for the default. */
function readMaskProperties(reader: ByteReader): Masks {
  const masks: Masks = [...DEFAULTS]
  for (const { type, value } of readProperties(reader)) if (type < masks.length) masks[type ^ 1] = value.u32()
  return masks
}

const config = (type: 'asyncConfigReply' | 'setAsyncConfig', wire: WireType, read = readMasks): Body =>
  body(type, wire, writeMasks, (reader) => ({ type, ...configs(read(reader)) }))

export const ASYNC_CONFIG: readonly Body[] = [
  emptyBody('asyncConfigRequest', { message: MessageCode.AsyncConfigRequest }, { type: 'asyncConfigRequest' }),
  config('asyncConfigReply', { message: MessageCode.AsyncConfigReply }),
  config('setAsyncConfig', { message: MessageCode.SetAsyncConfig }),
]

/** NXT_SET_ASYNC_CONFIG and NXT_SET_ASYNC_CONFIG2: understood, not spoken. */
export const NICIRA_ASYNC_CONFIG: readonly Body[] = [
  config('setAsyncConfig', nicira(19)),
  config('setAsyncConfig', nicira(27), readMaskProperties),
]
