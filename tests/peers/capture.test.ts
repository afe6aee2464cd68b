// What Wireshark's own programs make of our captures, and we of theirs. Needs the Debian package tshark.

import { execFileSync } from 'node:child_process'
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { CapturedFrame } from '../../protocols/capture/capture.ts'
import { PcapWriter } from '../../protocols/capture/pcap-writer.ts'
import { PcapngWriter } from '../../protocols/capture/pcapng-writer.ts'
import { seeded } from '../../runtime/random.ts'
import {
  concatenated,
  interfaceBlock,
  packetBlock,
  pcapParts,
  randomSamples,
  sectionHeader,
} from '../support/capture-files.ts'
import { readAll } from '../support/capture-reading.ts'
import { captures } from './support/captures.ts'

const directory = mkdtempSync(join(tmpdir(), 'signalbox-capture-'))
afterAll(() => rmSync(directory, { recursive: true }))

const LIMIT = 256 * 1024 * 1024
const run = (program: string, ...words: string[]) =>
  execFileSync(program, words, { encoding: 'utf8', maxBuffer: LIMIT, stdio: ['ignore', 'pipe', 'ignore'] })

function file(name: string, parts: readonly Uint8Array[]): string {
  const path = join(directory, name)
  writeFileSync(path, concatenated(parts))
  return path
}

/** One line per frame, one column per field, none of the frames dissected further than need be. */
function fieldsByTshark(path: string, ...fields: string[]): string[][] {
  const words = fields.flatMap((field) => ['-e', field])
  const text = run('tshark', '-n', '-r', path, '-T', 'fields', ...words)
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split('\t'))
}

/** As tshark reads a file: of each frame its time, its lengths and its bytes as hex. */
function rowsByTshark(path: string): string[][] {
  const packets = JSON.parse(run('tshark', '-n', '-r', path, '-T', 'json', '-x', '-j', 'frame')) as Record<
    string,
    Packet
  >[]
  return packets.map((packet) => {
    const { frame, frame_raw: raw } = packet[LAYERS]!.layers
    return [...TIME_AND_LENGTHS.map((field) => frame[field]!), raw[0]]
  })
}

const LAYERS = '_source'

interface Packet {
  layers: { frame: Record<string, string>; frame_raw: [bytes: string] }
}

const TIME_AND_LENGTHS = ['frame.time_epoch', 'frame.cap_len', 'frame.len']

const inSeconds = (nanoseconds: bigint) =>
  `${nanoseconds / 1_000_000_000n}.${String(nanoseconds % 1_000_000_000n).padStart(9, '0')}`

const timeAndLengths = ({
  timestamp,
  bytes,
  originalLength,
}: Pick<CapturedFrame, 'timestamp' | 'bytes' | 'originalLength'>) => [
  inSeconds(timestamp),
  String(bytes.length),
  String(originalLength),
]

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** A file as we read it and as tshark does: times to the nanosecond, lengths, bytes. */
async function bothReadings(path: string) {
  const { frames, damage } = await readAll(createReadStream(path))
  const ours = frames.map((frame) => [...timeAndLengths(frame), hex(frame.bytes)])
  return { frames, problem: damage?.problem, ours, tsharks: rowsByTshark(path) }
}

/** Long enough to be Ethernet: tshark has no bytes for an empty frame. */
const samples = (seed: number, interfaces = 1) =>
  randomSamples(seeded(seed), 200, interfaces).filter(({ bytes }) => bytes.length >= 14)

describe('what we write', () => {
  test('as pcapng is accepted by capinfos, and tshark reads names, comments, times and bytes', async () => {
    const names = ['web1:eth0', 'db1:eth0', 'h1/uplink']
    const parts: Uint8Array[] = []
    const writer = new PcapngWriter((bytes) => parts.push(bytes), { application: 'signalbox 0.1.0' })
    for (const name of names) writer.addInterface(name, { description: `a port, ${name}` })
    const written = samples(1, 3).map((sample) => ({ ...sample, timestamp: sample.timestamp + 789n }))
    for (const { interfaceId, timestamp, bytes, comment, originalLength } of written)
      writer.write(interfaceId, timestamp, bytes, comment, originalLength)
    const path = file('ours.pcapng', parts)

    const information = run('capinfos', '-M', path)
    expect(information).toMatch(/File type: +pcapng\n/)
    expect(information).toMatch(new RegExp(`Number of packets: +${written.length}\\n`))
    expect(information).toMatch(/Capture application: +signalbox 0\.1\.0\n/)
    expect(information).toMatch(/Capture hardware: +signalbox\n/)
    for (const name of names) expect(information).toContain(`Name = ${name}`)
    expect(fieldsByTshark(path, 'frame.interface_name', 'frame.comment', 'frame.interface_id')).toEqual(
      written.map(({ interfaceId, comment }) => [names[interfaceId], comment ?? '', String(interfaceId)]),
    )
    const { ours, tsharks } = await bothReadings(path)
    expect(ours).toEqual(tsharks)
  })

  test.each(['us', 'ns'] as const)('as pcap in %s is accepted by capinfos and tshark', async (resolution) => {
    const parts: Uint8Array[] = []
    const writer = new PcapWriter((bytes) => parts.push(bytes), { resolution })
    const written = samples(2)
    for (const { timestamp, bytes, originalLength } of written) writer.write(timestamp, bytes, originalLength)
    const path = file(`ours-${resolution}.pcap`, parts)
    expect(run('capinfos', '-M', path)).toMatch(new RegExp(`Number of packets: +${written.length}\\n`))
    const { ours, tsharks } = await bothReadings(path)
    expect(ours).toHaveLength(written.length)
    expect(ours).toEqual(tsharks)
  })
})

describe('our test files mean to tshark what they mean to us', () => {
  test.each([
    ['little', 'us'],
    ['little', 'ns'],
    ['big', 'us'],
    ['big', 'ns'],
  ] as const)('pcap, %s endian, %s', async (order, resolution) => {
    const path = file(`${order}-${resolution}.pcap`, pcapParts(samples(3), order, resolution))
    const { ours, tsharks } = await bothReadings(path)
    expect(ours.length).toBeGreaterThan(0)
    expect(ours).toEqual(tsharks)
  })

  test.each([
    ['2^-30 s', { resolution: 0x80 | 30 }, 1_700_000_000n << 30n],
    ['2^-20 s', { resolution: 0x80 | 20 }, 1_700_000_000n << 20n],
    ['10^-3 s after an offset', { resolution: 3, offset: 1_600_000_000n }, 5_000n],
    ['10^-9 s', { resolution: 9 }, 1_700_000_000_000_000_000n],
  ])('pcapng of two sections, times in %s', async (_, variant, start) => {
    const parts = (['big', 'little'] as const).flatMap((order) => [
      sectionHeader(order),
      interfaceBlock(order, { ...variant, name: `${order} a` }),
      interfaceBlock(order, { ...variant, name: `${order} b` }),
      ...samples(4, 2).map((sample, at) =>
        packetBlock(
          order,
          at % 2 === 0 ? 'enhanced' : 'obsolete',
          sample,
          start + BigInt(at) * 7919n,
          sample.interfaceId,
        ),
      ),
    ])
    const path = file('sections.pcapng', parts)
    const { frames, ours, tsharks } = await bothReadings(path)
    expect(ours.length).toBeGreaterThan(0)
    expect(ours).toEqual(tsharks)
    expect(frames.map((frame) => frame.comment ?? '')).toEqual(fieldsByTshark(path, 'frame.comment').flat())
    // tshark 4.0 gives frames of later sections the names of the first section's interfaces; hence the first alone.
    const inFirst = frames.filter((frame) => frame.interfaceId < 2)
    expect(inFirst.map((frame) => frame.interfaceName)).toEqual(
      fieldsByTshark(path, 'frame.interface_name').flat().slice(0, inFirst.length),
    )
  })
})

describe('captures of real stacks', () => {
  test.each([...captures])('%s reads as tshark reads it', async (_name, path) => {
    const { problem, ours, tsharks } = await bothReadings(path)
    expect(problem).toBeUndefined()
    expect(ours.length).toBeGreaterThan(0)
    expect(ours).toEqual(tsharks)
  })

  test.each(
    [...captures].flatMap(([name, from]) =>
      ['pcap', 'nsecpcap', 'pcapng'].map((format) => [name, format, from] as const),
    ),
  )('%s reads alike after `editcap -F %s`', async (name, format, from) => {
    const path = join(directory, `${format}-${name}`)
    run('editcap', '-F', format, from, path)
    const { ours, tsharks } = await bothReadings(path)
    expect(ours).toEqual(tsharks)
    const before = await readAll(createReadStream(from))
    // That format has microseconds.
    const rows = before.frames.map((frame) => [...timeAndLengths(frame), hex(frame.bytes)])
    const kept = ([time = '', ...rest]: string[]) => [format === 'pcap' ? `${time.slice(0, -3)}000` : time, ...rest]
    expect(ours).toEqual(rows.map(kept))
  })
})
