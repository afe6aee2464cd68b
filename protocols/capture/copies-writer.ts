// What a mirror writes: a pcapng with an interface for each vNIC that is copied, at each of its hosts. What the vNIC says is inbound.

import type { Direction } from './pcapng-writer.ts'
import { PcapngWriter } from './pcapng-writer.ts'

/** Whose frame a copy is, and where that was when it was made. */
export interface CopySource {
  readonly vnic: string
  readonly host: string
  readonly way: 'said' | 'heard'
}

const DIRECTIONS: Record<CopySource['way'], Direction> = { said: 'inbound', heard: 'outbound' }

export class CopiesWriter {
  readonly #writer: PcapngWriter
  /** By vNIC and host. */
  readonly #interfaces = new Map<string, number>()

  /** `sink` gets whole blocks, each in memory of its own: what describes an interface, or one frame. */
  constructor(sink: (block: Uint8Array) => void) {
    this.#writer = new PcapngWriter(sink)
  }

  /** Makes known an interface that is not. */
  describe({ vnic, host }: CopySource): number {
    const key = `${vnic} ${host}`
    const known = this.#interfaces.get(key)
    if (known !== undefined) return known
    const made = this.#writer.addInterface(vnic, { description: `at ${host}` })
    this.#interfaces.set(key, made)
    return made
  }

  write(source: CopySource, timestampNs: bigint, bytes: Uint8Array): void {
    const id = this.describe(source)
    this.#writer.write(id, timestampNs, bytes, undefined, bytes.length, DIRECTIONS[source.way])
  }
}
