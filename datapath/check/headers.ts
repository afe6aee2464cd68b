// Actions that add, take off and age headers.

import { EtherType } from '../../protocols/match.ts'
import { announcesVlan } from '../../protocols/packet/vlan.ts'
import type { ActionOf, Place } from './context.ts'
import { asksConsistency, demandHeader, inconsistent, isBits, refuseUnless } from './context.ts'

const isMpls = (type: number) => type === EtherType.Mpls || type === EtherType.MplsMulticast
const hex = (value: number) => `0x${value.toString(16)}`

export function checkPushVlan({ etherType }: ActionOf<'push_vlan'>, { path, frame }: Place): void {
  const problem = `push_vlan:${hex(etherType)}; expected 0x8100 or 0x88a8`
  refuseUnless(announcesVlan(etherType), 'OFPBAC_BAD_ARGUMENT', `${path}.etherType`, problem)
  frame.pushTag()
}

export function checkPopVlan(_action: ActionOf<'pop_vlan'>, place: Place): void {
  demandHeader(place, 'vlan')
  place.frame.popTag()
}

export function checkSetVlanVid({ vid }: ActionOf<'set_vlan_vid'>, { path, frame }: Place): void {
  refuseUnless(isBits(vid, 12), 'OFPBAC_BAD_ARGUMENT', `${path}.vid`, `VLAN ${vid}; expected 0 to 4095`)
  frame.setTag()
}

export function checkSetVlanPcp({ pcp }: ActionOf<'set_vlan_pcp'>, { path, frame }: Place): void {
  refuseUnless(isBits(pcp, 3), 'OFPBAC_BAD_ARGUMENT', `${path}.pcp`, `priority ${pcp}; expected 0 to 7`)
  frame.setTag()
}

export function checkPushMpls({ etherType }: ActionOf<'push_mpls'>, place: Place): void {
  const { path, frame } = place
  const problem = `push_mpls:${hex(etherType)}; expected 0x8847 or 0x8848`
  refuseUnless(isMpls(etherType), 'OFPBAC_BAD_ARGUMENT', `${path}.etherType`, problem)
  demandEthernet(place)
  frame.setPayload(etherType)
}

export function checkPopMpls({ etherType }: ActionOf<'pop_mpls'>, place: Place): void {
  const { path, frame } = place
  refuseUnless(isBits(etherType, 16), 'OFPBAC_BAD_ARGUMENT', `${path}.etherType`, `${etherType} is no EtherType`)
  demandEthernet(place)
  demandHeader(place, 'mpls')
  frame.setPayload(etherType)
}

export function checkPushPbb({ etherType }: ActionOf<'push_pbb'>, place: Place): void {
  const { path, frame } = place
  const problem = `push_pbb:${hex(etherType)}; expected 0x88e7`
  refuseUnless(etherType === EtherType.Pbb, 'OFPBAC_BAD_ARGUMENT', `${path}.etherType`, problem)
  demandEthernet(place)
  frame.setPayload(etherType)
}

/** What the backbone frame carries shows only when it is there. */
export function checkPopPbb(_action: ActionOf<'pop_pbb'>, place: Place): void {
  demandHeader(place, 'pbb')
  place.frame.setPayload(undefined)
}

export function checkEncap({ header }: ActionOf<'encap'>, { frame }: Place): void {
  frame.setEthernet(header === 'ethernet')
  if (header !== 'ethernet') frame.setPayload(header === 'mpls' ? EtherType.Mpls : EtherType.MplsMulticast)
}

/** `packetType`: its namespace, 0 for Ethernet and 1 for an EtherType, in the high half. */
export function checkDecap({ packetType }: ActionOf<'decap'>, { path, frame }: Place): void {
  const isKnown = packetType === undefined || packetType === 0 || packetType >>> 16 === 1
  refuseUnless(isKnown, 'OFPBAC_BAD_ARGUMENT', `${path}.packetType`, `${packetType} is no type of packet known here`)
  if (frame.hasEthernet) return frame.setEthernet(false)
  frame.setEthernet(packetType === 0)
  frame.setPayload(packetType === undefined || packetType === 0 ? undefined : packetType & 0xffff)
}

export function checkTtl(ttl: number, path: string): void {
  refuseUnless(isBits(ttl, 8), 'OFPBAC_BAD_ARGUMENT', path, `TTL ${ttl}; expected 0 to 255`)
}

function demandEthernet(place: Place): void {
  if (asksConsistency(place) && !place.frame.hasEthernet) throw inconsistent(place.path, 'an Ethernet frame')
}
