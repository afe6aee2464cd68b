// Flow syntax as it is used of frames alone, where there is no switch: no port, tunnel or register is part of a frame.

import { InvalidField } from '../protocols/errors.ts'
import type { FieldMatch, Match } from '../protocols/match.ts'
import { parseMatch } from '../protocols/flow-text/parse.ts'

const SHORTEST_FRAME = 14
const TAG_PRESENT = 0x1000n
/** A field of one of these is said of a frame that some switch has in hand. */
const OF_A_SWITCH = /^(in_port|metadata|tun_.*|reg\d+)$/

/**
 * What a scenario's `send.frame` says: the bytes, or the fields that the frame has.
 * @throws InvalidField, FlowSyntaxError
 */
export function parseFrameText(text: string): Uint8Array | Match {
  const digits = text.replaceAll(/[\s:]/g, '')
  if (/^[0-9a-f]+$/i.test(digits)) return bytesOf(digits)
  const match = parseFrameFilter(text)
  for (const part of match) checkSingleValue(part)
  return match
}

/**
 * What a filter of frames asks for.
 * @throws InvalidField, FlowSyntaxError
 */
export function parseFrameFilter(text: string): Match {
  const match = parseMatch(text)
  for (const { field } of match)
    if (OF_A_SWITCH.test(field)) throw new InvalidField(field, `${field} is no part of a frame`, "a frame's fields")
  return match
}

function bytesOf(digits: string): Uint8Array {
  if (digits.length % 2 !== 0)
    throw new InvalidField('frame', `${digits.length} hexadecimal digits`, 'two for each byte')
  if (digits.length < 2 * SHORTEST_FRAME)
    throw new InvalidField('frame', `a frame of ${digits.length / 2} bytes`, `${SHORTEST_FRAME} bytes or more`)
  return Uint8Array.from(Buffer.from(digits, 'hex'))
}

/** Flags may leave others as they are; a priority alone asks for a tag of any VLAN. */
const mayBeMasked = ({ field, mask }: FieldMatch) =>
  field === 'tcp_flags' || (field === 'vlan_vid' && mask === TAG_PRESENT)

function checkSingleValue(part: FieldMatch): void {
  if (part.mask !== undefined && !mayBeMasked(part))
    throw new InvalidField(part.field, `${part.field} has a mask, and a frame has one value`, `${part.field}=VALUE`)
  if (part.field === 'ip_frag' && part.value !== 0n)
    throw new InvalidField(part.field, 'fragments are not made from fields', 'ip_frag=no, or the bytes in hexadecimal')
}
