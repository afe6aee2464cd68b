// OpenFlow 1.3 §5.12, IEEE 802.1ah: a frame within a provider's backbone.
//
//   | backbone addresses | (tags) | 0x88e7 | I-TAG 32 | customer's addresses | what was behind them …

import { EtherType } from '../../protocols/match.ts'
import { SERVICE_TAG_SIZE } from '../../protocols/packet/pbb.ts'
import type { FrameArena, FrameHandle } from '../frames.ts'
import { Covered, write32 } from './bits.ts'
import { hasEthernet } from './ethernet-header.ts'
import { closeGap, hasRoom, openGap } from './gap.ts'
import type { Layout } from './layout.ts'
import { locate } from './layout.ts'

const ADDRESSES = 12
const TYPE_SIZE = 2
const ADDED = ADDRESSES + TYPE_SIZE + SERVICE_TAG_SIZE
const SERVICE_ID = 0xffffff
const PRIORITY_SHIFT = 29

/** What `pushPbb` adds in front of a frame without a backbone's tags: the frame itself is behind it. */
export const PBB_OVERHEAD = ADDED

/** I-SID of a frame that begins with an I-TAG; undefined where it does not. */
export function serviceInstanceOf({ view, offset, length }: FrameArena, frame: FrameHandle): number | undefined {
  const start = offset[frame]
  if (length[frame] < ADDED + ADDRESSES || view.getUint16(start + ADDRESSES) !== EtherType.Pbb) return undefined
  return view.getUint32(start + ADDRESSES + TYPE_SIZE) & SERVICE_ID
}

export function setServiceId(layout: Layout, value: number, mask: number): void {
  if (layout.serviceTag !== 0) write32(layout, layout.serviceTag, value, mask & SERVICE_ID, Covered.none)
}

/** Puts the frame as it is behind an I-TAG. Addresses are copied, and the priority of the outer VLAN tag (table 7). */
export function pushPbb(arena: FrameArena, frame: FrameHandle, serviceId: number): void {
  if (!hasEthernet(arena, frame) || !hasRoom(arena, frame, ADDED)) return
  const { tag } = locate(arena, frame)
  const priority = tag === 0 ? 0 : arena.view.getUint8(tag + 2) >> 5
  openGap(arena, frame, ADDRESSES, ADDED)
  const { bytes, view } = arena
  const start = arena.offset[frame]
  const serviceTag = start + ADDRESSES + TYPE_SIZE
  view.setUint16(start + ADDRESSES, EtherType.Pbb)
  view.setUint32(serviceTag, (priority << PRIORITY_SHIFT) | (serviceId & SERVICE_ID))
  bytes.copyWithin(serviceTag + SERVICE_TAG_SIZE, start, start + ADDRESSES)
}

/** Gives the frame the customer's addresses and takes the I-TAG off. Tags in front of it, the backbone's, stay. */
export function popPbb(arena: FrameArena, frame: FrameHandle): void {
  const { serviceTag } = locate(arena, frame)
  if (serviceTag === 0 || !hasEthernet(arena, frame)) return
  const start = arena.offset[frame]
  const customer = serviceTag + SERVICE_TAG_SIZE
  arena.bytes.copyWithin(start, customer, customer + ADDRESSES)
  closeGap(arena, frame, serviceTag - TYPE_SIZE - start, ADDED)
}
