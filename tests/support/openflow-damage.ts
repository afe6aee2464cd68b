// OpenFlow messages that something has happened to.

import type { Message } from '../../protocols/control/messages.ts'
import { encodeOpenFlow } from '../../protocols/openflow/codec.ts'
import type { Random } from '../../runtime/random.ts'
import { rawEnd } from './openflow-ends.ts'
import { soundly, WITHOUT_FORM } from './openflow-forms.ts'
import { pick } from './random-matches.ts'
import { MESSAGE_TYPES, randomMessageOf } from './random-messages.ts'
import { randomBytes } from './random-frames.ts'

const SPOKEN = MESSAGE_TYPES.filter((type) => !WITHOUT_FORM.has(type))
const LENGTH = 2
const TYPE = 1

function writeLength(bytes: Uint8Array, length: number): void {
  bytes[LENGTH] = length >> 8
  bytes[LENGTH + 1] = length & 0xff
}

/** Nothing but a header and noise. */
function noise(random: Random): Uint8Array {
  const bytes = randomBytes(random, 8 + random.below(120))
  bytes[0] = 4
  bytes[TYPE] = random.below(31)
  writeLength(bytes, bytes.length)
  return bytes
}

/** Cut anywhere behind the header, and the length with it. */
function truncated(random: Random, whole: Uint8Array): Uint8Array {
  const bytes = whole.slice(0, 8 + random.below(whole.length - 7))
  writeLength(bytes, bytes.length)
  return bytes
}

/** Up to eight bits turned over behind the header's length. */
function flipped(random: Random, whole: Uint8Array): Uint8Array {
  const bytes = whole.slice()
  for (let flips = 1 + random.below(8); flips > 0; flips--) {
    const at = 4 + random.below(bytes.length - 4)
    bytes[at] = bytes[at]! ^ (1 << random.below(8))
  }
  return bytes
}

/** A number written over with one that hurts: lengths and counts stand at even places. */
function hurt(random: Random, whole: Uint8Array): Uint8Array {
  const bytes = whole.slice()
  const at = 8 + 2 * random.below((bytes.length - 8) >> 1)
  const [high, low] = pick(random, [
    [0, 0],
    [0xff, 0xff],
    [0, 1],
    [0, 4],
    [0x7f, 0xff],
    [0xff, 0xf8],
  ] as const)
  if (at + 1 < bytes.length) bytes.set([high, low], at)
  return bytes
}

const DAMAGES = [truncated, flipped, hurt]

/** Whole messages by their own length; each kind and each damage as often. */
export function* damagedMessages(random: Random, count: number): Generator<Uint8Array> {
  const sound: Uint8Array[] = SPOKEN.flatMap((type) => {
    const message = (): Message => soundly(randomMessageOf(random, type))
    return Array.from({ length: 12 }, () => encodeOpenFlow({ xid: random.uint32(), message: message() })[0]!)
  })
  for (let made = 0; made < count; made++)
    yield made % 8 === 0 ? noise(random) : pick(random, DAMAGES)(random, pick(random, sound))
}

/** Lets connections hear `count` of them, a new connection where one closes. Each must answer, hand on or close. */
export function hearDamaged(random: Random, count: number): { answered: number; heard: number; closed: number } {
  let end = rawEnd()
  let [answered, heard, closed] = [0, 0, 0]
  for (const bytes of damagedMessages(random, count)) {
    // One in four hundred lies about its length too, and the stream is out of step from there on.
    if (random.below(400) === 0) writeLength(bytes, random.below(64))
    end.hears(bytes)
    answered += end.channel.sent.splice(0).length
    heard += end.heard.splice(0).length
    end.refused.splice(0)
    if (!end.connection.closed) continue
    closed++
    end = rawEnd()
  }
  return { answered, heard, closed }
}
