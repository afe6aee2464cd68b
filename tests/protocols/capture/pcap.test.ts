import { describe, expect, test } from 'vitest'
import { PcapWriter } from '../../../protocols/capture/pcap-writer.ts'
import { seeded } from '../../../runtime/random.ts'
import { concatenated, pcapParts, randomSamples } from '../../support/capture-files.ts'
import type { Sample } from '../../support/capture-files.ts'
import { readAll } from '../../support/capture-reading.ts'

const essence = ({ timestamp, bytes, originalLength }: Sample) => ({ timestamp, bytes, originalLength })

describe.each(['little', 'big'] as const)('a %s-endian pcap', (order) => {
  test.each([
    ['us', 1],
    ['us', 2],
    ['ns', 3],
    ['ns', 4],
  ] as const)('of resolution %s gives the frames that were put into it (seed %i)', async (resolution, seed) => {
    const samples = randomSamples(seeded(seed), 50)
    if (resolution === 'ns') for (const sample of samples) sample.timestamp += 7n
    const parts = pcapParts(samples, order, resolution)
    const { frames, damage } = await readAll([concatenated(parts)])
    expect(damage).toBeUndefined()
    expect(frames.map(essence)).toEqual(samples.map(essence))
    expect(frames.map((frame) => frame.number)).toEqual(samples.map((_, at) => at + 1))
    expect(frames.map((frame) => frame.offset)).toEqual(offsetsOf(parts))
    expect(frames.every((frame) => frame.linkType === 1 && frame.interfaceId === 0)).toBe(true)
  })
})

/** Where each part but the first begins. */
function offsetsOf(parts: readonly Uint8Array[]): number[] {
  let end = 0
  return parts.map((part) => (end += part.length) - part.length).slice(1)
}

test.each(['us', 'ns'] as const)('what is written in %s is read as it was', async (resolution) => {
  const samples = randomSamples(seeded(5), 40)
  const parts: Uint8Array[] = []
  const writer = new PcapWriter((bytes) => parts.push(bytes), { resolution, linkType: 113 })
  for (const { timestamp, bytes, originalLength } of samples) writer.write(timestamp, bytes, originalLength)
  const { frames, damage } = await readAll(parts)
  expect(damage).toBeUndefined()
  expect(frames.map(essence)).toEqual(samples.map(essence))
  expect(frames.every((frame) => frame.linkType === 113)).toBe(true)
})

test('the first and the last second of a pcap survive', async () => {
  const times = [0n, 999_999_999n, 4_294_967_295_999_999_999n]
  const parts: Uint8Array[] = []
  const writer = new PcapWriter((bytes) => parts.push(bytes))
  for (const time of times) writer.write(time, new Uint8Array(1))
  expect((await readAll(parts)).frames.map((frame) => frame.timestamp)).toEqual(times)
})

test('a writer refuses what no reader would take', () => {
  const writer = new PcapWriter(() => {})
  expect(() => writer.write(-1n, new Uint8Array(60))).toThrow(RangeError)
  expect(() => writer.write(4_294_967_296_000_000_000n, new Uint8Array(60))).toThrow(RangeError)
  expect(() => writer.write(0n, new Uint8Array(262_145))).toThrow(RangeError)
})
