// IEEE 802.2 §3.2: what follows an 802.3 length. Both access points 0xaa announce SNAP (IEEE 802 §9.2).
//
//   | destination access point 8 | source access point 8 | control 8 or 16 |
//   SNAP: | 0xaa | 0xaa | 0x03 | organization 24 | protocol 16 |

import { requireBytes } from '../bytes.ts'

const DESTINATION_ACCESS = 0
const SOURCE_ACCESS = 1
const CONTROL = 2
const ORGANIZATION = 3
const PROTOCOL = 6
const SNAP_SIZE = 8
const SNAP_ACCESS = 0xaa
const UNNUMBERED_INFORMATION = 0x03

export type LlcHeader =
  | {
      type: 'llc'
      destinationAccess: number
      sourceAccess: number
      /** Eight bits in unnumbered frames (low bits 11); sixteen in all others, the first byte the low one. */
      control: number
    }
  | { type: 'snap'; organization: number; protocol: number }

/** @throws Malformed a header cut short. */
export function decodeLlc(view: DataView, at: number, end = view.byteLength): LlcHeader {
  requireBytes('llc', 'header', at, end, 3)
  if (announcesSnap(view, at)) return decodeSnap(view, at, end)
  const isShort = isShortControl(view.getUint8(at + CONTROL))
  if (!isShort) requireBytes('llc', 'control field', at + CONTROL, end, 2)
  return {
    type: 'llc',
    destinationAccess: view.getUint8(at + DESTINATION_ACCESS),
    sourceAccess: view.getUint8(at + SOURCE_ACCESS),
    control: isShort ? view.getUint8(at + CONTROL) : view.getUint16(at + CONTROL, true),
  }
}

function decodeSnap(view: DataView, at: number, end: number): LlcHeader {
  requireBytes('snap', 'header', at, end, SNAP_SIZE)
  const organization = (view.getUint8(at + ORGANIZATION) << 16) | view.getUint16(at + ORGANIZATION + 1)
  return { type: 'snap', organization, protocol: view.getUint16(at + PROTOCOL) }
}

export const llcSize = (header: LlcHeader): number =>
  header.type === 'snap' ? SNAP_SIZE : isShortControl(header.control) ? 3 : 4

const isShortControl = (control: number) => (control & 3) === 3

/** Returns where the header ends. */
export function encodeLlc(header: LlcHeader, view: DataView, at: number): number {
  const isSnap = header.type === 'snap'
  view.setUint8(at + DESTINATION_ACCESS, isSnap ? SNAP_ACCESS : header.destinationAccess)
  view.setUint8(at + SOURCE_ACCESS, isSnap ? SNAP_ACCESS : header.sourceAccess)
  if (isSnap) {
    view.setUint32(at + CONTROL, UNNUMBERED_INFORMATION * 0x1000000 + header.organization)
    view.setUint16(at + PROTOCOL, header.protocol)
  } else if (isShortControl(header.control)) view.setUint8(at + CONTROL, header.control)
  else view.setUint16(at + CONTROL, header.control, true)
  return at + llcSize(header)
}

const announcesSnap = (view: DataView, at: number) =>
  view.getUint8(at + DESTINATION_ACCESS) === SNAP_ACCESS &&
  view.getUint8(at + SOURCE_ACCESS) === SNAP_ACCESS &&
  view.getUint8(at + CONTROL) === UNNUMBERED_INFORMATION
