// VLAN tags, on and off.

import { announcesVlan } from '../../protocols/packet/vlan.ts'
import type { FrameArena, FrameHandle } from '../frames.ts'
import { hasEthernet } from './ethernet-header.ts'
import { closeGap, hasRoom, openGap } from './gap.ts'
import { isTagged } from './layout.ts'

const ADDRESSES = 12
const TAG_SIZE = 4
/** An Ethernet header with a tag. */
const TAGGED_SIZE = 18

/** Puts a tag in front of whatever follows the Ethernet addresses. */
export function pushVlan(arena: FrameArena, frame: FrameHandle, etherType: number, tci: number): void {
  if (!hasEthernet(arena, frame) || !hasRoom(arena, frame, TAG_SIZE)) return
  openGap(arena, frame, ADDRESSES, TAG_SIZE)
  const tag = arena.offset[frame]! + ADDRESSES
  arena.view.setUint16(tag, etherType)
  arena.view.setUint16(tag + 2, tci)
}

/** Takes the outer tag off; a frame without one stays as it is. */
export function popVlan(arena: FrameArena, frame: FrameHandle): void {
  if (isTagged(arena, frame)) closeGap(arena, frame, ADDRESSES, TAG_SIZE)
}

/** `pushVlan` for the frames from `start` to `end`, all with an Ethernet header and room for a tag. Gives how many bytes that adds. */
export function pushVlanToAll(
  arena: FrameArena,
  frames: Int32Array,
  start: number,
  end: number,
  etherType: number,
  tci: number,
): number {
  const tag = (etherType << 16) | tci
  arena.growAll(frames, start, end, TAG_SIZE)
  const { view, offset } = arena
  for (let index = start; index < end; index++) {
    const at = offset[frames[index]]
    view.setInt32(at, view.getInt32(at + 4, true), true)
    view.setInt32(at + 4, view.getInt32(at + 8, true), true)
    view.setInt32(at + 8, view.getInt32(at + 12, true), true)
    view.setInt32(at + ADDRESSES, tag)
  }
  return TAG_SIZE * (end - start)
}

/** `popVlan` for the frames from `start` to `end`, all with an Ethernet header. Gives how many bytes that adds: 0 or fewer. */
export function popVlanOffAll(arena: FrameArena, frames: Int32Array, start: number, end: number): number {
  const { view, offset, length } = arena
  let added = 0
  for (let index = start; index < end; index++) {
    const frame = frames[index]
    const at = offset[frame]
    if (length[frame] < TAGGED_SIZE || !announcesVlan(view.getUint16(at + ADDRESSES))) continue
    view.setInt32(at + 12, view.getInt32(at + 8, true), true)
    view.setInt32(at + 8, view.getInt32(at + 4, true), true)
    view.setInt32(at + 4, view.getInt32(at, true), true)
    offset[frame] = at + TAG_SIZE
    length[frame] -= TAG_SIZE
    added -= TAG_SIZE
  }
  return added
}
