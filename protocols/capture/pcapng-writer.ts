import { viewOf } from '../bytes.ts'
import { LINK_TYPE_ETHERNET, MAX_FRAME_SIZE } from './captured-frame.ts'
import * as pcapng from './pcapng-format.ts'

export interface PcapngOptions {
  /** The program that is named as the author. Default: signalbox. */
  application?: string
}

export interface InterfaceOptions {
  linkType?: number
  /** What the interface is, in words. */
  description?: string
}

type Option = readonly [code: number, value: Uint8Array]

/** Of a frame, as its interface's owner sees it. */
export type Direction = 'inbound' | 'outbound'

const DIRECTIONS: Record<Direction, Option> = {
  inbound: [pcapng.option.flags, Uint8Array.of(1, 0, 0, 0)],
  outbound: [pcapng.option.flags, Uint8Array.of(2, 0, 0, 0)],
}

const MAX_OPTION_SIZE = 0xffff
const NANOSECOND_RESOLUTION = Uint8Array.of(9)
const UNKNOWN_SECTION_LENGTH = 0xffffffffffffffffn

/**
 * Writes one section, little endian, times in nanoseconds. The same calls give the same bytes: nothing of the machine
 * or the hour goes in. Each call of `sink` gets one block, in memory of its own.
 */
export class PcapngWriter {
  readonly #sink: (bytes: Uint8Array) => void
  readonly #encoder = new TextEncoder()
  #interfaces = 0

  constructor(sink: (bytes: Uint8Array) => void, options: PcapngOptions = {}) {
    this.#sink = sink
    this.#writeSectionHeader(options.application ?? 'signalbox')
  }

  /** Describes one more interface, at any time; frames are written to the number it returns. */
  addInterface(name: string, options: InterfaceOptions = {}): number {
    const described = options.description === undefined ? [] : [options.description]
    const encoded = [
      this.#text(pcapng.option.interfaceName, name),
      ...described.map((text) => this.#text(pcapng.option.interfaceDescription, text)),
      [pcapng.option.timeResolution, NANOSECOND_RESOLUTION] as const,
    ]
    const block = newBlock(pcapng.INTERFACE_DESCRIPTION, pcapng.description.options, encoded)
    const view = viewOf(block)
    view.setUint16(pcapng.description.linkType, options.linkType ?? LINK_TYPE_ETHERNET, true)
    view.setUint32(pcapng.description.snapLength, MAX_FRAME_SIZE, true)
    this.#sink(block)
    return this.#interfaces++
  }

  /**
   * Writes one frame.
   * @throws RangeError for an interface that was not added, a time outside 64 bits, or a frame or comment that is too long.
   */
  write(
    interfaceId: number,
    timestampNs: bigint,
    bytes: Uint8Array,
    comment?: string,
    originalLength = bytes.length,
    direction?: Direction,
  ): void {
    this.#check(interfaceId, timestampNs, bytes)
    const options = [
      ...(comment === undefined ? [] : [this.#text(pcapng.option.comment, comment)]),
      ...(direction === undefined ? [] : [DIRECTIONS[direction]]),
    ]
    const block = newBlock(pcapng.ENHANCED_PACKET, pcapng.packet.bytes + pcapng.padded(bytes.length), options)
    const view = viewOf(block)
    view.setUint32(pcapng.packet.interface, interfaceId, true)
    view.setUint32(pcapng.packet.timeHigh, Number(timestampNs >> 32n), true)
    view.setUint32(pcapng.packet.timeLow, Number(timestampNs & 0xffffffffn), true)
    view.setUint32(pcapng.packet.captured, bytes.length, true)
    view.setUint32(pcapng.packet.original, originalLength, true)
    block.set(bytes, pcapng.packet.bytes)
    this.#sink(block)
  }

  #writeSectionHeader(application: string): void {
    const block = newBlock(pcapng.SECTION_HEADER, pcapng.section.options, [
      this.#text(pcapng.option.sectionHardware, 'signalbox'),
      this.#text(pcapng.option.sectionApplication, application),
    ])
    const view = viewOf(block)
    view.setUint32(pcapng.section.byteOrder, pcapng.BYTE_ORDER_MAGIC, true)
    view.setUint16(pcapng.section.major, 1, true)
    view.setBigUint64(pcapng.section.sectionLength, UNKNOWN_SECTION_LENGTH, true)
    this.#sink(block)
  }

  #check(interfaceId: number, timestamp: bigint, bytes: Uint8Array): void {
    if (interfaceId < 0 || interfaceId >= this.#interfaces)
      throw new RangeError(`interface ${interfaceId} is none of the ${this.#interfaces} that were added`)
    if (timestamp < 0n || timestamp >= 1n << 64n)
      throw new RangeError(`a pcapng has no time ${timestamp} ns after 1970`)
    if (bytes.length > MAX_FRAME_SIZE)
      throw new RangeError(`a frame of ${bytes.length} bytes is too long for a capture`)
  }

  #text(code: number, text: string): Option {
    const value = this.#encoder.encode(text)
    if (value.length > MAX_OPTION_SIZE)
      throw new RangeError(`a text of ${value.length} bytes is too long for a capture, which takes ${MAX_OPTION_SIZE}`)
    return [code, value]
  }
}

/** A block with its type, both lengths and its options in place, the latter from `optionsAt` on. */
function newBlock(type: number, optionsAt: number, options: readonly Option[]): Uint8Array {
  const size = optionsAt + sizeOf(options) + (pcapng.BLOCK_OVERHEAD - pcapng.BODY)
  const block = new Uint8Array(size)
  const view = viewOf(block)
  view.setUint32(0, type, true)
  view.setUint32(pcapng.TOTAL_LENGTH, size, true)
  view.setUint32(size - 4, size, true)
  writeOptions(block, optionsAt, options)
  return block
}

/** A list of options ends with an empty one; no list at all needs none. */
const sizeOf = (options: readonly Option[]) =>
  options.length === 0
    ? 0
    : options.reduce(
        (size, [, value]) => size + pcapng.OPTION_HEADER_SIZE + pcapng.padded(value.length),
        pcapng.OPTION_HEADER_SIZE,
      )

function writeOptions(block: Uint8Array, at: number, options: readonly Option[]): void {
  const view = viewOf(block)
  for (const [code, value] of options) {
    view.setUint16(at, code, true)
    view.setUint16(at + 2, value.length, true)
    block.set(value, at + pcapng.OPTION_HEADER_SIZE)
    at += pcapng.OPTION_HEADER_SIZE + pcapng.padded(value.length)
  }
}
