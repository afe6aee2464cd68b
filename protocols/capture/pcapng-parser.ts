import { viewOf } from '../bytes.ts'
import { CaptureDamaged } from './capture-damaged.ts'
import type { AwaitedRecord, CaptureParser } from './capture-parser.ts'
import { MAX_FRAME_SIZE } from './captured-frame.ts'
import type { FrameBatch, FrameInterface } from './frame-batch.ts'
import * as pcapng from './pcapng-format.ts'
import { timeScale, toNanoseconds } from './pcapng-time.ts'
import type { TimeScale } from './pcapng-time.ts'

/** One interface of the current section. */
interface Interface extends FrameInterface {
  snapLength: number
  time: TimeScale
}

/** One whole block: `at` and `end` are its bounds in `view`, `offset` its place in the file. */
interface Block {
  view: DataView
  at: number
  end: number
  offset: number
}

const MAX_INTERFACES = 65_536
const MICROSECONDS_PER_SECOND = 1e6
const NANOSECONDS_PER_SECOND = 1_000_000_000n

export class PcapngParser implements CaptureParser {
  framesRead = 0
  awaited: AwaitedRecord = { what: 'the section header', size: pcapng.section.options }
  #littleEndian = true
  #interfaces: Interface[] = []
  #interfacesBefore = 0
  readonly #text = new TextDecoder()

  parse(bytes: Uint8Array, at: number, offset: number, frames: FrameBatch): number {
    const view = viewOf(bytes)
    while (bytes.length - at >= pcapng.BLOCK_OVERHEAD) {
      const size = this.#blockSize(view, at, offset + at)
      if (bytes.length - at < size) return this.#await(at, `a block of type ${this.#typeOf(view, at)}`, size)
      this.#checkTrailer(view, at, size, offset + at)
      this.#readBlock({ view, at, end: at + size - 4, offset: offset + at }, frames)
      at += size
    }
    return this.#await(at, 'the header of a block', pcapng.BLOCK_OVERHEAD)
  }

  /** A section header tells its byte order before its length; it reads the same in both orders. */
  #blockSize(view: DataView, at: number, offset: number): number {
    if (view.getUint32(at) === pcapng.SECTION_HEADER) this.#setByteOrder(view, at, offset)
    const size = view.getUint32(at + pcapng.TOTAL_LENGTH, this.#littleEndian)
    if (size < pcapng.BLOCK_OVERHEAD || size > pcapng.MAX_BLOCK_SIZE || size % 4 !== 0)
      throw this.#damage(
        offset,
        `a block of type ${this.#typeOf(view, at)} claims a length of ${size} bytes; ` +
          `expected a multiple of 4 from ${pcapng.BLOCK_OVERHEAD} to ${pcapng.MAX_BLOCK_SIZE}`,
      )
    return size
  }

  #setByteOrder(view: DataView, at: number, offset: number): void {
    const magic = view.getUint32(at + pcapng.section.byteOrder, true)
    this.#littleEndian = magic === pcapng.BYTE_ORDER_MAGIC
    if (!this.#littleEndian && view.getUint32(at + pcapng.section.byteOrder) !== pcapng.BYTE_ORDER_MAGIC)
      throw this.#damage(offset, `a section header has the byte-order magic ${hex(magic)}; expected 0x1a2b3c4d`)
  }

  #checkTrailer(view: DataView, at: number, size: number, offset: number): void {
    const trailer = view.getUint32(at + size - 4, this.#littleEndian)
    if (trailer !== size)
      throw this.#damage(
        offset,
        `a block of type ${this.#typeOf(view, at)} says it has ${size} bytes at its start and ${trailer} at its end; ` +
          'expected the same length twice',
      )
  }

  #readBlock(block: Block, frames: FrameBatch): void {
    switch (block.view.getUint32(block.at, this.#littleEndian)) {
      case pcapng.ENHANCED_PACKET:
        this.#readPacket(block, this.#readUint32(block, pcapng.packet.interface), frames)
        break
      case pcapng.PACKET:
        this.#readPacket(block, this.#readUint16(block, pcapng.packet.interface), frames)
        break
      case pcapng.SIMPLE_PACKET:
        this.#readSimplePacket(block, frames)
        break
      case pcapng.INTERFACE_DESCRIPTION:
        this.#readInterface(block)
        break
      case pcapng.SECTION_HEADER:
        this.#readSection(block)
    }
  }

  #readSection(block: Block): void {
    this.#needs(block, pcapng.section.options, 'a section header')
    const major = this.#readUint16(block, pcapng.section.major)
    const minor = this.#readUint16(block, pcapng.section.minor)
    if (major !== 1)
      throw this.#damage(block.offset, `a section is of pcapng version ${major}.${minor}; expected version 1.0`)
    this.#interfacesBefore += this.#interfaces.length
    this.#interfaces = []
  }

  #readInterface(block: Block): void {
    this.#needs(block, pcapng.description.options, 'an interface description')
    if (this.#interfaces.length === MAX_INTERFACES)
      throw this.#damage(block.offset, `a section describes more interfaces than expected: at most ${MAX_INTERFACES}`)
    let name: string | undefined
    let resolution: number | undefined
    let timeOffset: bigint | undefined
    this.#eachOption(block, block.at + pcapng.description.options, (code, at, length) => {
      if (code === pcapng.option.interfaceName) name = this.#readText(block, at, length)
      if (code === pcapng.option.timeResolution && length >= 1) resolution = block.view.getUint8(at)
      if (code === pcapng.option.timeOffset && length >= 8) timeOffset = block.view.getBigInt64(at, this.#littleEndian)
    })
    this.#interfaces.push({
      id: this.#interfacesBefore + this.#interfaces.length,
      name,
      linkType: this.#readUint16(block, pcapng.description.linkType),
      snapLength: this.#readUint32(block, pcapng.description.snapLength),
      time: timeScale(resolution, timeOffset),
    })
  }

  /** Enhanced and obsolete packet blocks differ in the width of the interface's number alone. */
  #readPacket(block: Block, interfaceNumber: number, frames: FrameBatch): void {
    this.#needs(block, pcapng.packet.bytes, 'a packet block')
    const description = this.#interface(block, interfaceNumber)
    const captured = this.#readUint32(block, pcapng.packet.captured)
    this.#checkCaptured(block, captured, block.end - block.at - pcapng.packet.bytes)
    const options = block.at + pcapng.packet.bytes + pcapng.padded(captured)
    const comment = options < block.end ? this.#readComments(block, options) : undefined
    const originalLength = this.#readUint32(block, pcapng.packet.original)
    frames.add(block.offset, block.at + pcapng.packet.bytes, captured, originalLength, description)
    this.#stamp(block, description.time, frames)
    if (comment !== undefined) frames.comment(comment)
    this.framesRead++
  }

  /** It has no captured length: the interface's snap length says where the bytes were cut. */
  #readSimplePacket(block: Block, frames: FrameBatch): void {
    this.#needs(block, pcapng.simple.bytes, 'a simple packet block')
    const description = this.#interface(block, 0)
    const original = this.#readUint32(block, pcapng.simple.original)
    const captured = Math.min(original, description.snapLength || original)
    this.#checkCaptured(block, captured, block.end - block.at - pcapng.simple.bytes)
    frames.add(block.offset, block.at + pcapng.simple.bytes, captured, original, description)
    this.framesRead++
  }

  #stamp(block: Block, scale: TimeScale, frames: FrameBatch): void {
    const high = this.#readUint32(block, pcapng.packet.timeHigh)
    const low = this.#readUint32(block, pcapng.packet.timeLow)
    const ticks = high * 2 ** 32 + low
    if (scale.isPlainMicroseconds && ticks <= Number.MAX_SAFE_INTEGER) {
      const seconds = Math.floor(ticks / MICROSECONDS_PER_SECOND)
      frames.stamp(seconds, (ticks - seconds * MICROSECONDS_PER_SECOND) * 1000)
      return
    }
    const nanoseconds = toNanoseconds((BigInt(high) << 32n) | BigInt(low), scale)
    frames.stamp(Number(nanoseconds / NANOSECONDS_PER_SECOND), Number(nanoseconds % NANOSECONDS_PER_SECOND))
  }

  #readComments(block: Block, at: number): string | undefined {
    const comments: string[] = []
    this.#eachOption(block, at, (code, valueAt, length) => {
      if (code === pcapng.option.comment) comments.push(this.#readText(block, valueAt, length))
    })
    return comments.length === 0 ? undefined : comments.join('\n')
  }

  #eachOption(block: Block, at: number, read: (code: number, at: number, length: number) => void): void {
    const { view, end } = block
    while (at < end) {
      const code = view.getUint16(at, this.#littleEndian)
      const length = view.getUint16(at + 2, this.#littleEndian)
      if (code === pcapng.option.end) return
      at += pcapng.OPTION_HEADER_SIZE
      if (length > end - at)
        throw this.#damage(
          block.offset,
          `option ${code} of a block claims ${length} bytes; expected at most the ${end - at} left in the block`,
        )
      read(code, at, length)
      at += pcapng.padded(length)
    }
  }

  /** Some writers end text with a zero byte, though the format does not. */
  #readText({ view }: Block, at: number, length: number): string {
    return this.#text.decode(new Uint8Array(view.buffer, view.byteOffset + at, length)).replace(/\0+$/, '')
  }

  #readUint16 = (block: Block, at: number) => block.view.getUint16(block.at + at, this.#littleEndian)
  #readUint32 = (block: Block, at: number) => block.view.getUint32(block.at + at, this.#littleEndian)

  #interface(block: Block, number: number): Interface {
    const description = this.#interfaces[number]
    if (description !== undefined) return description
    throw this.#damage(
      block.offset,
      `frame ${this.framesRead + 1} names interface ${number}; expected one of the ${this.#interfaces.length} ` +
        'that its section has described so far',
    )
  }

  #checkCaptured(block: Block, captured: number, room: number): void {
    const most = Math.min(room, MAX_FRAME_SIZE)
    if (captured <= most) return
    throw this.#damage(
      block.offset,
      `frame ${this.framesRead + 1} claims ${captured} bytes; expected at most ${most}, ` +
        (most === room ? 'what its block has room for' : 'the longest frame that is read'),
    )
  }

  #needs(block: Block, least: number, what: string): void {
    if (block.end - block.at >= least) return
    const size = block.end - block.at + 4
    throw this.#damage(block.offset, `${what} has ${size} bytes; expected at least ${least + 4}`)
  }

  #typeOf = (view: DataView, at: number) => hex(view.getUint32(at, this.#littleEndian))

  #damage(offset: number, problem: string): CaptureDamaged {
    return new CaptureDamaged(offset, this.framesRead, problem)
  }

  #await(at: number, what: string, size: number): number {
    this.awaited = { what, size }
    return at
  }
}

const hex = (word: number) => `0x${word.toString(16).padStart(8, '0')}`
