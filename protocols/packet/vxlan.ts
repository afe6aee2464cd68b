// RFC 7348 §5: between UDP and the inner Ethernet frame.
//
//   | reserved 4 | VNI is valid 1 | reserved 3 | reserved 24 | VNI 24 | reserved 8 |

import { requireBytes } from '../bytes.ts'
import { Malformed } from '../errors.ts'

const FLAGS = 0
const VNI = 4
const VALID_VNI = 0x08
export const VXLAN_HEADER_SIZE = 8

/** The UDP port that IANA gave to VXLAN. */
export const VXLAN_PORT = 4789

export interface VxlanHeader {
  vni: number
}

/** @throws Malformed fewer than eight bytes, or no valid VNI. Reserved bits are ignored, as RFC 7348 §5 asks. */
export function decodeVxlan(view: DataView, at: number, end = view.byteLength): VxlanHeader {
  requireBytes('vxlan', 'header', at, end, VXLAN_HEADER_SIZE)
  if (!vxlanHasVni(view, at)) throw new Malformed('vxlan', 'the flag of a valid VNI is not set', at)
  return { vni: vxlanVni(view, at) }
}

/** Returns where the header ends. For the per-packet path use `writeVxlan`. */
export const encodeVxlan = (header: VxlanHeader, view: DataView, at: number): number => writeVxlan(header.vni, view, at)

/** For the per-packet path: writes the header, takes no object; returns where it ends. */
export function writeVxlan(vni: number, view: DataView, at: number): number {
  view.setUint32(at + FLAGS, VALID_VNI << 24)
  view.setUint32(at + VNI, vni << 8)
  return at + VXLAN_HEADER_SIZE
}

/** For the per-packet path: whether the header says that its VNI counts. Length already checked. */
export const vxlanHasVni = (view: DataView, at: number): boolean => (view.getUint8(at + FLAGS) & VALID_VNI) !== 0

/** For the per-packet path: length already checked. */
export const vxlanVni = (view: DataView, at: number): number => view.getUint32(at + VNI) >>> 8
