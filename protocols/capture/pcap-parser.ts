import { viewOf } from '../bytes.ts'
import { CaptureDamaged } from './capture-damaged.ts'
import type { AwaitedRecord, CaptureParser } from './capture-parser.ts'
import { MAX_FRAME_SIZE } from './captured-frame.ts'
import type { FrameBatch, FrameInterface } from './frame-batch.ts'
import * as pcap from './pcap-format.ts'

export class PcapParser implements CaptureParser {
  framesRead = 0
  awaited: AwaitedRecord = { what: 'the file header', size: pcap.FILE_HEADER_SIZE }
  #headerRead = false
  /** The only one there is. */
  readonly #interface: FrameInterface = { id: 0, name: undefined, linkType: 0 }
  readonly #littleEndian: boolean
  readonly #nanosecondsPerTick: number

  constructor(littleEndian: boolean, resolution: 'us' | 'ns') {
    this.#littleEndian = littleEndian
    this.#nanosecondsPerTick = resolution === 'us' ? 1000 : 1
  }

  parse(bytes: Uint8Array, at: number, offset: number, frames: FrameBatch): number {
    const view = viewOf(bytes)
    if (!this.#headerRead) {
      if (bytes.length - at < pcap.FILE_HEADER_SIZE) return at
      this.#readHeader(view, at, offset + at)
      at += pcap.FILE_HEADER_SIZE
    }
    while (bytes.length - at >= pcap.RECORD_HEADER_SIZE) {
      const captured = view.getUint32(at + pcap.CAPTURED_LENGTH, this.#littleEndian)
      if (captured > MAX_FRAME_SIZE) throw this.#absurdLength(captured, offset + at)
      const size = pcap.RECORD_HEADER_SIZE + captured
      if (bytes.length - at < size) return this.#await(at, '', size)
      this.#readFrame(view, at, offset + at, captured, frames)
      at += size
    }
    return this.#await(at, 'the header of ', pcap.RECORD_HEADER_SIZE)
  }

  #readHeader(view: DataView, at: number, offset: number): void {
    const major = view.getUint16(at + pcap.MAJOR, this.#littleEndian)
    const minor = view.getUint16(at + pcap.MINOR, this.#littleEndian)
    if (major !== 2 || minor !== 4)
      throw new CaptureDamaged(offset, 0, `is a pcap file of version ${major}.${minor}; expected version 2.4`)
    this.#interface.linkType = view.getUint32(at + pcap.LINK_TYPE, this.#littleEndian) & pcap.LINK_TYPE_BITS
    this.#headerRead = true
  }

  #readFrame(view: DataView, at: number, offset: number, captured: number, frames: FrameBatch): void {
    const littleEndian = this.#littleEndian
    const originalLength = view.getUint32(at + pcap.ORIGINAL_LENGTH, littleEndian)
    this.framesRead++
    frames.add(offset, at + pcap.RECORD_HEADER_SIZE, captured, originalLength, this.#interface)
    frames.stamp(
      view.getUint32(at + pcap.SECONDS, littleEndian),
      view.getUint32(at + pcap.FRACTION, littleEndian) * this.#nanosecondsPerTick,
    )
  }

  #await(at: number, part: string, size: number): number {
    this.awaited = { what: `${part}frame ${this.framesRead + 1}`, size }
    return at
  }

  #absurdLength(captured: number, offset: number): CaptureDamaged {
    const problem = `frame ${this.framesRead + 1} claims ${captured} bytes; expected at most ${MAX_FRAME_SIZE}`
    return new CaptureDamaged(offset, this.framesRead, problem)
  }
}
