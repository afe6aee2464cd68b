// Does a frame have a field? What match.ts asks of a match before it is taken, asked here of a key.

import type { Field, Prerequisite } from '../../protocols/fields.ts'
import { CtState, Word } from '../../protocols/fields.ts'
import { EtherType, IpProtocol } from '../../protocols/match.ts'
import { announcesLabels } from '../../protocols/packet/mpls.ts'
import { Fragment, VLAN_PRESENT } from '../flow-key.ts'
import type { Translation } from './translation.ts'

const isIpv4 = (frame: Translation) => frame.read(Word.etherType) === EtherType.Ipv4
const isIpv6 = (frame: Translation) => frame.read(Word.etherType) === EtherType.Ipv6
const isIp = (frame: Translation) => isIpv4(frame) || isIpv6(frame)
const isArp = (frame: Translation) => {
  const type = frame.read(Word.etherType)
  return type === EtherType.Arp || type === EtherType.Rarp
}
const carries = (protocol: number) => (frame: Translation) =>
  isIp(frame) && frame.read(Word.protocol) === protocol && (frame.read(Word.fragment) & Fragment.Later) === 0
const isIcmpv6 = (frame: Translation) => isIpv6(frame) && carries(IpProtocol.Icmpv6)(frame)
const isDiscovery = (frame: Translation, type: number) =>
  isIcmpv6(frame) && frame.read(Word.transportSource) === type && frame.read(Word.transportDestination) === 0

/** Bits that only a frame with a connection has. */
const CONNECTED =
  CtState.New | CtState.Established | CtState.Related | CtState.Reply | CtState.SourceNat | CtState.DestinationNat

function hasConnection(frame: Translation): boolean {
  const state = frame.read(Word.ctState)
  return (state & CONNECTED) !== 0 || (state & (CtState.Tracked | CtState.Invalid)) === CtState.Tracked
}

const HOLDS: Record<Prerequisite, (frame: Translation) => boolean> = {
  none: () => true,
  in_port: () => true,
  vlan: (frame) => (frame.read(Word.vlan) & VLAN_PRESENT) !== 0,
  mpls: (frame) => announcesLabels(frame.read(Word.etherType)),
  pbb: (frame) => frame.read(Word.etherType) === EtherType.Pbb,
  ip: isIp,
  ipv4: isIpv4,
  ipv6: isIpv6,
  arp: isArp,
  tcp: carries(IpProtocol.Tcp),
  udp: carries(IpProtocol.Udp),
  sctp: carries(IpProtocol.Sctp),
  icmp: (frame) => isIpv4(frame) && carries(IpProtocol.Icmp)(frame),
  icmp6: isIcmpv6,
  nd: (frame) => isDiscovery(frame, 135) || isDiscovery(frame, 136),
  ns: (frame) => isDiscovery(frame, 135),
  na: (frame) => isDiscovery(frame, 136),
  ct: hasConnection,
}

/** Whether the frame has the field. Consults what tells. */
export const hasField = (frame: Translation, field: Field): boolean => HOLDS[field.prerequisite](frame)
