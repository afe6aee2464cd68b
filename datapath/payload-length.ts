import { ETHERNET_HEADER_SIZE } from '../protocols/packet/ethernet.ts'
import { announcesVlan, VLAN_TAG_SIZE } from '../protocols/packet/vlan.ts'
import type { FrameArena, FrameHandle } from './frames.ts'

/** Bytes after the Ethernet header and its VLAN tags: what an MTU counts. */
export function payloadLength(arena: FrameArena, frame: FrameHandle): number {
  const { view } = arena
  const length = arena.length[frame]!
  const start = arena.offset[frame]!
  let header = ETHERNET_HEADER_SIZE
  while (header + VLAN_TAG_SIZE <= length && announcesVlan(view.getUint16(start + header - 2))) header += VLAN_TAG_SIZE
  return length - header
}
