import { viewOf } from '../bytes.ts'
import { CaptureDamaged } from './capture-damaged.ts'
import type { AwaitedRecord, CaptureParser } from './capture-parser.ts'
import type { FrameBatch } from './frame-batch.ts'
import { MAGIC_MICROSECONDS, MAGIC_NANOSECONDS } from './pcap-format.ts'
import { PcapParser } from './pcap-parser.ts'
import { SECTION_HEADER } from './pcapng-format.ts'
import { PcapngParser } from './pcapng-parser.ts'

const MAGIC_SIZE = 4
const MAGIC_KUZNETZOV = 0xa1b2cd34

/** First bytes of files that people take for captures, and what to do about each. */
const RELATIVES: readonly (readonly [firstBytes: readonly number[], problem: string])[] = [
  [[0x1f, 0x8b], 'is gzip-compressed; unpack it first'],
  [[0x28, 0xb5, 0x2f, 0xfd], 'is zstd-compressed; unpack it first'],
  [[0x04, 0x22, 0x4d, 0x18], 'is LZ4-compressed; unpack it first'],
  [[0xfd, 0x37, 0x7a, 0x58], 'is xz-compressed; unpack it first'],
  [[0x42, 0x5a, 0x68], 'is bzip2-compressed; unpack it first'],
  [[0x50, 0x4b, 0x03, 0x04], 'is a zip archive; unpack it first'],
  [[0x73, 0x6e, 0x6f, 0x6f], 'is a snoop capture; convert it with `editcap -F pcapng` first'],
]

/** Looks at the first bytes of a file, then leaves the rest to the parser of its format. */
export class FormatDetector implements CaptureParser {
  #parser: CaptureParser | undefined
  readonly #awaitedMagic: AwaitedRecord = { what: 'the file header', size: MAGIC_SIZE }

  get framesRead(): number {
    return this.#parser?.framesRead ?? 0
  }

  get awaited(): AwaitedRecord {
    return this.#parser?.awaited ?? this.#awaitedMagic
  }

  parse(bytes: Uint8Array, at: number, offset: number, frames: FrameBatch): number {
    if (this.#parser === undefined) {
      if (bytes.length - at < MAGIC_SIZE) return at
      this.#parser = parserFor(bytes.subarray(at, at + MAGIC_SIZE))
    }
    return this.#parser.parse(bytes, at, offset, frames)
  }
}

function parserFor(magic: Uint8Array): CaptureParser {
  const view = viewOf(magic)
  for (const littleEndian of [true, false]) {
    const word = view.getUint32(0, littleEndian)
    if (word === MAGIC_MICROSECONDS) return new PcapParser(littleEndian, 'us')
    if (word === MAGIC_NANOSECONDS) return new PcapParser(littleEndian, 'ns')
    if (word === SECTION_HEADER) return new PcapngParser()
    if (word === MAGIC_KUZNETZOV)
      throw new CaptureDamaged(
        0,
        0,
        "is in the modified pcap format of Kuznetzov's libpcap patches; convert it with `editcap -F pcapng` first",
      )
  }
  throw new CaptureDamaged(0, 0, describeUnknown(magic))
}

function describeUnknown(magic: Uint8Array): string {
  const relative = RELATIVES.find(([firstBytes]) => firstBytes.every((byte, at) => magic[at] === byte))
  if (relative !== undefined) return relative[1]
  const seen = Array.from(magic, (byte) => byte.toString(16).padStart(2, '0')).join(' ')
  return `is not a capture: it begins with the bytes ${seen}; expected pcap or pcapng`
}
