// RFC 826, and RFC 903 for its reverse, for IPv4 over Ethernet.
//
//   | hardware type 16 | protocol type 16 | hardware size 8 | protocol size 8 | operation 16 |
//   | sender MAC 48 | sender address 32 | target MAC 48 | target address 32 |

import { getMac, requireBytes, setMac } from '../bytes.ts'
import { Malformed } from '../errors.ts'
import { EtherType } from '../match.ts'

const HARDWARE_TYPE = 0
const PROTOCOL_TYPE = 2
const SIZES = 4
const OPERATION = 6
const SENDER_MAC = 8
const SENDER_ADDRESS = 14
const TARGET_MAC = 18
const TARGET_ADDRESS = 24
export const ARP_SIZE = 28

const ETHERNET = 1
const SIX_AND_FOUR = 0x0604

export const ArpOperation = { Request: 1, Reply: 2, ReverseRequest: 3, ReverseReply: 4 } as const

export interface Arp {
  operation: number
  senderMac: bigint
  senderAddress: number
  targetMac: bigint
  targetAddress: number
}

/** @throws Malformed fewer than 28 bytes, or addresses that are not Ethernet's and IPv4's. */
export function decodeArp(view: DataView, at: number, end = view.byteLength): Arp {
  requireBytes('arp', 'packet', at, end, ARP_SIZE)
  if (view.getUint16(at + HARDWARE_TYPE) !== ETHERNET) throw new Malformed('arp', 'hardware type is not Ethernet', at)
  if (view.getUint16(at + PROTOCOL_TYPE) !== EtherType.Ipv4)
    throw new Malformed('arp', 'protocol type is not IPv4', at + PROTOCOL_TYPE)
  if (view.getUint16(at + SIZES) !== SIX_AND_FOUR)
    throw new Malformed('arp', 'address sizes are not 6 and 4', at + SIZES)
  return {
    operation: view.getUint16(at + OPERATION),
    senderMac: getMac(view, at + SENDER_MAC),
    senderAddress: view.getUint32(at + SENDER_ADDRESS),
    targetMac: getMac(view, at + TARGET_MAC),
    targetAddress: view.getUint32(at + TARGET_ADDRESS),
  }
}

/** Returns where the packet ends. */
export function encodeArp(arp: Arp, view: DataView, at: number): number {
  view.setUint16(at + HARDWARE_TYPE, ETHERNET)
  view.setUint16(at + PROTOCOL_TYPE, EtherType.Ipv4)
  view.setUint16(at + SIZES, SIX_AND_FOUR)
  view.setUint16(at + OPERATION, arp.operation)
  setMac(view, at + SENDER_MAC, arp.senderMac)
  view.setUint32(at + SENDER_ADDRESS, arp.senderAddress)
  setMac(view, at + TARGET_MAC, arp.targetMac)
  view.setUint32(at + TARGET_ADDRESS, arp.targetAddress)
  return at + ARP_SIZE
}
