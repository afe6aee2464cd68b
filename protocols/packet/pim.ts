// Protocol independent multicast, version 2 (RFC 7761 §4.9): what its hellos say. All else that multicast routers tell each other is
// theirs.
//
//   | version 4 | type 4 | reserved 8 | checksum 16 |      a hello goes on: | option 16 | length 16 | value … |, again and again

import { requireBytes } from '../bytes.ts'
import { Malformed } from '../errors.ts'

const HEADER_SIZE = 4
const VERSION = 2
const OPTION_HEADER_SIZE = 4
const HOLD_TIME = 1
const HOLD_TIME_SIZE = 2

export const PimType = { Hello: 0, Register: 1 } as const

export interface PimMessage {
  /** One of `PimType`, or another. */
  type: number
  /** Of a hello that says so: for how many seconds it holds; 0 for none any more, 65535 for ever (RFC 7761 §4.9.2). */
  holdTime?: number
}

/** @throws Malformed a message cut short, or of another version. */
export function decodePim(view: DataView, at: number, end = view.byteLength): PimMessage {
  requireBytes('pim', 'header', at, end, HEADER_SIZE)
  const first = view.getUint8(at)
  if (first >> 4 !== VERSION) throw new Malformed('pim', `version ${first >> 4}`, at)
  const type = first & 0xf
  const holdTime = type === PimType.Hello ? holdTimeIn(view, at + HEADER_SIZE, end) : undefined
  return { type, ...(holdTime !== undefined && { holdTime }) }
}

function holdTimeIn(view: DataView, first: number, end: number): number | undefined {
  let holdTime: number | undefined
  for (let at = first; at < end;) {
    requireBytes('pim', 'option', at, end, OPTION_HEADER_SIZE)
    const [option, length] = [view.getUint16(at), view.getUint16(at + 2)]
    at += OPTION_HEADER_SIZE
    requireBytes('pim', `option ${option}`, at, end, length)
    if (option === HOLD_TIME && length === HOLD_TIME_SIZE) holdTime = view.getUint16(at)
    at += length
  }
  return holdTime
}

/** The checksum of a register leaves out the packet that it carries (RFC 7761 §4.9). */
export const pimChecksummed = ({ type }: PimMessage, length: number): number =>
  type === PimType.Register ? Math.min(length, REGISTER_HEADER_SIZE) : length

const REGISTER_HEADER_SIZE = 8
