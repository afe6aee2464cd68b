// Bundles, and the messages that may be in one.

import type { Writer } from 'protobufjs/minimal.js'
import { InvalidField } from '../../errors.ts'
import { signalbox } from '../generated/control.js'
import type { BundledMessage, BundleFlags, MessageOf, MessageType } from '../messages.ts'
import type { Codecs } from './codecs.ts'
import { FLOW_MESSAGES } from './flows.ts'
import { FRAME_MESSAGES } from './frames.ts'
import { GROUP_MESSAGES } from './groups.ts'
import { METER_MESSAGES } from './meters.ts'
import { PORT_MESSAGES } from './ports.ts'
import { bounded, isSet, UINT32, Vocabulary } from './values.ts'
import { once } from '../../../runtime/once.ts'

type WireControl = signalbox.control.BundleControl.$Properties
type WireAdd = signalbox.control.BundleAdd.$Properties
type WireFlags = signalbox.control.BundleFlags.$Properties

const commands = new Vocabulary(['open', 'close', 'commit', 'discard'])

const BUNDLED: Codecs<BundledMessage['type']> = {
  flowMod: FLOW_MESSAGES.flowMod,
  groupMod: GROUP_MESSAGES.groupMod,
  meterMod: METER_MESSAGES.meterMod,
  portMod: PORT_MESSAGES.portMod,
  portFlagsMod: PORT_MESSAGES.portFlagsMod,
  packetOut: FRAME_MESSAGES.packetOut,
}
const BUNDLED_TYPES = Object.keys(BUNDLED) as BundledMessage['type'][]

interface AnyCodec {
  toWire(message: never, at: string): object
  fromWire(wire: never, at: string): BundledMessage
}

const codecOf = (type: BundledMessage['type']): AnyCodec => BUNDLED[type]

/** A message on the wire is its fields one after the other, so the bundle's number can be put in front afterwards. */
export function encodeBundleAdd({ bundle, message, flags }: MessageOf<'bundleAdd'>, writer: Writer): Writer {
  const head: WireAdd = { bundle: bounded(bundle, UINT32, 'bundle') }
  if (flags !== undefined) head.flags = flags
  return signalbox.control.BundleAdd.encode(head, writer).raw(encodeBundled(message))
}

/** Most of what is bundled goes to many switches, so it is encoded once. */
const encodeBundled = once((message: BundledMessage): Uint8Array => {
  const wire: WireAdd = { [message.type]: codecOf(message.type).toWire(message as never, 'message.') }
  return signalbox.control.BundleAdd.encode(wire).finish()
})

export function bundleAddFromWire(wire: WireAdd): MessageOf<'bundleAdd'> {
  const type = BUNDLED_TYPES.find((candidate) => isSet(wire[candidate]))
  if (type === undefined)
    throw new InvalidField('message', 'is empty or of an unknown kind', `one of ${BUNDLED_TYPES.join(', ')}`)
  return {
    type: 'bundleAdd',
    bundle: wire.bundle ?? 0,
    message: codecOf(type).fromWire(wire[type] as never, 'message.'),
    ...flagsFromWire(wire.flags),
  }
}

function flagsFromWire(wire: WireFlags | null | undefined): { flags?: BundleFlags } {
  if (!wire) return {}
  const { atomic, ordered } = wire
  return { flags: { ...(isSet(atomic) && { atomic }), ...(isSet(ordered) && { ordered }) } }
}

const control = <T extends 'bundleControl' | 'bundleControlReply'>(type: T) => ({
  toWire({ bundle, command, flags }: MessageOf<'bundleControl' | 'bundleControlReply'>, at: string): WireControl {
    const wire: WireControl = {
      bundle: bounded(bundle, UINT32, `${at}bundle`),
      command: commands.number(command, `${at}command`),
    }
    if (flags !== undefined) wire.flags = flags
    return wire
  },
  fromWire: (wire: WireControl, at: string) => ({
    type,
    bundle: wire.bundle ?? 0,
    command: commands.word(wire.command, `${at}command`),
    ...flagsFromWire(wire.flags),
  }),
})

export const BUNDLE_MESSAGES = {
  bundleControl: control('bundleControl'),
  bundleControlReply: control('bundleControlReply'),
} satisfies Partial<Codecs<MessageType>>
