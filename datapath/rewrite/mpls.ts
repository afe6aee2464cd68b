// OpenFlow 1.3 §5.12: label stack entries, put where Open vSwitch puts them (lib/packets.c): behind the VLAN tags.

import { Word } from '../../protocols/fields.ts'
import { isLength } from '../../protocols/packet/ethernet.ts'
import { LABEL_SIZE } from '../../protocols/packet/mpls.ts'
import type { FrameArena, FrameHandle } from '../frames.ts'
import { Covered, write32 } from './bits.ts'
import { closeGap, hasRoom, openGap } from './gap.ts'
import type { Layout } from './layout.ts'
import { locate } from './layout.ts'

/** One of the entries that the key shows; what is not in the frame stays out of it. */
export function setLabelWord(layout: Layout, word: number, value: number, mask: number): void {
  const index = word - Word.mpls
  if (index < layout.labels) write32(layout, layout.payload + LABEL_SIZE * index, value, mask, Covered.none)
}

/** Puts the label stack entry `entry` in front of what the frame's type is of, and `etherType` in that type's place. */
export function pushMpls(arena: FrameArena, frame: FrameHandle, etherType: number, entry: number): void {
  const layout = locate(arena, frame)
  if (layout.payload === 0 || !hasRoom(arena, frame, LABEL_SIZE)) return
  const before = layout.payload - arena.offset[frame]
  setType(layout, arena, frame, etherType, LABEL_SIZE)
  openGap(arena, frame, before, LABEL_SIZE)
  arena.view.setUint32(arena.offset[frame] + before, entry)
}

/** Takes the outermost entry off and makes `etherType` the type of what follows. */
export function popMpls(arena: FrameArena, frame: FrameHandle, etherType: number): void {
  const layout = locate(arena, frame)
  if (layout.labels === 0) return
  setType(layout, arena, frame, etherType, -LABEL_SIZE)
  closeGap(arena, frame, layout.payload - arena.offset[frame], LABEL_SIZE)
}

/** Says what the payload will be, `growth` bytes longer than it is (shorter where negative): behind SNAP a length counts it. */
function setType(layout: Layout, arena: FrameArena, frame: FrameHandle, etherType: number, growth: number): void {
  const { typeAt, lengthAt, view } = layout
  if (typeAt === 0) arena.packetType[frame] = etherType
  else view.setUint16(typeAt, etherType)
  if (lengthAt === 0) return
  const length = view.getUint16(lengthAt) + growth
  if (length >= 0 && isLength(length)) view.setUint16(lengthAt, length)
}
