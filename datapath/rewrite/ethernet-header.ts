// The Ethernet header itself, on and off, as Open vSwitch's `encap` and `decap` do. What a frame without one begins with is told by
// `packetType` in frames.ts; nothing that is of Ethernet can be written to it.

import { ETHERNET_HEADER_SIZE } from '../../protocols/packet/ethernet.ts'
import type { FrameArena, FrameHandle } from '../frames.ts'
import { hasRoom, openGap } from './gap.ts'
import { locate } from './layout.ts'

const TYPE = 12

/** Whether the frame begins with an Ethernet header, and the whole of it. */
export const hasEthernet = (arena: FrameArena, frame: FrameHandle): boolean =>
  arena.packetType[frame] === 0 && arena.length[frame] >= ETHERNET_HEADER_SIZE

/** Puts a header with addresses of 0 in front of a frame that has none. */
export function pushEthernet(arena: FrameArena, frame: FrameHandle, etherType: number): void {
  if (arena.packetType[frame] === 0 || !hasRoom(arena, frame, ETHERNET_HEADER_SIZE)) return
  openGap(arena, frame, 0, ETHERNET_HEADER_SIZE)
  const start = arena.offset[frame]
  arena.bytes.fill(0, start, start + TYPE)
  arena.view.setUint16(start + TYPE, etherType)
  arena.packetType[frame] = 0
}

/** Takes the header off. A frame with a VLAN tag keeps it, and so does one whose type no ethertype names. */
export function popEthernet(arena: FrameArena, frame: FrameHandle): void {
  if (!hasEthernet(arena, frame)) return
  const { tag, etherType, payload } = locate(arena, frame)
  if (tag !== 0 || etherType === 0) return
  arena.grow(frame, arena.offset[frame] - payload)
  arena.packetType[frame] = etherType
}
