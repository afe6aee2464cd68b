// What is said on a control connection, for people.

import { decodeEnvelope } from '../../protocols/control/codec.ts'
import type { BundledMessage, Message } from '../../protocols/control/messages.ts'

const LENGTH_SIZE = 4

/** The envelopes that are whole in `bytes`, which begin with one. */
function envelopesIn(bytes: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = []
  for (let at = 0; at + LENGTH_SIZE <= bytes.length;) {
    const start = at + LENGTH_SIZE
    const length = (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
    at = start + length
    if (at <= bytes.length) found.push(bytes.subarray(start, at))
  }
  return found
}

/** `bundle 3: port web1:eth0 hold, 12 flows`, and the like. */
export function bytesAsText(bytes: Uint8Array): string {
  const messages = envelopesIn(bytes).map((envelope) => decodeEnvelope(envelope).message)
  const parts: string[] = []
  const flows = { add: 0, delete: 0 }
  for (const message of messages) {
    const inner = message.type === 'bundleAdd' ? message.message : message
    if (inner.type === 'flowMod') flows[inner.command.startsWith('delete') ? 'delete' : 'add']++
    else parts.push(messageAsText(inner))
  }
  if (flows.add > 0) parts.push(`${flows.add} flows to set`)
  if (flows.delete > 0) parts.push(`${flows.delete} flows to remove`)
  return parts.length === 0 ? `${bytes.length} bytes of a message` : parts.join(', ')
}

function messageAsText(message: Message | BundledMessage): string {
  switch (message.type) {
    case 'portMod':
      return `${message.command} port ${message.port.name} ${message.port.state}`
    case 'bundleControl':
    case 'bundleControlReply':
      return `${message.type === 'bundleControl' ? 'bundle' : 'reply to bundle'} ${message.bundle} ${message.command}`
    case 'meterMod':
      return `${message.command} meter ${message.meter}`
    case 'roleRequest':
    case 'roleReply':
      return `${message.type} ${message.role}`
    case 'heldFramesReply':
      return `${message.frames.length} held frames of ${message.port}`
    case 'heldFramesRequest':
      return `held frames of ${message.port}?`
    case 'deliverFrames':
      return `${message.frames.length} frames to deliver at ${message.port}`
    case 'error':
      return `error ${message.code}: ${message.message}`
    default:
      return message.type
  }
}
