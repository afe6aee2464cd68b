import type { FrameArena, FrameHandle } from '../frames.ts'
import { MAX_FRAME_LENGTH } from '../frames.ts'

/** Whether the frame may become `size` bytes longer. */
export const hasRoom = (arena: FrameArena, frame: FrameHandle, size: number): boolean =>
  arena.length[frame] + size <= MAX_FRAME_LENGTH

/**
 * Makes room for `size` bytes behind the frame's first `before`, an even number; what stands there is left over. Moves the frame: a
 * layout of it no longer holds.
 */
export function openGap(arena: FrameArena, frame: FrameHandle, before: number, size: number): void {
  arena.grow(frame, size)
  const { view } = arena
  let to = arena.offset[frame]
  const end = to + before
  // So few bytes are moved sooner than `copyWithin` is called.
  for (; to + 4 <= end; to += 4) view.setInt32(to, view.getInt32(to + size))
  if (to < end) view.setInt16(to, view.getInt16(to + size))
}

/** Takes out `size` bytes behind the frame's first `before`, an even number, which move up. */
export function closeGap(arena: FrameArena, frame: FrameHandle, before: number, size: number): void {
  const { view } = arena
  const start = arena.offset[frame]
  let from = start + before
  for (; from - 4 >= start; from -= 4) view.setInt32(from - 4 + size, view.getInt32(from - 4))
  if (from > start) view.setInt16(start + size, view.getInt16(start))
  arena.grow(frame, -size)
}
