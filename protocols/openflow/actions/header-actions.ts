// Actions on a frame's headers: tags, labels, TTLs, encapsulation.

import type { Action } from '../../control/actions.ts'
import { Refused } from '../../control/refused.ts'
import { EtherType } from '../../match.ts'
import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'
import type { ActionDecoder, ActionEncoders, EncodingState } from './action-codec.ts'
import { nicira, orLonger, putNicira, putStandard, standard } from './action-codec.ts'
import { encodeSetField } from './field-actions.ts'

/** OFPAT_*. Those up to 14, but for the TTL's, are OpenFlow 1.1's, which Open vSwitch still takes for a set_field. */
const Type = {
  SetVlanVid: 1,
  SetVlanPcp: 2,
  SetEthernetSource: 3,
  SetEthernetDestination: 4,
  SetIpv4Source: 5,
  SetIpv4Destination: 6,
  SetTrafficClass: 7,
  SetEcn: 8,
  CopyTtlOut: 11,
  CopyTtlIn: 12,
  SetMplsLabel: 13,
  SetMplsTrafficClass: 14,
  SetMplsTtl: 15,
  DecrementMplsTtl: 16,
  PushVlan: 17,
  PopVlan: 18,
  PushMpls: 19,
  PopMpls: 20,
  SetTtl: 23,
  DecrementTtl: 24,
  PushPbb: 26,
  PopPbb: 27,
} as const

const DEC_TTL_CNT_IDS = 21
const ENCAP = 46
const DECAP = 47

const PRESENT = 0x1000

/** Packet types, namespace in the high half: Ethernet, and by Ethernet type (OpenFlow 1.5 §7.2.3.11). */
const PACKET_TYPES = { ethernet: 0x00000000, mpls: 0x00018847, mpls_mc: 0x00018848 } as const
/** PT_USE_NEXT_PROTO: what the header that goes says of the next. */
const NEXT_PROTOCOL = 0x0000fffe

const badArgument = (problem: string) => new Refused('OFPBAC_BAD_ARGUMENT', '', problem)

function oneOf(allowed: readonly number[], etherType: number): number {
  if (!allowed.includes(etherType)) throw badArgument(`Ethernet type 0x${etherType.toString(16)} can not be pushed`)
  return etherType
}

function atMost(most: number, value: number): bigint {
  if (value > most) throw badArgument(`${value} is more than ${most}`)
  return BigInt(value)
}

const VLAN_TYPES = [EtherType.Vlan, EtherType.ProviderVlan]
const MPLS_TYPES = [EtherType.Mpls, EtherType.MplsMulticast]

const bare = (number: number, action: Action): ActionDecoder => standard(number, 8, () => action)

const setAddress = (number: number, field: 'eth_src' | 'eth_dst'): ActionDecoder =>
  standard(number, 16, (body) => ({ type: 'set_field', field, value: body.big(6) }))

const legacySets: readonly ActionDecoder[] = [
  standard(Type.SetVlanVid, 8, (body) => ({
    type: 'set_field',
    field: 'vlan_vid',
    value: atMost(0xfff, body.u16()) | BigInt(PRESENT),
  })),
  standard(Type.SetVlanPcp, 8, (body) => ({ type: 'set_field', field: 'vlan_pcp', value: atMost(7, body.u8()) })),
  setAddress(Type.SetEthernetSource, 'eth_src'),
  setAddress(Type.SetEthernetDestination, 'eth_dst'),
  standard(Type.SetIpv4Source, 8, (body) => ({ type: 'set_field', field: 'nw_src', value: body.big(4) })),
  standard(Type.SetIpv4Destination, 8, (body) => ({ type: 'set_field', field: 'nw_dst', value: body.big(4) })),
  standard(Type.SetTrafficClass, 8, (body) => {
    const octet = body.u8()
    if ((octet & 3) !== 0) throw badArgument('the ECN is no part of the DSCP')
    return { type: 'set_field', field: 'ip_dscp', value: BigInt(octet >> 2) }
  }),
  standard(Type.SetEcn, 8, (body) => ({ type: 'set_field', field: 'nw_ecn', value: atMost(3, body.u8()) })),
  standard(Type.SetMplsLabel, 8, (body) => ({
    type: 'set_field',
    field: 'mpls_label',
    value: atMost(0xfffff, body.u32()),
  })),
  standard(Type.SetMplsTrafficClass, 8, (body) => ({
    type: 'set_field',
    field: 'mpls_tc',
    value: atMost(7, body.u8()),
  })),
]

export const headerDecoders: readonly ActionDecoder[] = [
  ...legacySets,
  bare(Type.CopyTtlOut, { type: 'copy_ttl_out' }),
  bare(Type.CopyTtlIn, { type: 'copy_ttl_in' }),
  standard(Type.SetMplsTtl, 8, (body) => ({ type: 'set_mpls_ttl', ttl: body.u8() })),
  bare(Type.DecrementMplsTtl, { type: 'dec_mpls_ttl' }),
  standard(Type.PushVlan, 8, (body) => ({ type: 'push_vlan', etherType: oneOf(VLAN_TYPES, body.u16()) })),
  bare(Type.PopVlan, { type: 'pop_vlan' }),
  standard(Type.PushMpls, 8, (body) => ({ type: 'push_mpls', etherType: oneOf(MPLS_TYPES, body.u16()) })),
  standard(Type.PopMpls, 8, (body) => ({ type: 'pop_mpls', etherType: body.u16() })),
  standard(Type.SetTtl, 8, (body) => ({ type: 'set_nw_ttl', ttl: body.u8() })),
  bare(Type.DecrementTtl, { type: 'dec_ttl' }),
  orLonger(nicira(DEC_TTL_CNT_IDS, 16, decodeDecrementTtl)),
  standard(Type.PushPbb, 8, (body) => ({ type: 'push_pbb', etherType: oneOf([EtherType.Pbb], body.u16()) })),
  bare(Type.PopPbb, { type: 'pop_pbb' }),
  orLonger(nicira(ENCAP, 16, decodeEncap)),
  orLonger(nicira(DECAP, 16, decodeDecap)),
]

export const headerEncoders: ActionEncoders<
  | 'push_vlan'
  | 'pop_vlan'
  | 'set_vlan_vid'
  | 'set_vlan_pcp'
  | 'push_mpls'
  | 'pop_mpls'
  | 'push_pbb'
  | 'pop_pbb'
  | 'encap'
  | 'decap'
  | 'dec_ttl'
  | 'set_nw_ttl'
  | 'set_mpls_ttl'
  | 'dec_mpls_ttl'
  | 'copy_ttl_out'
  | 'copy_ttl_in'
> = {
  push_vlan: (writer, { etherType }) => put16(writer, Type.PushVlan, etherType),
  pop_vlan: (writer) => putStandard(writer, Type.PopVlan),
  set_vlan_vid: (writer, { vid }, state) => {
    pushTagUnlessThere(writer, state)
    encodeSetField(writer, { type: 'set_field', field: 'vlan_vid', value: BigInt(PRESENT | vid) })
  },
  set_vlan_pcp: (writer, { pcp }, state) => {
    pushTagUnlessThere(writer, state)
    encodeSetField(writer, { type: 'set_field', field: 'vlan_pcp', value: BigInt(pcp) })
  },
  push_mpls: (writer, { etherType }) => put16(writer, Type.PushMpls, etherType),
  pop_mpls: (writer, { etherType }) => put16(writer, Type.PopMpls, etherType),
  push_pbb: (writer, { etherType }) => put16(writer, Type.PushPbb, etherType),
  pop_pbb: (writer) => putStandard(writer, Type.PopPbb),
  encap: (writer, { header }) =>
    putNicira(writer, ENCAP, () => {
      writer.u16(0)
      writer.u32(PACKET_TYPES[header])
    }),
  decap: (writer, { packetType }) =>
    putNicira(writer, DECAP, () => {
      writer.u16(0)
      writer.u32(packetType ?? NEXT_PROTOCOL)
    }),
  dec_ttl: encodeDecrementTtl,
  set_nw_ttl: (writer, { ttl }) => put8(writer, Type.SetTtl, ttl),
  set_mpls_ttl: (writer, { ttl }) => put8(writer, Type.SetMplsTtl, ttl),
  dec_mpls_ttl: (writer) => putStandard(writer, Type.DecrementMplsTtl),
  copy_ttl_out: (writer) => putStandard(writer, Type.CopyTtlOut),
  copy_ttl_in: (writer) => putStandard(writer, Type.CopyTtlIn),
}

const put8 = (writer: ByteWriter, type: number, value: number) => putStandard(writer, type, () => writer.u8(value))
const put16 = (writer: ByteWriter, type: number, value: number) => putStandard(writer, type, () => writer.u16(value))

/** As Open vSwitch says OpenFlow 1.0's way to set a tag where there may be none (lib/ofp-actions.c, encode_SET_VLAN_VID). */
function pushTagUnlessThere(writer: ByteWriter, state: EncodingState): void {
  if (!state.tagged) put16(writer, Type.PushVlan, EtherType.Vlan)
}

function decodeDecrementTtl(body: ByteReader): Action {
  const count = body.u16()
  if (body.u32() !== 0) throw new Refused('NXBRC_MUST_BE_ZERO', '', 'padding is not zero')
  return { type: 'dec_ttl', controllers: Array.from({ length: count }, () => body.u16()) }
}

function encodeDecrementTtl(writer: ByteWriter, { controllers }: Extract<Action, { type: 'dec_ttl' }>): void {
  if (controllers === undefined) return putStandard(writer, Type.DecrementTtl)
  putNicira(writer, DEC_TTL_CNT_IDS, () => {
    writer.u16(controllers.length)
    writer.zero(4)
    for (const id of controllers) writer.u16(id)
  })
}

function decodeEncap(body: ByteReader): Action {
  body.skip(2)
  const packetType = body.u32()
  const header = (['ethernet', 'mpls', 'mpls_mc'] as const).find((name) => PACKET_TYPES[name] === packetType)
  if (header === undefined)
    throw new Refused('NXBAC_BAD_HEADER_TYPE', '', `packet type 0x${packetType.toString(16)} can not be put on`)
  if (body.remaining > 0) throw new Refused('NXBAC_UNKNOWN_ED_PROP', '', 'encap takes no properties but for NSH')
  return { type: 'encap', header }
}

function decodeDecap(body: ByteReader): Action {
  body.skip(2)
  const packetType = body.u32()
  if (body.remaining > 0) throw new Refused('NXBAC_UNKNOWN_ED_PROP', '', 'decap takes no properties')
  return packetType === NEXT_PROTOCOL ? { type: 'decap' } : { type: 'decap', packetType }
}
