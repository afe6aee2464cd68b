// One object for all bytes that say the same: for emulations in which many switches, and many runs one after the other, are told
// the same. What follows from a message can be kept with it then.

import { changeInBundle, type Decode, decodeEnvelope } from './codec.ts'
import { frozen } from '../../runtime/frozen.ts'
import type { BundledMessage } from './messages.ts'

/** Messages remembered; when there are more, memory starts anew, and equal messages may be two objects. */
const REMEMBERED = 200_000

/** What decodes as `decodeEnvelope` does, but that what is bundled is frozen, and the same object where it says the same. */
export function sharedMessages(): Decode {
  const known = new Map<string, BundledMessage>()
  return (bytes) => {
    const found = changeInBundle(bytes)
    if (found === undefined) return decodeEnvelope(bytes)
    const { xid, bundle, changeAt } = found
    const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1', changeAt)
    const before = known.get(key)
    if (before !== undefined) return { xid, message: { type: 'bundleAdd', bundle, message: before } }
    const envelope = decodeEnvelope(bytes)
    if (envelope.message.type !== 'bundleAdd') return envelope
    if (known.size >= REMEMBERED) known.clear()
    known.set(key, frozen(envelope.message.message))
    return envelope
  }
}
