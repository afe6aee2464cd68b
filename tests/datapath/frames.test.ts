import { expect, test } from 'vitest'
import { FrameArena } from '../../datapath/frames.ts'
import { popVlan, pushVlan } from '../../datapath/rewrite.ts'

test.each([60, 1918, 1500, 16254])('a frame of %i bytes grows past its head-room and back', (length) => {
  const arena = new FrameArena()
  const bytes = Uint8Array.from({ length }, (_, at) => (at * 7) & 255).fill(0, 12, 14)
  const neighbour = arena.allocateFrom(bytes)
  const frame = arena.allocateFrom(bytes)
  const behind = arena.allocateFrom(bytes)
  for (let tag = 0; tag < 200; tag++) pushVlan(arena, frame, 0x8100, tag)
  expect(arena.length[frame]).toBe(length + 800)
  for (let tag = 0; tag < 200; tag++) popVlan(arena, frame)
  for (const one of [neighbour, frame, behind]) {
    expect(arena.read(one)).toEqual(bytes)
    arena.release(one)
  }
  expect(arena.live).toBe(0)
})
