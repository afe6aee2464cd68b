// What the two ends say about themselves and their conversation.

import { InvalidField } from '../../errors.ts'
import type { signalbox } from '../generated/control.js'
import type { AsyncConfig, ErrorCode, MessageOf, MessageType } from '../messages.ts'
import { ERROR_CODES, FRAGMENT_HANDLING, ROLES, ROLE_STATUS_REASONS } from '../messages.ts'
import { packetInReasons } from './actions.ts'
import type { Codecs } from './codecs.ts'
import { signal } from './codecs.ts'
import { removalReasons } from './flows.ts'
import { portReasons } from './ports.ts'
import { bounded, copyOf, fromUint64, required, toUint64, UINT16, UINT32, Vocabulary } from './values.ts'

type WireAsync = signalbox.control.AsyncConfig.$Properties
type WireAsyncs = signalbox.control.AsyncConfigs.$Properties

const fragmentHandling = new Vocabulary(FRAGMENT_HANDLING)
const roles = new Vocabulary(ROLES)
const roleStatusReasons = new Vocabulary(ROLE_STATUS_REASONS)
const packetInFormats = new Vocabulary(['openflow', 'nxt_packet_in', 'nxt_packet_in2'])

const echo = <T extends 'echoRequest' | 'echoReply'>(type: T) => ({
  toWire: ({ data }: { data: Uint8Array }) => ({ data }),
  fromWire: (wire: signalbox.control.Echo.$Properties) => ({ type, data: copyOf(wire.data) }),
})

const config = <T extends 'configReply' | 'setConfig'>(type: T) => ({
  toWire: ({ fragments, missSendLength }: MessageOf<'configReply' | 'setConfig'>, at: string) => ({
    fragments: fragmentHandling.number(fragments, `${at}fragments`),
    missSendLength: bounded(missSendLength, UINT16, `${at}missSendLength`),
  }),
  fromWire: (wire: signalbox.control.SwitchConfig.$Properties, at: string) => ({
    type,
    fragments: fragmentHandling.word(wire.fragments, `${at}fragments`),
    missSendLength: bounded(wire.missSendLength, UINT16, `${at}missSendLength`),
  }),
})

const role = <T extends 'roleRequest' | 'roleReply'>(type: T) => ({
  toWire: (message: MessageOf<'roleRequest' | 'roleReply'>, at: string) => ({
    role: roles.number(message.role, `${at}role`),
    generationId: toUint64(message.generationId, `${at}generationId`),
  }),
  fromWire: (wire: signalbox.control.Role.$Properties, at: string) => ({
    type,
    role: roles.word(wire.role, `${at}role`),
    generationId: fromUint64(wire.generationId),
  }),
})

const asyncToWire = (reasons: AsyncConfig, path: string): WireAsync => ({
  packetIn: reasons.packetIn.map((reason) => packetInReasons.number(reason, `${path}.packetIn`)),
  portStatus: reasons.portStatus.map((reason) => portReasons.number(reason, `${path}.portStatus`)),
  flowRemoved: reasons.flowRemoved.map((reason) => removalReasons.number(reason, `${path}.flowRemoved`)),
})

function asyncFromWire(given: WireAsync | null | undefined, path: string): AsyncConfig {
  const wire = required(given, path, 'reasons')
  return {
    packetIn: (wire.packetIn ?? []).map((reason) => packetInReasons.word(reason, `${path}.packetIn`)),
    portStatus: (wire.portStatus ?? []).map((reason) => portReasons.word(reason, `${path}.portStatus`)),
    flowRemoved: (wire.flowRemoved ?? []).map((reason) => removalReasons.word(reason, `${path}.flowRemoved`)),
  }
}

const asyncConfig = <T extends 'asyncConfigReply' | 'setAsyncConfig'>(type: T) => ({
  toWire: ({ primary, secondary }: MessageOf<'asyncConfigReply' | 'setAsyncConfig'>, at: string) => ({
    primary: asyncToWire(primary, `${at}primary`),
    secondary: asyncToWire(secondary, `${at}secondary`),
  }),
  fromWire: (wire: WireAsyncs, at: string) => ({
    type,
    primary: asyncFromWire(wire.primary, `${at}primary`),
    secondary: asyncFromWire(wire.secondary, `${at}secondary`),
  }),
})

function errorCodeFromWire(name: string, path: string): ErrorCode {
  if (!Object.hasOwn(ERROR_CODES, name))
    throw new InvalidField(path, `'${name}' is unknown`, 'a name of error-codes.ts')
  return name as ErrorCode
}

export const SESSION_MESSAGES = {
  hello: {
    toWire: ({ version, versions }, at) => ({
      version: bounded(version, UINT32, `${at}version`),
      versions: (versions ?? []).map((one) => bounded(one, UINT32, `${at}versions`)),
    }),
    fromWire: ({ version, versions }) => ({
      type: 'hello',
      version: version ?? 0,
      ...(versions && versions.length > 0 && { versions }),
    }),
  },
  error: {
    toWire: ({ code, field, message }) => ({ code, field, message }),
    fromWire: (wire, at) => ({
      type: 'error',
      code: errorCodeFromWire(wire.code ?? '', `${at}code`),
      field: wire.field ?? '',
      message: wire.message ?? '',
    }),
  },
  echoRequest: echo('echoRequest'),
  echoReply: echo('echoReply'),
  barrierRequest: signal('barrierRequest'),
  barrierReply: signal('barrierReply'),
  descriptionRequest: signal('descriptionRequest'),
  descriptionReply: {
    toWire: ({ type: _type, ...texts }) => texts,
    fromWire: (wire) => ({
      type: 'descriptionReply',
      manufacturer: wire.manufacturer ?? '',
      hardware: wire.hardware ?? '',
      software: wire.software ?? '',
      serial: wire.serial ?? '',
      datapath: wire.datapath ?? '',
    }),
  },
  configRequest: signal('configRequest'),
  configReply: config('configReply'),
  setConfig: config('setConfig'),
  roleRequest: role('roleRequest'),
  roleReply: role('roleReply'),
  roleStatus: {
    toWire: (message, at) => ({
      role: roles.number(message.role, `${at}role`),
      reason: roleStatusReasons.number(message.reason, `${at}reason`),
      generationId: toUint64(message.generationId, `${at}generationId`),
    }),
    fromWire: (wire, at) => ({
      type: 'roleStatus',
      role: roles.word(wire.role, `${at}role`),
      reason: roleStatusReasons.word(wire.reason, `${at}reason`),
      generationId: fromUint64(wire.generationId),
    }),
  },
  asyncConfigRequest: signal('asyncConfigRequest'),
  asyncConfigReply: asyncConfig('asyncConfigReply'),
  setAsyncConfig: asyncConfig('setAsyncConfig'),
  setPacketInFormat: {
    toWire: ({ format }, at) => ({ format: packetInFormats.number(format, `${at}format`) }),
    fromWire: (wire, at) => ({ type: 'setPacketInFormat', format: packetInFormats.word(wire.format, `${at}format`) }),
  },
  setControllerId: {
    toWire: ({ controllerId }, at) => ({ controllerId: bounded(controllerId, UINT16, `${at}controllerId`) }),
    fromWire: (wire, at) => ({
      type: 'setControllerId',
      controllerId: bounded(wire.controllerId, UINT16, `${at}controllerId`),
    }),
  },
} satisfies Partial<Codecs<MessageType>>
