import { describe, expect, test } from 'vitest'
import { seeded } from '../../../runtime/random.ts'
import {
  block,
  concatenated,
  interfaceBlock,
  packetBlock,
  pcapParts,
  randomSamples,
  sectionHeader,
  unknownBlock,
} from '../../support/capture-files.ts'
import { inPieces, readAll } from '../../support/capture-reading.ts'
import type { Reading } from '../../support/capture-reading.ts'

/** The parts of one small file per format, and which of its parts are frames. */
function smallFiles(): { name: string; parts: Uint8Array[]; isFrame: (part: number) => boolean }[] {
  const samples = randomSamples(seeded(31), 6).map((sample) => ({ ...sample, originalLength: sample.bytes.length }))
  const packets = samples.map((sample, at) =>
    packetBlock('little', (['enhanced', 'obsolete', 'simple'] as const)[at % 3]!, sample, sample.timestamp, 0),
  )
  return [
    { name: 'pcap', parts: pcapParts(samples, 'big', 'us'), isFrame: (part) => part > 0 },
    {
      name: 'pcapng',
      parts: [sectionHeader('little'), interfaceBlock('little', { name: 'a' }), ...packets, unknownBlock('little', 8)],
      isFrame: (part) => part >= 2 && part < 2 + packets.length,
    },
  ]
}

describe.each(smallFiles())('a $name', ({ parts, isFrame }) => {
  const file = concatenated(parts)

  test('cut at any byte gives its whole frames, then says where it broke', async () => {
    for (let cut = 0; cut <= file.length; cut++) {
      const { frames, damage } = await readAll([file.subarray(0, cut)])
      const { whole, brokenAt } = cutting(cut)
      expect(frames.length, `cut at ${cut}`).toBe(whole)
      const broken = damage && { offset: damage.offset, framesRead: damage.framesRead }
      expect(broken, `cut at ${cut}`).toEqual(
        brokenAt === undefined ? undefined : { offset: brokenAt, framesRead: whole },
      )
    }
  })

  /** What must be found in the first `cut` bytes. A cut between two parts breaks nothing, but for an empty file. */
  function cutting(cut: number): { whole: number; brokenAt: number | undefined } {
    let end = 0
    let whole = 0
    for (const [at, part] of parts.entries()) {
      if (cut < end + part.length) return { whole, brokenAt: cut === end && cut > 0 ? undefined : end }
      end += part.length
      if (isFrame(at)) whole++
    }
    return { whole, brokenAt: undefined }
  }

  test('gives the same frames in whatever pieces it arrives', async () => {
    const expected = await readAll([file])
    const random = seeded(41)
    for (let size = 1; size < 60; size++) expect(await readAll(inPieces(file, () => size))).toEqual(expected)
    for (let round = 0; round < 100; round++)
      expect(await readAll(inPieces(file, () => random.below(120)))).toEqual(expected)
  })

  test('with any bit flipped gives frames or says what is wrong, in any pieces', async () => {
    const inPiecesToo: { flipped: Uint8Array; whole: Reading }[] = []
    for (let bit = 0; bit < 8 * file.length; bit++) {
      const flipped = file.slice()
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      const whole = await readAll([flipped])
      expect(whole.damage === undefined || whole.damage.framesRead === whole.frames.length, `bit ${bit}`).toBe(true)
      if (bit % 16 === 0) inPiecesToo.push({ flipped, whole })
    }
    for (const { flipped, whole } of inPiecesToo) expect(await readAll(inPieces(flipped, () => 13))).toEqual(whole)
  })
})

/** What is said of a file of these bytes. */
const complaint = async (...parts: Uint8Array[]) => (await readAll([concatenated(parts)])).damage?.message

describe('a file that is no capture is refused with a sentence', () => {
  test.each([
    ['nothing', [], 'is empty; expected a pcap or pcapng capture'],
    ['gzip', [0x1f, 0x8b, 8, 0], 'is gzip-compressed; unpack it first'],
    ['zstd', [0x28, 0xb5, 0x2f, 0xfd], 'is zstd-compressed; unpack it first'],
    [
      'text',
      [0x7b, 0x22, 0x61, 0x22],
      'is not a capture: it begins with the bytes 7b 22 61 22; expected pcap or pcapng',
    ],
    ['three bytes', [0xa1, 0xb2, 0xc3], 'the file ends after 3 bytes of the file header; expected 4'],
    ['Kuznetzov, big', [0xa1, 0xb2, 0xcd, 0x34], "modified pcap format of Kuznetzov's libpcap patches"],
    ['Kuznetzov, little', [0x34, 0xcd, 0xb2, 0xa1], 'convert it with `editcap -F pcapng` first'],
  ])('%s', async (_, bytes, expected) => {
    expect(await complaint(Uint8Array.from(bytes))).toContain(expected)
  })

  test('a pcap of another version', async () => {
    const [header] = pcapParts([], 'little', 'us')
    header![4] = 3
    expect(await complaint(header!)).toContain('is a pcap file of version 3.4; expected version 2.4')
  })
})

describe('damage is named: what, where, what was expected', () => {
  const [first] = randomSamples(seeded(51), 1)
  const sample = { ...first!, bytes: new Uint8Array(8) }
  const prelude = [sectionHeader('big'), interfaceBlock('big')]
  const preludeSize = concatenated(prelude).length

  test('a frame of absurd length', async () => {
    const parts = pcapParts([sample, sample], 'big', 'us')
    parts[2]![8] = 0x7f
    expect(await complaint(...parts)).toBe(
      'frame 2 claims 2130706440 bytes; expected at most 262144 (at byte 48, after 1 whole frame)',
    )
  })

  test.each([
    ['a length that is no multiple of 4', 13],
    ['a length below the least', 8],
    ['a length beyond 16 MiB', 16 * 1024 * 1024 + 4],
  ])('a block with %s', async (_, size) => {
    const broken = unknownBlock('big', 4)
    new DataView(broken.buffer).setUint32(4, size)
    expect(await complaint(...prelude, broken)).toBe(
      `a block of type 0x0badcafe claims a length of ${size} bytes; expected a multiple of 4 from 12 to 16777216 ` +
        `(at byte ${preludeSize}, after 0 whole frames)`,
    )
  })

  test('a block whose two lengths differ', async () => {
    const broken = unknownBlock('big', 4)
    new DataView(broken.buffer).setUint32(12, 20)
    expect(await complaint(...prelude, broken)).toContain('says it has 16 bytes at its start and 20 at its end')
  })

  test('a frame of an interface that was not described', async () => {
    const packet = packetBlock('big', 'enhanced', sample, 0n, 1)
    expect(await complaint(...prelude, packet)).toContain(
      'frame 1 names interface 1; expected one of the 1 that its section has described so far',
    )
  })

  test('a frame longer than its block', async () => {
    const packet = packetBlock('big', 'enhanced', { ...sample, bytes: new Uint8Array(8) }, 0n, 0)
    packet[23] = 200
    expect(await complaint(...prelude, packet)).toContain('claims 200 bytes; expected at most')
  })

  test('a packet block too short for its own fields', async () => {
    const packet = block('big', 6, (body) => body.number(0, 4).number(0, 8))
    expect(await complaint(...prelude, packet)).toContain('a packet block has 24 bytes; expected at least 32')
  })

  test('an option that leaves its block', async () => {
    const broken = block('big', 1, (body) => body.number(1, 2).number(0, 6).number(2, 2).number(9, 2).number(0, 4))
    expect(await complaint(sectionHeader('big'), broken)).toContain(
      'option 2 of a block claims 9 bytes; expected at most the 4 left in the block',
    )
  })

  test('a section of another version or byte order', async () => {
    const newer = sectionHeader('big')
    newer[13] = 2
    expect(await complaint(newer)).toContain('a section is of pcapng version 2.0; expected version 1.0')
    const scrambled = sectionHeader('big')
    scrambled[8] = 0
    expect(await complaint(scrambled)).toContain('byte-order magic')
  })
})
