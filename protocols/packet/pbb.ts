// IEEE 802.1Q §9.7 (802.1ah, provider backbone bridges): the I-TAG stands behind its ethertype, and behind the I-TAG stands
// the customer's frame from its addresses on.
//
//   | priority 3 | drop eligible 1 | use customer addresses 1 | reserved 3 | service instance 24 |

import { requireBytes } from '../bytes.ts'

const PRIORITY_SHIFT = 29
const DROP_ELIGIBLE = 0x10000000
const RESERVED_SHIFT = 24
const SERVICE_ID = 0xffffff
export const SERVICE_TAG_SIZE = 4

export interface ServiceTag {
  priority: number
  dropEligible: boolean
  /** The bit called UCA or NCA, and the three reserved behind it. */
  reserved: number
  /** I-SID. */
  serviceId: number
}

/** @throws Malformed fewer than four bytes. */
export function decodeServiceTag(view: DataView, at: number, end = view.byteLength): ServiceTag {
  requireBytes('pbb', 'service tag', at, end, SERVICE_TAG_SIZE)
  const bits = view.getUint32(at)
  return {
    priority: bits >>> PRIORITY_SHIFT,
    dropEligible: (bits & DROP_ELIGIBLE) !== 0,
    reserved: (bits >>> RESERVED_SHIFT) & 15,
    serviceId: bits & SERVICE_ID,
  }
}

/** Returns where the tag ends. */
export function encodeServiceTag(tag: ServiceTag, view: DataView, at: number): number {
  const dropEligible = tag.dropEligible ? DROP_ELIGIBLE : 0
  view.setUint32(at, (tag.priority << PRIORITY_SHIFT) | dropEligible | (tag.reserved << RESERVED_SHIFT) | tag.serviceId)
  return at + SERVICE_TAG_SIZE
}
