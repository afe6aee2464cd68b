// Connection tracking and address translation: lib/ofp-actions.c, NXAST_CT, NXAST_NAT and NXAST_CT_CLEAR.

import type { Action, CtAction, NatAction, Subfield } from '../../control/actions.ts'
import { Refused } from '../../control/refused.ts'
import { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'
import type { ActionDecoder, ActionEncoders, DecodeNested, EncodingState } from './action-codec.ts'
import { nicira, orLonger, putNicira } from './action-codec.ts'
import { packRange, rangeBits, rangeOffset, readShortHeader, sourceOf, writeShortHeader } from './subfields.ts'

const CT = 35
const NAT = 36
const CT_CLEAR = 43

/** NX_CT_F_*. */
const CtFlag = { Commit: 1, Force: 2 } as const
/** NX_CT_RECIRC_NONE. */
const NO_TABLE = 0xff
const ZONE_BITS = 16

/** NX_NAT_F_*. */
const NatFlag = { Source: 1, Destination: 2, Persistent: 4, Hash: 8, Random: 16 } as const
/** NX_NAT_RANGE_*: what follows, in this order. */
const Range = { Ipv4First: 1, Ipv4Last: 2, Ipv6First: 4, Ipv6Last: 8, PortFirst: 16, PortLast: 32 } as const

export const connectionDecoders: readonly ActionDecoder[] = [
  orLonger(nicira(CT, 24, decodeCt)),
  orLonger(nicira(NAT, 16, decodeNat)),
  nicira(CT_CLEAR, 16, () => ({ type: 'ct_clear' })),
]

export const connectionEncoders: ActionEncoders<'ct' | 'nat' | 'ct_clear'> = {
  ct: encodeCt,
  nat: encodeNat,
  ct_clear: (writer) => putNicira(writer, CT_CLEAR),
}

const badArgument = (problem: string) => new Refused('OFPBAC_BAD_ARGUMENT', '', problem)

// ---- ct ------------------------------------------------------------------------------------------------------------

function decodeCt(body: ByteReader, nested: DecodeNested): Action {
  const flags = body.u16()
  const zoneSource = body.bytes(4)
  const zoneValue = body.u16()
  const table = body.u8()
  body.skip(3)
  const alg = body.u16()
  return {
    type: 'ct',
    commit: (flags & CtFlag.Commit) !== 0,
    force: (flags & CtFlag.Force) !== 0,
    zone: decodeZone(zoneSource, zoneValue),
    ...(table !== NO_TABLE && { table }),
    alg,
    actions: nested(body),
  }
}

/** A constant where no field is named. */
function decodeZone(header: Uint8Array, value: number): number | Subfield {
  if (header.every((byte) => byte === 0)) return value
  const zone = sourceOf(readShortHeader(new ByteReader(header)), rangeOffset(value), rangeBits(value))
  if (zone.bits !== ZONE_BITS) throw new Refused('OFPBAC_BAD_SET_LEN', 'zone', `a zone has ${ZONE_BITS} bits`)
  return zone
}

function encodeCt(writer: ByteWriter, action: CtAction, state: EncodingState): void {
  const { zone } = action
  putNicira(writer, CT, () => {
    writer.u16((action.commit ? CtFlag.Commit : 0) | (action.force ? CtFlag.Force : 0))
    if (typeof zone === 'number') writer.u32(0)
    else writeShortHeader(writer, zone)
    writer.u16(typeof zone === 'number' ? zone : packRange(zone))
    writer.u8(action.table ?? NO_TABLE)
    writer.zero(3)
    writer.u16(action.alg)
    state.encodeNested(writer, action.actions)
  })
}

// ---- nat -----------------------------------------------------------------------------------------------------------

function decodeNat(body: ByteReader): Action {
  body.skip(2)
  const flags = body.u16()
  const present = body.u16()
  const unknown = flags & ~(NatFlag.Source | NatFlag.Destination | NatFlag.Persistent | NatFlag.Hash | NatFlag.Random)
  const both = (one: number, other: number) => (flags & one) !== 0 && (flags & other) !== 0
  if (unknown !== 0 || both(NatFlag.Source, NatFlag.Destination) || both(NatFlag.Hash, NatFlag.Random))
    throw badArgument(`nat with flags 0x${flags.toString(16)}`)
  const range = body.sub(body.remaining, 'OFPBAC_BAD_ARGUMENT')
  const addresses = decodeAddresses(range, present)
  const ports = decodePorts(range, present)
  if (ports !== undefined && addresses === undefined) throw badArgument('nat with ports and no address')
  const { Source, Destination, Persistent, Hash, Random } = NatFlag
  return {
    type: 'nat',
    ...((flags & Source) !== 0 && { direction: 'src' }),
    ...((flags & Destination) !== 0 && { direction: 'dst' }),
    ...(addresses !== undefined && { addresses }),
    ...(ports !== undefined && { ports }),
    ...((flags & Persistent) !== 0 && { persistent: true }),
    ...((flags & Hash) !== 0 && { algorithm: 'hash' }),
    ...((flags & Random) !== 0 && { algorithm: 'random' }),
  }
}

function decodeAddresses(range: ByteReader, present: number): NatAction['addresses'] {
  const ipv4 = decodeRange(range, present, Range.Ipv4First, Range.Ipv4Last, 4)
  const ipv6 = decodeRange(range, present, Range.Ipv6First, Range.Ipv6Last, 16)
  if (ipv4 !== undefined && ipv6 !== undefined) throw badArgument('nat with addresses of two families')
  if (ipv4 !== undefined) return { family: 4, ...ipv4 }
  return ipv6 === undefined ? undefined : { family: 6, ...ipv6 }
}

function decodePorts(range: ByteReader, present: number): NatAction['ports'] {
  const ports = decodeRange(range, present, Range.PortFirst, Range.PortLast, 2)
  return ports === undefined ? undefined : { first: Number(ports.first), last: Number(ports.last) }
}

interface NumberRange {
  first: bigint
  last: bigint
}

/** From a first number, never 0, to a last one, which is the same where it does not follow. */
function decodeRange(
  range: ByteReader,
  present: number,
  firstBit: number,
  lastBit: number,
  size: number,
): NumberRange | undefined {
  const hasLast = (present & lastBit) !== 0
  if ((present & firstBit) === 0) {
    if (hasLast) throw badArgument('a range with an end and no start')
    return undefined
  }
  const first = range.big(size)
  const last = hasLast ? range.big(size) : first
  if (first === 0n || last < first) throw badArgument('a range that starts at 0, or ends before it starts')
  return { first, last }
}

function encodeNat(writer: ByteWriter, { direction, addresses, ports, persistent, algorithm }: NatAction): void {
  const flags =
    (direction === 'src' ? NatFlag.Source : 0) |
    (direction === 'dst' ? NatFlag.Destination : 0) |
    (persistent === true ? NatFlag.Persistent : 0) |
    (algorithm === 'hash' ? NatFlag.Hash : 0) |
    (algorithm === 'random' ? NatFlag.Random : 0)
  putNicira(writer, NAT, () => {
    writer.zero(2)
    writer.u16(flags)
    const presentAt = writer.length
    writer.u16(0)
    let present = 0
    const put = ({ first, last }: NumberRange, firstBit: number, lastBit: number, size: number) => {
      present |= firstBit
      writer.big(first, size)
      if (last === first) return
      present |= lastBit
      writer.big(last, size)
    }
    if (addresses?.family === 4) put(addresses, Range.Ipv4First, Range.Ipv4Last, 4)
    if (addresses?.family === 6) put(addresses, Range.Ipv6First, Range.Ipv6Last, 16)
    if (ports !== undefined)
      put({ first: BigInt(ports.first), last: BigInt(ports.last) }, Range.PortFirst, Range.PortLast, 2)
    writer.setU16(presentAt, present)
  })
}
