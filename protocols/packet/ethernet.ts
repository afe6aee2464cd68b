// IEEE 802.3 §3.2: the start of every frame.
//
//   | destination 48 | source 48 | ethertype or length 16 |
//
// From 0x0600 up the last field is an ethertype (Ethernet II); up to 1500 it is a length, and LLC follows (llc.ts). VLAN tags
// (vlan.ts) stand between the source and that field, so what reads it has to look behind them.

import { getMac, requireBytes, setMac } from '../bytes.ts'

const DESTINATION = 0
const SOURCE = 6
const TYPE = 12
export const ETHERNET_HEADER_SIZE = 14

/** The shortest frame that Ethernet carries, without its frame check sequence. */
export const MINIMUM_FRAME_SIZE = 60

export const BROADCAST_MAC = 0xffffffffffffn

const FIRST_ETHER_TYPE = 0x0600

export interface EthernetHeader {
  destination: bigint
  source: bigint
  /** The ethertype, or the length of what follows where `isLength` holds for it. */
  etherType: number
}

/** @throws Malformed fewer than 14 bytes. */
export function decodeEthernet(view: DataView, at = 0, end = view.byteLength): EthernetHeader {
  requireBytes('ethernet', 'header', at, end, ETHERNET_HEADER_SIZE)
  return {
    destination: getMac(view, at + DESTINATION),
    source: getMac(view, at + SOURCE),
    etherType: view.getUint16(at + TYPE),
  }
}

/** Returns where the header ends. */
export function encodeEthernet(header: EthernetHeader, view: DataView, at = 0): number {
  setMac(view, at + DESTINATION, header.destination)
  setMac(view, at + SOURCE, header.source)
  view.setUint16(at + TYPE, header.etherType)
  return at + ETHERNET_HEADER_SIZE
}

/** Whether the field behind the addresses and tags is a length (802.3) and no ethertype. */
export const isLength = (etherType: number): boolean => etherType < FIRST_ETHER_TYPE
