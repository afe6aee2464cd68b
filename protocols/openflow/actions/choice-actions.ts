// Actions that choose by hash: multipath and bundle (ovs-actions(7); lib/ofp-actions.c, NXAST_MULTIPATH and NXAST_BUNDLE).

import type { Action, BundleAction, HashFields, MultipathAction, Subfield } from '../../control/actions.ts'
import { HASH_FIELDS } from '../../control/actions.ts'
import { ReservedPort } from '../../control/ports.ts'
import { Refused } from '../../control/refused.ts'
import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'
import { portFromWire16, portTakesFrames, portToWire16 } from '../../port-numbers.ts'
import type { ActionDecoder, ActionEncoders } from './action-codec.ts'
import { nicira, orLonger, putNicira } from './action-codec.ts'
import { packRange, rangeBits, rangeOffset, readShortHeader, targetOf, writeShortHeader } from './subfields.ts'

const MULTIPATH = 10
const BUNDLE = 12
const BUNDLE_LOAD = 13

/** NX_MP_ALG_*, in order. */
const MULTIPATH_ALGORITHMS = ['modulo_n', 'hash_threshold', 'hrw', 'iter_hash'] as const
/** NX_BD_ALG_*, in order. */
const BUNDLE_ALGORITHMS = ['active_backup', 'hrw'] as const

/** The header of NXM_OF_IN_PORT. */
const MEMBER_TYPE = 0x00000002
const MAX_MEMBERS = 2048
/** Where a bundle_load writes must have room for a port's number. */
const PORT_BITS = 16

export const choiceDecoders: readonly ActionDecoder[] = [
  nicira(MULTIPATH, 32, decodeMultipath),
  orLonger(nicira(BUNDLE, 32, (body) => decodeBundle(body, false))),
  orLonger(nicira(BUNDLE_LOAD, 32, (body) => decodeBundle(body, true))),
]

export const choiceEncoders: ActionEncoders<'multipath' | 'bundle'> = {
  multipath: encodeMultipath,
  bundle: encodeBundle,
}

const badArgument = (problem: string) => new Refused('OFPBAC_BAD_ARGUMENT', '', problem)

function hashFields(number: number): HashFields {
  const fields = HASH_FIELDS[number]
  if (fields === undefined) throw badArgument(`no fields to hash have number ${number}`)
  return fields
}

function decodeMultipath(body: ByteReader): Action {
  const fieldsNumber = body.u16()
  const basis = body.u16()
  body.skip(2)
  const algorithm = MULTIPATH_ALGORITHMS[body.u16()]
  const links = body.u16() + 1
  const argument = body.u32()
  body.skip(2)
  const packed = body.u16()
  const wire = readShortHeader(body)
  const fields = hashFields(fieldsNumber)
  if (algorithm === undefined) throw badArgument('unknown algorithm')
  if (2 ** rangeBits(packed) < links) throw badArgument(`${rangeBits(packed)} bits can not tell ${links} links apart`)
  const to = targetOf(wire, rangeOffset(packed), rangeBits(packed))
  return { type: 'multipath', fields, basis, algorithm, links, argument, to }
}

function encodeMultipath(writer: ByteWriter, action: MultipathAction): void {
  putNicira(writer, MULTIPATH, () => {
    writer.u16(HASH_FIELDS.indexOf(action.fields))
    writer.u16(action.basis)
    writer.u16(0)
    writer.u16(MULTIPATH_ALGORITHMS.indexOf(action.algorithm))
    writer.u16(action.links - 1)
    writer.u32(action.argument)
    writer.u16(0)
    writer.u16(packRange(action.to))
    writeShortHeader(writer, action.to)
  })
}

function decodeBundle(body: ByteReader, load: boolean): Action {
  const algorithm = BUNDLE_ALGORITHMS[body.u16()]
  const fieldsNumber = body.u16()
  const basis = body.u16()
  const memberType = body.u32()
  const count = body.u16()
  const packed = body.u16()
  const target = body.sub(4)
  const zero = body.u32()
  const ports = body.sub(2 * count)
  if (count > MAX_MEMBERS) throw badArgument(`${count} members; expected ${MAX_MEMBERS} at most`)
  if (algorithm === undefined) throw badArgument('unknown algorithm')
  if (memberType !== MEMBER_TYPE) throw badArgument('members are ports')
  if (zero !== 0 || (!load && (packed !== 0 || !target.endsInZeros()))) throw badArgument('reserved bytes are not zero')
  const bundle = { type: 'bundle', fields: hashFields(fieldsNumber), basis, algorithm } as const
  const to = load ? decodePortTarget(target, packed) : undefined
  const members = Array.from({ length: count }, () => memberOf(ports))
  return to === undefined ? { ...bundle, members } : { ...bundle, members, to }
}

function decodePortTarget(target: ByteReader, packed: number): Subfield {
  const wire = readShortHeader(target)
  if (rangeBits(packed) < PORT_BITS) throw badArgument(`a port's number takes ${PORT_BITS} bits`)
  return targetOf(wire, rangeOffset(packed), rangeBits(packed))
}

/** The number for no port stands for a member that is always live. */
function memberOf(body: ByteReader): number {
  const port = portFromWire16(body.u16())
  if (port === ReservedPort.Controller || (port !== ReservedPort.Any && !portTakesFrames(port)))
    throw new Refused('OFPBAC_BAD_OUT_PORT', 'members', `port ${port} can not be a member`)
  return port
}

function encodeBundle(writer: ByteWriter, action: BundleAction): void {
  const { to, members } = action
  putNicira(writer, to === undefined ? BUNDLE : BUNDLE_LOAD, () => {
    writer.u16(BUNDLE_ALGORITHMS.indexOf(action.algorithm))
    writer.u16(HASH_FIELDS.indexOf(action.fields))
    writer.u16(action.basis)
    writer.u32(MEMBER_TYPE)
    writer.u16(members.length)
    writer.u16(to === undefined ? 0 : packRange(to))
    if (to === undefined) writer.u32(0)
    else writeShortHeader(writer, to)
    writer.zero(4)
    for (const member of members) writer.u16(portToWire16(member))
  })
}
