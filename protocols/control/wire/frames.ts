// Messages that carry frames.

import type { signalbox } from '../generated/control.js'
import type { HeldFrame, MessageOf, MessageType, PacketIn } from '../messages.ts'
import { actionsFromWire, actionsToWire, packetInReasons } from './actions.ts'
import type { Codecs } from './codecs.ts'
import { matchFromWire, matchToWire } from './match.ts'
import {
  bounded,
  copyOf,
  each,
  fromUint64,
  fromWide,
  isSet,
  toUint64,
  toWide,
  UINT16,
  UINT32,
  UINT8,
} from './values.ts'

type WirePacketIn = signalbox.control.PacketIn.$Properties
type WirePacketOut = signalbox.control.PacketOut.$Properties
type WireHeldFrame = signalbox.control.HeldFrame.$Properties

function packetInToWire(message: PacketIn, at: string): WirePacketIn {
  const wire: WirePacketIn = {
    reason: packetInReasons.number(message.reason, `${at}reason`),
    table: bounded(message.table, UINT8, `${at}table`),
    cookie: toUint64(message.cookie, `${at}cookie`),
    inPort: bounded(message.inPort, UINT32, `${at}inPort`),
    totalLength: bounded(message.totalLength, UINT32, `${at}totalLength`),
    match: matchToWire(message.match, `${at}match`),
    frame: message.frame,
  }
  if (message.controllerId !== undefined) wire.controllerId = bounded(message.controllerId, UINT16, `${at}controllerId`)
  if (message.userdata !== undefined) wire.userdata = message.userdata
  return wire
}

function packetInFromWire(wire: WirePacketIn, at: string): PacketIn {
  const message: PacketIn = {
    type: 'packetIn',
    reason: packetInReasons.word(wire.reason, `${at}reason`),
    table: bounded(wire.table, UINT8, `${at}table`),
    cookie: fromUint64(wire.cookie),
    inPort: wire.inPort ?? 0,
    totalLength: wire.totalLength ?? 0,
    match: matchFromWire(wire.match, `${at}match`),
    frame: copyOf(wire.frame),
  }
  if (isSet(wire.controllerId)) message.controllerId = bounded(wire.controllerId, UINT16, `${at}controllerId`)
  if (wire.userdata) message.userdata = copyOf(wire.userdata)
  return message
}

function packetOutToWire(message: MessageOf<'packetOut'>, at: string): WirePacketOut {
  const wire: WirePacketOut = {
    inPort: bounded(message.inPort, UINT32, `${at}inPort`),
    actions: actionsToWire(message.actions, `${at}actions`),
    frame: message.frame,
  }
  if (message.bufferId !== undefined) wire.bufferId = bounded(message.bufferId, UINT32, `${at}bufferId`)
  return wire
}

function packetOutFromWire(wire: WirePacketOut, at: string): MessageOf<'packetOut'> {
  const message: MessageOf<'packetOut'> = {
    type: 'packetOut',
    inPort: wire.inPort ?? 0,
    actions: actionsFromWire(wire.actions, `${at}actions`),
    frame: copyOf(wire.frame),
  }
  if (isSet(wire.bufferId)) message.bufferId = wire.bufferId
  return message
}

const heldFrameToWire = ({ id, bytes, origin, sequence }: HeldFrame, path: string): WireHeldFrame => ({
  id: toUint64(id, `${path}.id`),
  bytes,
  origin,
  sequence: toWide(sequence, `${path}.sequence`),
})

const heldFrameFromWire = (wire: WireHeldFrame, path: string): HeldFrame => ({
  id: fromUint64(wire.id),
  bytes: copyOf(wire.bytes),
  origin: wire.origin ?? '',
  sequence: fromWide(wire.sequence ?? 0, `${path}.sequence`),
})

export const FRAME_MESSAGES = {
  packetIn: { toWire: packetInToWire, fromWire: packetInFromWire },
  packetOut: { toWire: packetOutToWire, fromWire: packetOutFromWire },
  heldFramesRequest: {
    toWire: ({ port, after }, at) => ({ port, after: toWide(after, `${at}after`) }),
    fromWire: (wire, at) => ({
      type: 'heldFramesRequest',
      port: wire.port ?? '',
      after: fromWide(wire.after ?? 0, `${at}after`),
    }),
  },
  heldFramesReply: {
    toWire: ({ port, frames, overflowed, more }, at) => ({
      port,
      frames: each(frames, `${at}frames`, heldFrameToWire),
      overflowed: toWide(overflowed, `${at}overflowed`),
      more,
    }),
    fromWire: (wire, at) => ({
      type: 'heldFramesReply',
      port: wire.port ?? '',
      frames: each(wire.frames, `${at}frames`, heldFrameFromWire),
      overflowed: fromWide(wire.overflowed ?? 0, `${at}overflowed`),
      more: wire.more ?? false,
    }),
  },
  deliverFrames: {
    toWire: ({ port, frames, upTo }, at) => ({
      port,
      frames: each(frames, `${at}frames`, heldFrameToWire),
      upTo: toWide(upTo, `${at}upTo`),
    }),
    fromWire: (wire, at) => ({
      type: 'deliverFrames',
      port: wire.port ?? '',
      frames: each(wire.frames, `${at}frames`, heldFrameFromWire),
      upTo: fromWide(wire.upTo ?? 0, `${at}upTo`),
    }),
  },
  forgetFrames: {
    toWire: ({ port, upTo }, at) => ({ port, upTo: toWide(upTo, `${at}upTo`) }),
    fromWire: (wire, at) => ({
      type: 'forgetFrames',
      port: wire.port ?? '',
      upTo: fromWide(wire.upTo ?? 0, `${at}upTo`),
    }),
  },
} satisfies Partial<Codecs<MessageType>>
