// Multipart messages that come in several parts, put together before they are read: OpenFlow 1.3 §7.3.5.

import { Refused } from '../control/refused.ts'
import { Malformed } from '../errors.ts'
import type { Opened } from './codec.ts'
import { joined } from './framing.ts'
import { wireKey } from './header.ts'

/** Messages that one sender may have begun and not ended. */
const MAXIMUM_BEGUN = 256

interface Begun {
  key: string
  parts: Uint8Array[]
  /** It grew too long: its parts are thrown away up to the last. */
  refused: boolean
}

export class Reassembly {
  readonly #limit: number
  readonly #begun = new Map<number, Begun>()
  #held = 0

  /** Bytes that all unfinished messages together may hold. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /**
   * The whole message, once its last part is there.
   * @throws Refused OFPBRC_MULTIPART_BUFFER_OVERFLOW too long, OFPBRC_BAD_MULTIPART a part of another message. Malformed: too many
   * are begun.
   */
  add(part: Opened): Opened | undefined {
    const begun = this.#begun.get(part.xid)
    if (begun === undefined && !part.more) return part
    const message = begun ?? this.#begin(part)
    if (!part.more) this.#begun.delete(part.xid)
    this.#grow(message, part)
    if (part.more || message.refused) return undefined
    for (const { length } of message.parts) this.#held -= length
    return { ...part, body: joined(message.parts) }
  }

  #begin(part: Opened): Begun {
    if (this.#begun.size >= MAXIMUM_BEGUN) throw new Malformed('openflow', 'too many multipart messages begun', 0)
    const message: Begun = { key: wireKey(part.wire), parts: [], refused: false }
    this.#begun.set(part.xid, message)
    return message
  }

  #grow(message: Begun, part: Opened): void {
    if (message.refused) return
    if (wireKey(part.wire) !== message.key)
      throw this.#refuse(message, 'OFPBRC_BAD_MULTIPART', 'a part of another message')
    if (this.#held + part.body.length > this.#limit)
      throw this.#refuse(message, 'OFPBRC_MULTIPART_BUFFER_OVERFLOW', `more than ${this.#limit} bytes in parts`)
    this.#held += part.body.length
    message.parts.push(part.body.slice())
  }

  #refuse(message: Begun, code: 'OFPBRC_BAD_MULTIPART' | 'OFPBRC_MULTIPART_BUFFER_OVERFLOW', problem: string): Refused {
    for (const { length } of message.parts) this.#held -= length
    message.parts = []
    message.refused = true
    return new Refused(code, '', problem)
  }
}
