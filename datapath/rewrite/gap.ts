import type { FrameArena, FrameHandle } from '../frames.ts'
import { MAX_FRAME_LENGTH } from '../frames.ts'

/** Whether the frame may become `size` bytes longer. */
export const hasRoom = (arena: FrameArena, frame: FrameHandle, size: number): boolean =>
  arena.length[frame] + size <= MAX_FRAME_LENGTH

/**
 * Makes room for `size` bytes behind the frame's first `before`; what stands there is left over. Moves the frame: a layout of it no
 * longer holds.
 */
export function openGap(arena: FrameArena, frame: FrameHandle, before: number, size: number): void {
  arena.grow(frame, size)
  const start = arena.offset[frame]
  arena.bytes.copyWithin(start, start + size, start + size + before)
}

/** Takes out `size` bytes behind the frame's first `before`, which move up. */
export function closeGap(arena: FrameArena, frame: FrameHandle, before: number, size: number): void {
  const start = arena.offset[frame]
  arena.bytes.copyWithin(start + size, start, start + before)
  arena.grow(frame, -size)
}
