// Actions that send a frame, and those that choose where: ports, groups, queues, the controllers, samples.

import type { Action, ControllerAction, SampleAction } from '../../control/actions.ts'
import { PACKET_IN_REASONS } from '../../control/actions.ts'
import { ReservedPort } from '../../control/ports.ts'
import { Refused } from '../../control/refused.ts'
import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'
import { portFromWire16, portTakesFrames, portToWire16 } from '../../port-numbers.ts'
import { readProperties, writeProperty } from '../properties.ts'
import type { ActionDecoder, ActionEncoders } from './action-codec.ts'
import { nicira, orLonger, putNicira, putStandard, standard } from './action-codec.ts'
import {
  fieldsOf,
  packRange,
  rangeBits,
  rangeOffset,
  readLongHeader,
  readShortHeader,
  sourceOf,
  writeShortHeader,
} from './subfields.ts'

const OUTPUT = 0
const SET_QUEUE = 21
const GROUP = 22

const Subtype = {
  PopQueue: 5,
  OutputReg: 15,
  Controller: 20,
  Sample: 29,
  OutputReg2: 32,
  Controller2: 37,
  Sample2: 38,
  OutputTrunc: 39,
  Sample3: 41,
} as const

/** NXAC2PT_*. */
const Property = { MaxLength: 0, ControllerId: 1, Reason: 2, Userdata: 3, Pause: 4, Meter: 5 } as const

/** NX_CTLR_NO_METER. */
const NO_METER = 0
const ALL_OF_IT = 0xffff
const ETHERNET_HEADER = 14
const NO_PORT_16 = 0xffff

const DIRECTIONS = [undefined, 'ingress', 'egress'] as const

const badArgument = (problem: string) => new Refused('OFPBAC_BAD_ARGUMENT', '', problem)

const mustBeZero = () => new Refused('NXBRC_MUST_BE_ZERO', '', 'padding is not zero')

export const outputDecoders: readonly ActionDecoder[] = [
  standard(OUTPUT, 16, decodeOutput),
  standard(SET_QUEUE, 8, (body) => ({ type: 'set_queue', queue: body.u32() })),
  standard(GROUP, 8, (body) => ({ type: 'group', group: body.u32() })),
  nicira(Subtype.PopQueue, 16, () => ({ type: 'pop_queue' })),
  nicira(Subtype.OutputReg, 24, decodeOutputReg),
  nicira(Subtype.OutputReg2, 24, decodeOutputReg2),
  nicira(Subtype.OutputTrunc, 16, decodeOutputTrunc),
  nicira(Subtype.Controller, 16, decodeController),
  orLonger(nicira(Subtype.Controller2, 16, decodeController2)),
  nicira(Subtype.Sample, 24, (body) => sampleOf(body)),
  nicira(Subtype.Sample2, 32, (body) => ({ ...sampleOf(body), ...samplingPortOf(body) })),
  nicira(Subtype.Sample3, 32, decodeSample3),
]

export const outputEncoders: ActionEncoders<
  'output' | 'controller' | 'set_queue' | 'pop_queue' | 'group' | 'output_reg' | 'output_trunc' | 'sample'
> = {
  output: (writer, { port }) => putOutput(writer, port, port === ReservedPort.Controller ? ALL_OF_IT : 0),
  controller: encodeController,
  set_queue: (writer, { queue }) => putStandard(writer, SET_QUEUE, () => writer.u32(queue)),
  pop_queue: (writer) => putNicira(writer, Subtype.PopQueue),
  group: (writer, { group }) => putStandard(writer, GROUP, () => writer.u32(group)),
  output_reg: encodeOutputReg,
  output_trunc: (writer, { port, maxLength }) =>
    putNicira(writer, Subtype.OutputTrunc, () => {
      writer.u16(portToWire16(port))
      writer.u32(maxLength)
    }),
  sample: encodeSample,
}

// ---- ports ---------------------------------------------------------------------------------------------------------

function decodeOutput(body: ByteReader): Action {
  const port = body.u32()
  const maxLength = body.u16()
  if (!portTakesFrames(port)) throw new Refused('OFPBAC_BAD_OUT_PORT', 'port', `port ${port} takes no frames`)
  return port === ReservedPort.Controller ? { type: 'controller', maxLength } : { type: 'output', port }
}

function putOutput(writer: ByteWriter, port: number, maxLength: number): void {
  putStandard(writer, OUTPUT, () => {
    writer.u32(port)
    writer.u16(maxLength)
  })
}

function decodeOutputReg(body: ByteReader): Action {
  const packed = body.u16()
  const header = body.sub(4)
  const maxLength = body.u16()
  if (!body.endsInZeros()) throw badArgument('padding is not zero')
  return {
    type: 'output_reg',
    from: sourceOf(readShortHeader(header), rangeOffset(packed), rangeBits(packed)),
    maxLength,
  }
}

/** The same with room for a header of 64 bits. */
function decodeOutputReg2(body: ByteReader): Action {
  const packed = body.u16()
  const maxLength = body.u16()
  const fields = fieldsOf(body)
  const wire = readLongHeader(fields)
  if (!fields.endsInZeros()) throw mustBeZero()
  return { type: 'output_reg', from: sourceOf(wire, rangeOffset(packed), rangeBits(packed)), maxLength }
}

function encodeOutputReg(writer: ByteWriter, { from, maxLength }: Extract<Action, { type: 'output_reg' }>): void {
  putNicira(writer, Subtype.OutputReg, () => {
    writer.u16(packRange(from))
    writeShortHeader(writer, from)
    writer.u16(maxLength)
    writer.zero(6)
  })
}

function decodeOutputTrunc(body: ByteReader): Action {
  const port = portFromWire16(body.u16())
  const maxLength = body.u32()
  if (maxLength < ETHERNET_HEADER) throw badArgument(`a frame can not be cut to ${maxLength} bytes`)
  return { type: 'output_trunc', port, maxLength }
}

// ---- controllers ---------------------------------------------------------------------------------------------------

interface ToController {
  maxLength: number
  controllerId: number
  reason: number
  userdata: Uint8Array
  meter: number
}

const REASON_ACTION = PACKET_IN_REASONS.indexOf('action')

/** What has OpenFlow's default is left out. */
function controllerOf(said: ToController): ControllerAction {
  const reason = PACKET_IN_REASONS[said.reason]
  if (reason === undefined) throw badArgument(`no packet goes up for reason ${said.reason}`)
  return {
    type: 'controller',
    maxLength: said.maxLength,
    ...(said.controllerId !== 0 && { controllerId: said.controllerId }),
    ...(reason !== 'action' && { reason }),
    ...(said.userdata.length > 0 && { userdata: said.userdata }),
    ...(said.meter !== NO_METER && { meter: said.meter }),
  }
}

const DEFAULTS: ToController = {
  maxLength: ALL_OF_IT,
  controllerId: 0,
  reason: REASON_ACTION,
  userdata: new Uint8Array(),
  meter: NO_METER,
}

function decodeController(body: ByteReader): Action {
  return controllerOf({ ...DEFAULTS, maxLength: body.u16(), controllerId: body.u16(), reason: body.u8() })
}

function decodeController2(body: ByteReader): Action {
  if (!body.sub(6).endsInZeros()) throw mustBeZero()
  const said = { ...DEFAULTS }
  for (const { type, value } of readProperties(body, 'OFPTFFC_BAD_LEN')) {
    if (type === Property.MaxLength) said.maxLength = value.u16()
    else if (type === Property.ControllerId) said.controllerId = value.u16()
    else if (type === Property.Reason) said.reason = value.u8()
    else if (type === Property.Userdata) said.userdata = value.bytes(value.remaining).slice()
    else if (type === Property.Meter) said.meter = value.u32()
    else
      throw new Refused(
        'OFPTFFC_BAD_TYPE',
        '',
        type === Property.Pause ? 'no packet can be paused' : `unknown property ${type}`,
      )
  }
  return controllerOf(said)
}

/** The plainest form that can say it. */
function encodeController(writer: ByteWriter, action: ControllerAction): void {
  const { maxLength, userdata } = action
  const meter = action.meter ?? NO_METER
  const controllerId = action.controllerId ?? 0
  const reason = action.reason === undefined ? REASON_ACTION : PACKET_IN_REASONS.indexOf(action.reason)
  if ((userdata !== undefined && userdata.length > 0) || meter !== NO_METER) {
    putController2(writer, { maxLength, controllerId, reason, userdata: userdata ?? DEFAULTS.userdata, meter })
    return
  }
  if (controllerId === 0 && reason === REASON_ACTION) return putOutput(writer, ReservedPort.Controller, maxLength)
  putNicira(writer, Subtype.Controller, () => {
    writer.u16(maxLength)
    writer.u16(controllerId)
    writer.u8(reason)
  })
}

function putController2(writer: ByteWriter, said: ToController): void {
  putNicira(writer, Subtype.Controller2, () => {
    writer.zero(6)
    if (said.maxLength !== ALL_OF_IT) writeProperty(writer, Property.MaxLength, () => writer.u16(said.maxLength))
    if (said.controllerId !== 0) writeProperty(writer, Property.ControllerId, () => writer.u16(said.controllerId))
    if (said.reason !== REASON_ACTION) writeProperty(writer, Property.Reason, () => writer.u8(said.reason))
    if (said.userdata.length > 0) writeProperty(writer, Property.Userdata, () => writer.bytes(said.userdata))
    if (said.meter !== NO_METER) writeProperty(writer, Property.Meter, () => writer.u32(said.meter))
  })
}

// ---- samples -------------------------------------------------------------------------------------------------------

function sampleOf(body: ByteReader): SampleAction {
  const probability = body.u16()
  if (probability === 0) throw badArgument('a sample that takes no frame')
  return {
    type: 'sample',
    probability,
    collectorSet: body.u32(),
    observationDomain: body.u32(),
    observationPoint: body.u32(),
  }
}

function samplingPortOf(body: ByteReader): { samplingPort?: number } {
  const port = body.u16()
  return port === NO_PORT_16 ? {} : { samplingPort: portFromWire16(port) }
}

function decodeSample3(body: ByteReader): Action {
  const sample = { ...sampleOf(body), ...samplingPortOf(body) }
  const number = body.u8()
  if (!body.endsInZeros()) throw mustBeZero()
  if (number >= DIRECTIONS.length) throw badArgument(`unknown direction ${number}`)
  const direction = DIRECTIONS[number]
  return direction === undefined ? sample : { ...sample, direction }
}

function encodeSample(writer: ByteWriter, action: SampleAction): void {
  const { samplingPort, direction } = action
  const subtype =
    direction !== undefined ? Subtype.Sample3 : samplingPort !== undefined ? Subtype.Sample2 : Subtype.Sample
  putNicira(writer, subtype, () => {
    writer.u16(action.probability)
    writer.u32(action.collectorSet)
    writer.u32(action.observationDomain)
    writer.u32(action.observationPoint)
    if (subtype === Subtype.Sample) return
    writer.u16(samplingPort === undefined ? NO_PORT_16 : portToWire16(samplingPort))
    writer.u8(DIRECTIONS.indexOf(direction))
    writer.zero(5)
  })
}
