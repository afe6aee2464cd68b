// Frames that come once each. They are made as they are sent: whoever has been seen before is no attacker.

import type { FrameArena, FrameHandle } from '../../datapath/frames.ts'
import type { Random } from '../../runtime/random.ts'
import { seeded } from '../../runtime/random.ts'
import type { Attack } from './pipelines.ts'
import { makeTraffic } from './traffic.ts'

/** Where the addresses and ports stand in a frame without a tag. */
const SOURCE = 26
const DESTINATION = 30
const SOURCE_PORT = 34
const DESTINATION_PORT = 36

export class Attacker {
  readonly #frame: Attack['frame']
  readonly #random: Random = seeded(9)
  readonly #template = makeTraffic({ tuples: 1 })
  readonly #bytes = new Uint8Array(this.#template.words.buffer, this.#template.start, this.#template.length)
  readonly #view = new DataView(this.#template.words.buffer, this.#template.start)

  constructor({ frame }: Attack) {
    this.#frame = frame
  }

  next(arena: FrameArena): FrameHandle {
    const { ipSrc, ipDst, srcPort, dstPort } = this.#frame(this.#random)
    this.#view.setUint32(SOURCE, ipSrc)
    this.#view.setUint32(DESTINATION, ipDst)
    this.#view.setUint16(SOURCE_PORT, srcPort)
    this.#view.setUint16(DESTINATION_PORT, dstPort)
    return arena.allocateFrom(this.#bytes)
  }
}
