import { CaptureDamaged } from './capture-damaged.ts'
import { viewOf } from './capture-parser.ts'
import type { AwaitedRecord, CaptureParser } from './capture-parser.ts'
import { MAX_FRAME_SIZE } from './captured-frame.ts'
import type { CapturedFrame } from './captured-frame.ts'
import * as pcapng from './pcapng-format.ts'
import { timeScale, toNanoseconds } from './pcapng-time.ts'
import type { TimeScale } from './pcapng-time.ts'

/** One interface of the current section. */
interface Interface {
  id: number
  name: string | undefined
  linkType: number
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

export class PcapngParser implements CaptureParser {
  framesRead = 0
  awaited: AwaitedRecord = { what: 'the section header', size: pcapng.section.options }
  #littleEndian = true
  #interfaces: Interface[] = []
  #interfacesBefore = 0
  readonly #ticks = new DataView(new ArrayBuffer(8))
  readonly #text = new TextDecoder()

  parse(bytes: Uint8Array, at: number, offset: number, frames: CapturedFrame[]): number {
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

  #readBlock(block: Block, frames: CapturedFrame[]): void {
    switch (block.view.getUint32(block.at, this.#littleEndian)) {
      case pcapng.ENHANCED_PACKET:
        frames.push(this.#readPacket(block, this.#readUint32(block, pcapng.packet.interface)))
        break
      case pcapng.PACKET:
        frames.push(this.#readPacket(block, this.#readUint16(block, pcapng.packet.interface)))
        break
      case pcapng.SIMPLE_PACKET:
        frames.push(this.#readSimplePacket(block))
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
  #readPacket(block: Block, interfaceNumber: number): CapturedFrame {
    this.#needs(block, pcapng.packet.bytes, 'a packet block')
    const description = this.#interface(block, interfaceNumber)
    const captured = this.#readUint32(block, pcapng.packet.captured)
    this.#checkCaptured(block, captured, block.end - block.at - pcapng.packet.bytes)
    const frame = this.#frame(block, description, pcapng.packet.bytes, captured)
    frame.timestamp = this.#timestamp(block, description.time)
    frame.originalLength = this.#readUint32(block, pcapng.packet.original)
    const options = block.at + pcapng.packet.bytes + pcapng.padded(captured)
    if (options < block.end) this.#readComments(block, options, frame)
    this.framesRead++
    return frame
  }

  /** It has no captured length: the interface's snap length says where the bytes were cut. */
  #readSimplePacket(block: Block): CapturedFrame {
    this.#needs(block, pcapng.simple.bytes, 'a simple packet block')
    const description = this.#interface(block, 0)
    const original = this.#readUint32(block, pcapng.simple.original)
    const captured = Math.min(original, description.snapLength || original)
    this.#checkCaptured(block, captured, block.end - block.at - pcapng.simple.bytes)
    const frame = this.#frame(block, description, pcapng.simple.bytes, captured)
    frame.originalLength = original
    this.framesRead++
    return frame
  }

  #frame(block: Block, { id, name, linkType }: Interface, bytesAt: number, captured: number): CapturedFrame {
    const frame: CapturedFrame = {
      number: this.framesRead + 1,
      offset: block.offset,
      timestamp: 0n,
      interfaceId: id,
      linkType,
      originalLength: captured,
      bytes: new Uint8Array(block.view.buffer, block.view.byteOffset + block.at + bytesAt, captured),
    }
    if (name !== undefined) frame.interfaceName = name
    return frame
  }

  #timestamp(block: Block, scale: TimeScale): bigint {
    this.#ticks.setUint32(0, this.#readUint32(block, pcapng.packet.timeHigh))
    this.#ticks.setUint32(4, this.#readUint32(block, pcapng.packet.timeLow))
    return toNanoseconds(this.#ticks.getBigUint64(0), scale)
  }

  #readComments(block: Block, at: number, frame: CapturedFrame): void {
    this.#eachOption(block, at, (code, valueAt, length) => {
      if (code !== pcapng.option.comment) return
      const comment = this.#readText(block, valueAt, length)
      frame.comment = frame.comment === undefined ? comment : `${frame.comment}\n${comment}`
    })
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
