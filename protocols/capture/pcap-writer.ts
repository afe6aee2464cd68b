import { viewOf } from '../bytes.ts'
import { LINK_TYPE_ETHERNET, MAX_FRAME_SIZE } from './captured-frame.ts'
import * as pcap from './pcap-format.ts'

export interface PcapOptions {
  /** The unit of the times that are kept; finer ones are cut down. Default: ns. */
  resolution?: 'us' | 'ns'
  linkType?: number
}

const NANOSECONDS_PER_SECOND = 1_000_000_000n

/** Writes a classic capture, little endian. Each call of `sink` gets one record, in memory of its own. */
export class PcapWriter {
  readonly #sink: (bytes: Uint8Array) => void
  readonly #nanosecondsPerTick: bigint

  constructor(sink: (bytes: Uint8Array) => void, options: PcapOptions = {}) {
    const { resolution = 'ns', linkType = LINK_TYPE_ETHERNET } = options
    this.#sink = sink
    this.#nanosecondsPerTick = resolution === 'us' ? 1000n : 1n
    this.#writeHeader(resolution === 'us' ? pcap.MAGIC_MICROSECONDS : pcap.MAGIC_NANOSECONDS, linkType)
  }

  /** @throws RangeError for a time before 1970 or after 2106, or a frame that no reader would take. */
  write(timestamp: bigint, bytes: Uint8Array, originalLength = bytes.length): void {
    const seconds = timestamp / NANOSECONDS_PER_SECOND
    if (timestamp < 0n || seconds >= 1n << 32n) throw new RangeError(`a pcap has no time ${timestamp} ns after 1970`)
    if (bytes.length > MAX_FRAME_SIZE)
      throw new RangeError(`a frame of ${bytes.length} bytes is too long for a capture`)
    const record = new Uint8Array(pcap.RECORD_HEADER_SIZE + bytes.length)
    const view = viewOf(record)
    view.setUint32(pcap.SECONDS, Number(seconds), true)
    view.setUint32(pcap.FRACTION, Number((timestamp % NANOSECONDS_PER_SECOND) / this.#nanosecondsPerTick), true)
    view.setUint32(pcap.CAPTURED_LENGTH, bytes.length, true)
    view.setUint32(pcap.ORIGINAL_LENGTH, originalLength, true)
    record.set(bytes, pcap.RECORD_HEADER_SIZE)
    this.#sink(record)
  }

  #writeHeader(magic: number, linkType: number): void {
    const header = new Uint8Array(pcap.FILE_HEADER_SIZE)
    const view = viewOf(header)
    view.setUint32(0, magic, true)
    view.setUint16(pcap.MAJOR, 2, true)
    view.setUint16(pcap.MINOR, 4, true)
    view.setUint32(pcap.SNAP_LENGTH, MAX_FRAME_SIZE, true)
    view.setUint32(pcap.LINK_TYPE, linkType, true)
    this.#sink(header)
  }
}
