import { expect, test } from 'vitest'
import { FrameArena } from '../../datapath/frames.ts'
import { popVlan, pushVlan } from '../../datapath/rewrite.ts'

test.each([60, 1500, 1982, 16254])('a frame of %i bytes grows past its head-room and back', (length) => {
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

test('frames of any length are copied in from words, and touch no neighbour', () => {
  const arena = new FrameArena()
  const source = Uint8Array.from({ length: 1 << 18 }, (_, at) => (at * 31 + (at >> 8)) & 255)
  const words = new Int32Array(source.buffer)
  const lengths = [...Array.from({ length: 100 }, (_, length) => length), 1500, 1982, 1983, 16_254, 16_255, 130_942]
  const start = (index: number) => 4 * index + 2
  const frames = new Int32Array(lengths.length)
  arena.copyInAll(
    words,
    Int32Array.from(lengths, (_, index) => start(index)),
    Int32Array.from(lengths),
    lengths.length,
    frames,
  )
  for (const [index, frame] of frames.entries())
    expect(Buffer.compare(arena.read(frame), source.subarray(start(index), start(index) + lengths[index]!))).toBe(0)
  expect(arena.live).toBe(frames.length)
  arena.releaseAll(frames, 1, frames.length)
  expect(arena.live).toBe(1)
})
