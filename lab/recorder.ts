// Writes down what happens, as it happens: the digest of the run, and on request a capture for Wireshark.

import { createHash } from 'node:crypto'
import { PcapngWriter } from '../protocols/capture/pcapng-writer.ts'
import type { Nanoseconds } from '../runtime/clock.ts'

/** SHA-256 over (nanosecond, port, bytes or drop name) of every delivery and drop, in order. */
export class Digest {
  readonly #hash = createHash('sha256')
  readonly #head = Buffer.alloc(8)

  delivery(at: Nanoseconds, port: string, bytes: Uint8Array): void {
    this.#entry(at, port)
    this.#hash.update(bytes)
  }

  drop(at: Nanoseconds, place: string, reason: string): void {
    this.#entry(at, place)
    this.#hash.update(reason)
  }

  value(): string {
    return `sha256:${this.#hash.copy().digest('hex')}`
  }

  #entry(at: Nanoseconds, port: string): void {
    this.#head.writeBigUInt64BE(BigInt(at))
    this.#hash.update(this.#head)
    this.#hash.update(port)
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
