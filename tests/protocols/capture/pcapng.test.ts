import { describe, expect, test } from 'vitest'
import { PcapngWriter } from '../../../protocols/capture/pcapng-writer.ts'
import { seeded } from '../../../runtime/random.ts'
import {
  block,
  concatenated,
  interfaceBlock,
  packetBlock,
  randomSamples,
  sectionHeader,
  unknownBlock,
} from '../../support/capture-files.ts'
import type { ByteOrder, Sample } from '../../support/capture-files.ts'
import { readAll } from '../../support/capture-reading.ts'

const ORDERS = ['little', 'big'] as const

const essence = ({ timestamp, bytes, originalLength, interfaceId, comment }: Sample) => ({
  timestamp,
  bytes,
  originalLength,
  interfaceId,
  comment,
})

const sampleAt = (timestamp: bigint, length = 5): Sample => ({
  timestamp,
  bytes: new Uint8Array(length).fill(length),
  originalLength: length,
  interfaceId: 0,
})

describe.each(ORDERS)('a %s-endian section', (order) => {
  test.each(['enhanced', 'obsolete'] as const)('gives the frames of its %s packet blocks', async (kind) => {
    const samples = randomSamples(seeded(11), 60, 3)
    const names = ['a:eth0', 'b:eth0', 'h1/uplink']
    const file = [
      sectionHeader(order),
      ...names.map((name) => interfaceBlock(order, { name })),
      ...samples.map((sample) => packetBlock(order, kind, sample, sample.timestamp / 1000n, sample.interfaceId)),
    ]
    const { frames, damage } = await readAll([concatenated(file)])
    expect(damage).toBeUndefined()
    expect(frames.map(essence)).toEqual(samples.map(essence))
    expect(frames.map((frame) => frame.interfaceName)).toEqual(samples.map((sample) => names[sample.interfaceId]))
  })

  test('gives the frames of its simple packet blocks, cut at the snap length, without a time', async () => {
    const long = { ...sampleAt(0n, 64), originalLength: 900 }
    const short = sampleAt(0n, 10)
    const file = [
      sectionHeader(order),
      interfaceBlock(order, { snapLength: 64 }),
      packetBlock(order, 'simple', long, 0n, 0),
      packetBlock(order, 'simple', short, 0n, 0),
    ]
    const { frames, damage } = await readAll([concatenated(file)])
    expect(damage).toBeUndefined()
    expect(frames.map(essence)).toEqual([long, short].map(essence))
  })

  test.each([
    ['microseconds where nothing is said', {}, 1_700_000_000_123_456n, 1_700_000_000_123_456_000n],
    ['seconds', { resolution: 0 }, 1_700_000_000n, 1_700_000_000_000_000_000n],
    ['nanoseconds', { resolution: 9 }, 1_700_000_000_123_456_789n, 1_700_000_000_123_456_789n],
    ['picoseconds, cut down', { resolution: 12 }, 5_000_000_001_999n, 5_000_000_001n],
    ['halves of a second', { resolution: 0x81 }, 3n, 1_500_000_000n],
    ['2^-30 s, cut down', { resolution: 0x80 | 30 }, (7n << 30n) + 1n, 7_000_000_000n],
    ['2^-20 s', { resolution: 0x80 | 20 }, (9n << 20n) + (1n << 19n), 9_500_000_000n],
    ['milliseconds after an offset', { resolution: 3, offset: 1_600_000_000n }, 12n, 1_600_000_000_012_000_000n],
    ['milliseconds before an offset', { resolution: 3, offset: -10n }, 30_000n, 20_000_000_000n],
    ['the largest count there is', { resolution: 9 }, (1n << 64n) - 1n, (1n << 64n) - 1n],
  ])('counts time in %s', async (_, variant, ticks, expected) => {
    const packet = packetBlock(order, 'enhanced', sampleAt(0n), ticks, 0)
    const { frames } = await readAll([concatenated([sectionHeader(order), interfaceBlock(order, variant), packet])])
    expect(frames.map((frame) => frame.timestamp)).toEqual([expected])
  })

  test('may hold blocks that nobody here knows', async () => {
    const packet = packetBlock(order, 'enhanced', sampleAt(0n), 0n, 0)
    const file = [
      sectionHeader(order),
      unknownBlock(order, 0),
      interfaceBlock(order),
      unknownBlock(order, 400),
      packet,
      unknownBlock(order, 4),
    ]
    const { frames, damage } = await readAll([concatenated(file)])
    expect(damage).toBeUndefined()
    expect(frames).toHaveLength(1)
  })

  test('joins several comments of a frame, with or without a zero at the end', async () => {
    const text = (comment: string) => [...new TextEncoder().encode(comment)]
    const packet = block(order, 6, (body) =>
      body
        .number(0, 4)
        .number(0, 8)
        .number(0, 8)
        .number(1, 2)
        .number(4, 2)
        .raw(text('one\0'))
        .number(1, 2)
        .number(4, 2)
        .raw(text('twoo')),
    )
    const { frames, damage } = await readAll([concatenated([sectionHeader(order), interfaceBlock(order), packet])])
    expect(damage).toBeUndefined()
    expect(frames.map((frame) => frame.comment)).toEqual(['one\ntwoo'])
  })
})

test('sections have byte orders and interfaces of their own', async () => {
  const sections = (['big', 'little', 'big'] as ByteOrder[]).flatMap((order, at) => [
    sectionHeader(order),
    interfaceBlock(order, { name: `first of ${at}`, resolution: 9 }),
    interfaceBlock(order, { name: `second of ${at}`, resolution: 6, linkType: 113 }),
    packetBlock(order, 'enhanced', sampleAt(0n), 7n, 1),
    packetBlock(order, 'enhanced', sampleAt(0n), 7n, 0),
  ])
  const { frames, damage } = await readAll([concatenated(sections)])
  expect(damage).toBeUndefined()
  expect(frames.map((frame) => frame.interfaceId)).toEqual([1, 0, 3, 2, 5, 4])
  expect(frames.map((frame) => frame.interfaceName)).toEqual(
    [0, 1, 2].flatMap((at) => [`second of ${at}`, `first of ${at}`]),
  )
  expect(frames.map((frame) => frame.timestamp)).toEqual([7000n, 7n, 7000n, 7n, 7000n, 7n])
  expect(frames.map((frame) => frame.linkType)).toEqual([113, 1, 113, 1, 113, 1])
})

/** Random frames through our writer; interfaces are added when a frame first needs them. */
function written(seed: number): { samples: Sample[]; parts: Uint8Array[] } {
  const parts: Uint8Array[] = []
  const writer = new PcapngWriter((bytes) => parts.push(bytes), { application: 'test' })
  const ids = new Map<number, number>()
  const samples = randomSamples(seeded(seed), 60, 5).map((sample) => {
    const id =
      ids.get(sample.interfaceId) ?? writer.addInterface(`vm${sample.interfaceId}:eth0`, { description: 'a vNIC' })
    ids.set(sample.interfaceId, id)
    const renumbered = { ...sample, interfaceId: id, timestamp: sample.timestamp + 3n }
    writer.write(id, renumbered.timestamp, sample.bytes, sample.comment, sample.originalLength)
    return renumbered
  })
  return { samples, parts }
}

test.each([21, 22, 23])('what is written is read as it was, and written alike again (seed %i)', async (seed) => {
  const { samples, parts } = written(seed)
  const { frames, damage } = await readAll(parts)
  expect(damage).toBeUndefined()
  expect(frames.map(essence)).toEqual(samples.map(essence))
  expect(concatenated(written(seed).parts)).toEqual(concatenated(parts))
})

test('a writer refuses what no reader would take', () => {
  const writer = new PcapngWriter(() => {})
  expect(() => writer.write(0, 0n, new Uint8Array(60))).toThrow('interface 0 is none of the 0 that were added')
  const id = writer.addInterface('a')
  expect(() => writer.write(id, -1n, new Uint8Array(60))).toThrow(RangeError)
  expect(() => writer.write(id, 1n << 64n, new Uint8Array(60))).toThrow(RangeError)
  expect(() => writer.write(id, 0n, new Uint8Array(262_145))).toThrow(RangeError)
  expect(() => writer.write(id, 0n, new Uint8Array(60), 'x'.repeat(65_536))).toThrow(RangeError)
})
