// Actions that add, take off and age headers.

import { EtherType } from '../../protocols/match.ts'
import { announcesVlan } from '../../protocols/packet/vlan.ts'
import type { ActionOf, Place } from './context.ts'
import { isBits, refuseUnless } from './context.ts'

const isMpls = (type: number) => type === EtherType.Mpls || type === EtherType.MplsMulticast
const hex = (value: number) => `0x${value.toString(16)}`

export function checkPushVlan({ etherType }: ActionOf<'push_vlan'>, { path }: Place): void {
  const problem = `push_vlan:${hex(etherType)}; expected 0x8100 or 0x88a8`
  refuseUnless(announcesVlan(etherType), 'OFPBAC_BAD_ARGUMENT', `${path}.etherType`, problem)
}

export function checkSetVlanVid({ vid }: ActionOf<'set_vlan_vid'>, { path }: Place): void {
  refuseUnless(isBits(vid, 12), 'OFPBAC_BAD_ARGUMENT', `${path}.vid`, `VLAN ${vid}; expected 0 to 4095`)
}

export function checkSetVlanPcp({ pcp }: ActionOf<'set_vlan_pcp'>, { path }: Place): void {
  refuseUnless(isBits(pcp, 3), 'OFPBAC_BAD_ARGUMENT', `${path}.pcp`, `priority ${pcp}; expected 0 to 7`)
}

export function checkPushMpls({ etherType }: ActionOf<'push_mpls'>, { path }: Place): void {
  const problem = `push_mpls:${hex(etherType)}; expected 0x8847 or 0x8848`
  refuseUnless(isMpls(etherType), 'OFPBAC_BAD_ARGUMENT', `${path}.etherType`, problem)
}

export function checkPopMpls({ etherType }: ActionOf<'pop_mpls'>, { path }: Place): void {
  refuseUnless(isBits(etherType, 16), 'OFPBAC_BAD_ARGUMENT', `${path}.etherType`, `${etherType} is no EtherType`)
}

export function checkPushPbb({ etherType }: ActionOf<'push_pbb'>, { path }: Place): void {
  const problem = `push_pbb:${hex(etherType)}; expected 0x88e7`
  refuseUnless(etherType === EtherType.Pbb, 'OFPBAC_BAD_ARGUMENT', `${path}.etherType`, problem)
}

/** `packetType`: its namespace, 0 for Ethernet and 1 for an EtherType, in the high half. */
export function checkDecap({ packetType }: ActionOf<'decap'>, { path }: Place): void {
  const isKnown = packetType === undefined || packetType === 0 || packetType >>> 16 === 1
  refuseUnless(isKnown, 'OFPBAC_BAD_ARGUMENT', `${path}.packetType`, `${packetType} is no type of packet known here`)
}

export function checkTtl({ ttl }: ActionOf<'set_nw_ttl' | 'set_mpls_ttl'>, { path }: Place): void {
  refuseUnless(isBits(ttl, 8), 'OFPBAC_BAD_ARGUMENT', `${path}.ttl`, `TTL ${ttl}; expected 0 to 255`)
}

export function checkDecTtl({ controllers }: ActionOf<'dec_ttl'>, { path }: Place): void {
  const areIds = controllers === undefined || controllers.every((id) => isBits(id, 16))
  refuseUnless(areIds, 'OFPBAC_BAD_ARGUMENT', `${path}.controllers`, 'the number of a controller is 0 to 65535')
}
