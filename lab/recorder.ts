// Writes down what happens, as it happens: the digest of the run, and on request a capture for Wireshark.

import { createHash } from 'node:crypto'
import { bytesOf, copyBetween, viewOf } from '../protocols/bytes.ts'
import { PcapngWriter } from '../protocols/capture/pcapng-writer.ts'
import type { Nanoseconds } from '../runtime/clock.ts'

/** Bytes that are gathered before they are hashed: a call for each entry costs more than the hashing. */
const GATHERED = 1 << 16

/** SHA-256 over (nanosecond, port, bytes or drop name) of every delivery and drop, in order. */
export class Digest {
  readonly #hash = createHash('sha256')
  readonly #gathered = new Uint8Array(GATHERED)
  readonly #view = viewOf(this.#gathered)
  #size = 0
  /** UTF-8 of names of ports, places and drops; there are not many. */
  readonly #texts = new Map<string, DataView>()

  /** The frame's bytes are those from `start` to `end`. */
  delivery(at: Nanoseconds, port: string, bytes: DataView, start: number, end: number): void {
    this.#entry(at, port)
    this.#add(bytes, start, end)
  }

  drop(at: Nanoseconds, place: string, reason: string): void {
    this.#entry(at, place)
    this.#addText(reason)
  }

  value(): string {
    this.#flush()
    return `sha256:${this.#hash.copy().digest('hex')}`
  }

  #entry(at: Nanoseconds, port: string): void {
    if (this.#size + 8 > GATHERED) this.#flush()
    this.#view.setUint32(this.#size, Math.floor(at / 2 ** 32))
    this.#view.setUint32(this.#size + 4, at)
    this.#size += 8
    this.#addText(port)
  }

  #addText(text: string): void {
    let bytes = this.#texts.get(text)
    if (bytes === undefined) this.#texts.set(text, (bytes = viewOf(Buffer.from(text))))
    this.#add(bytes, 0, bytes.byteLength)
  }

  #add(bytes: DataView, start: number, end: number): void {
    const length = end - start
    if (this.#size + length > GATHERED) this.#flush()
    if (length > GATHERED) {
      this.#hash.update(bytesOf(bytes).subarray(start, end))
      return
    }
    copyBetween(bytes, start, end, this.#view, this.#size)
    this.#size += length
  }

  #flush(): void {
    this.#hash.update(this.#gathered.subarray(0, this.#size))
    this.#size = 0
  }
}

/** One pcapng with an interface for each vNIC and uplink, made when first heard of. */
export class Witness {
  readonly #writer: PcapngWriter
  readonly #interfaces = new Map<string, number>()

  constructor(sink: (bytes: Uint8Array) => void) {
    this.#writer = new PcapngWriter(sink, { application: 'signalbox' })
  }

  write(interfaceName: string, at: Nanoseconds, bytes: Uint8Array, comment?: string): void {
    let id = this.#interfaces.get(interfaceName)
    if (id === undefined) this.#interfaces.set(interfaceName, (id = this.#writer.addInterface(interfaceName)))
    this.#writer.write(id, BigInt(at), bytes, comment)
  }
}
