// One object for all bytes that say the same: for emulations in which many switches, and many runs one after the other, say and are
// told the same. What follows from a flow can be kept with it then.

import { frozen } from '../../runtime/frozen.ts'
import { changeInBundle, type Decode, decodeEnvelope, statisticsIn } from './codec.ts'
import { signalbox } from './generated/control.js'
import type { BundledMessage, FlowSpec } from './messages.ts'
import { flowFromWire } from './wire/flows.ts'

/** Of each kind so many are remembered; when there are more, memory starts anew, and what says the same may be two objects. */
const REMEMBERED = 200_000

/** What decodes as `decodeEnvelope` does, but that changes in bundles, and flows that statistics are of, are frozen, and each one object. */
export function sharedMessages(): Decode {
  const changes = new Map<string, BundledMessage>()
  const flows = new Map<string, FlowSpec>()
  const flowOf = (bytes: Uint8Array): FlowSpec => {
    const key = textOf(bytes)
    return flows.get(key) ?? kept(flows, key, flowFromWire(signalbox.control.Flow.decode(bytes), 'flows.'))
  }
  return (bytes) => {
    const found = changeInBundle(bytes)
    if (found === undefined) return statisticsIn(bytes, flowOf) ?? decodeEnvelope(bytes)
    const { xid, bundle, changeAt } = found
    const key = textOf(bytes, changeAt)
    const before = changes.get(key)
    if (before !== undefined) return { xid, message: { type: 'bundleAdd', bundle, message: before } }
    const envelope = decodeEnvelope(bytes)
    if (envelope.message.type === 'bundleAdd') kept(changes, key, envelope.message.message)
    return envelope
  }
}

const textOf = (bytes: Uint8Array, from = 0): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1', from)

function kept<T>(memory: Map<string, T>, key: string, value: T): T {
  if (memory.size >= REMEMBERED) memory.clear()
  memory.set(key, frozen(value))
  return value
}
