// Captures in every variant of the formats, written by hand: what our own writers never write, our readers must read.

import type { Random } from '../../runtime/random.ts'

export interface Sample {
  timestamp: bigint
  bytes: Uint8Array
  originalLength: number
  interfaceId: number
  comment?: string
}

export type ByteOrder = 'little' | 'big'

/** Numbers in one byte order, appended one after the other. */
class Bytes {
  #parts: number[] = []
  readonly #order: ByteOrder

  constructor(order: ByteOrder) {
    this.#order = order
  }

  number(value: number | bigint, size: number): this {
    const bytes = Array.from({ length: size }, (_, at) => Number((BigInt(value) >> BigInt(8 * at)) & 0xffn))
    this.#parts.push(...(this.#order === 'little' ? bytes : bytes.reverse()))
    return this
  }

  raw(bytes: Iterable<number>): this {
    for (const byte of bytes) this.#parts.push(byte)
    return this
  }

  /** Raw bytes, then anything but zeros up to a multiple of four: padding is not to be looked at. */
  padded(bytes: Uint8Array): this {
    return this.raw(bytes).raw(new Uint8Array(-bytes.length & 3).fill(0xee))
  }

  done(): Uint8Array {
    return Uint8Array.from(this.#parts)
  }
}

export function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

/** The parts of a file: its header, then one record per sample. */
export function pcapParts(samples: readonly Sample[], order: ByteOrder, resolution: 'us' | 'ns'): Uint8Array[] {
  const magic = resolution === 'us' ? 0xa1b2c3d4 : 0xa1b23c4d
  const header = new Bytes(order).number(magic, 4).number(2, 2).number(4, 2).number(0, 8).number(65535, 4).number(1, 4)
  const tick = resolution === 'us' ? 1000n : 1n
  const records = samples.map(({ timestamp, bytes, originalLength }) =>
    new Bytes(order)
      .number(timestamp / 1_000_000_000n, 4)
      .number((timestamp % 1_000_000_000n) / tick, 4)
      .number(bytes.length, 4)
      .number(originalLength, 4)
      .raw(bytes)
      .done(),
  )
  return [header.done(), ...records]
}

/** One pcapng block, its lengths as they should be. */
export function block(order: ByteOrder, type: number, fill: (body: Bytes) => Bytes): Uint8Array {
  const body = fill(new Bytes(order)).done()
  const size = body.length + 12
  return new Bytes(order).number(type, 4).number(size, 4).raw(body).number(size, 4).done()
}

export const sectionHeader = (order: ByteOrder) =>
  block(order, 0x0a0d0d0a, (body) => body.number(0x1a2b3c4d, 4).number(1, 2).number(0, 2).number(-1n, 8))

export interface InterfaceVariant {
  name?: string
  linkType?: number
  snapLength?: number
  resolution?: number
  offset?: bigint
}

export function interfaceBlock(order: ByteOrder, variant: InterfaceVariant = {}): Uint8Array {
  return block(order, 1, (body) => {
    body
      .number(variant.linkType ?? 1, 2)
      .number(0, 2)
      .number(variant.snapLength ?? 0, 4)
    if (variant.name !== undefined) option(body, 2, new TextEncoder().encode(variant.name))
    if (variant.resolution !== undefined) option(body, 9, Uint8Array.of(variant.resolution))
    if (variant.offset !== undefined) body.number(14, 2).number(8, 2).number(variant.offset, 8)
    return body.number(0, 4)
  })
}

const option = (body: Bytes, code: number, value: Uint8Array) =>
  body.number(code, 2).number(value.length, 2).padded(value)

export type PacketKind = 'enhanced' | 'obsolete' | 'simple'

/** A frame in the block of `kind`, its time in `ticks` of the interface numbered `local` in its section. */
export function packetBlock(
  order: ByteOrder,
  kind: PacketKind,
  sample: Sample,
  ticks: bigint,
  local: number,
): Uint8Array {
  const { bytes, originalLength, comment } = sample
  if (kind === 'simple') return block(order, 3, (body) => body.number(originalLength, 4).padded(bytes))
  return block(order, kind === 'enhanced' ? 6 : 2, (body) => {
    if (kind === 'enhanced') body.number(local, 4)
    else body.number(local, 2).number(7, 2)
    body
      .number(ticks >> 32n, 4)
      .number(ticks & 0xffffffffn, 4)
      .number(bytes.length, 4)
      .number(originalLength, 4)
    body.padded(bytes)
    if (comment === undefined) return body
    option(body, 2, Uint8Array.of(0, 0, 0, 1))
    return option(body, 1, new TextEncoder().encode(comment)).number(0, 4)
  })
}

export const unknownBlock = (order: ByteOrder, size: number) =>
  block(order, 0x0badcafe, (body) => body.raw(new Uint8Array(size).fill(6)))

/** Frames with times from 2023 on, whole microseconds, not always in order; some were cut, some carry a comment. */
export function randomSamples(random: Random, count: number, interfaces = 1): Sample[] {
  return Array.from({ length: count }, () => {
    const bytes = Uint8Array.from({ length: random.below(90) }, () => random.below(256))
    const sample: Sample = {
      timestamp: 1_000n * (1_700_000_000_000_000n + BigInt(random.uint32())),
      bytes,
      originalLength: bytes.length + (random.below(4) === 0 ? random.below(1500) : 0),
      interfaceId: random.below(interfaces),
    }
    return random.below(3) === 0 ? { ...sample, comment: `frame – ${random.below(1000)}` } : sample
  })
}
