// What a commit may have to blame: the heads of the messages in a bundle, until the bundle ends.

import type { Message } from '../control/messages.ts'

/** OpenFlow 1.3 §7.4.4: an error carries at least so much of the message. */
const HEAD = 64
/** In all bundles together; of what is added beyond, an error shows no message. */
const MAXIMUM_HEADS = 65536
/** In a bundle-add, behind its headers and the bundle's number. */
const MESSAGE_AT = 24

export class BundleHeads {
  readonly #bundles = new Map<number, Map<number, Uint8Array>>()
  /** By the xid of the request that ends them. */
  readonly #ending = new Map<number, number>()
  #kept = 0

  /** Takes note of a message that came as `bytes`. */
  note(message: Message, xid: number, bytes: Uint8Array): void {
    if (message.type === 'bundleAdd') this.#keep(message.bundle, xid, bytes)
    else if (message.type === 'bundleControl' && (message.command === 'commit' || message.command === 'discard'))
      if (this.#bundles.has(message.bundle)) this.#ending.set(xid, message.bundle)
  }

  /** The head of the message that was added under `xid`. */
  find(xid: number): Uint8Array | undefined {
    for (const heads of this.#bundles.values()) {
      const head = heads.get(xid)
      if (head !== undefined) return head
    }
    return undefined
  }

  /** The request with `xid` has been answered: if it was to end a bundle, that is over. */
  answered(xid: number): void {
    const bundle = this.#ending.get(xid)
    if (bundle === undefined) return
    this.#ending.delete(xid)
    this.#kept -= this.#bundles.get(bundle)?.size ?? 0
    this.#bundles.delete(bundle)
  }

  #keep(bundle: number, xid: number, bytes: Uint8Array): void {
    if (this.#kept >= MAXIMUM_HEADS) return
    const heads = this.#bundles.get(bundle) ?? new Map<number, Uint8Array>()
    this.#bundles.set(bundle, heads)
    if (!heads.has(xid)) this.#kept++
    heads.set(xid, bytes.slice(MESSAGE_AT, MESSAGE_AT + HEAD))
  }
}
