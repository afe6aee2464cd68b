// The list of options that IPv4 (RFC 791 §3.1) and TCP (RFC 9293 §3.1) share. Kind 0 ends the list, kind 1 is a single byte,
// every other kind carries its length, which counts kind and length too.
//
//   | kind 8 | length 8 | data … |

import { bytesOf, copyOf } from '../bytes.ts'
import { Malformed } from '../errors.ts'

export const OptionKind = { End: 0, NoOperation: 1 } as const

const MAXIMUM_SIZE = 40

export interface HeaderOption {
  kind: number
  /** Without kind and length; empty for `NoOperation`. */
  data: Uint8Array
}

/**
 * The options before the one that ends the list.
 * @throws Malformed a length that is less than two or leaves the header.
 */
export function decodeHeaderOptions(protocol: string, view: DataView, from: number, to: number): HeaderOption[] {
  const options: HeaderOption[] = []
  let at = from
  while (at < to && view.getUint8(at) !== OptionKind.End) {
    const size = optionSizeAt(protocol, view, at, to)
    options.push({ kind: view.getUint8(at), data: copyOf(view, Math.min(at + 2, at + size), at + size) })
    at += size
  }
  return options
}

function optionSizeAt(protocol: string, view: DataView, at: number, to: number): number {
  if (view.getUint8(at) === OptionKind.NoOperation) return 1
  if (to - at < 2) throw new Malformed(protocol, 'option without a length', at)
  const size = view.getUint8(at + 1)
  if (size < 2 || size > to - at) throw new Malformed(protocol, `option length ${size} does not fit`, at + 1)
  return size
}

/**
 * Bytes that the list takes in a header, padded to whole 32-bit words.
 * @throws RangeError where that is more than the 40 that a header can hold.
 */
export function headerOptionsSize(options: readonly HeaderOption[]): number {
  const size = options.reduce((sum, option) => sum + optionSize(option), 0)
  if (size > MAXIMUM_SIZE) throw new RangeError(`${size} bytes of options; a header holds at most ${MAXIMUM_SIZE}`)
  return (size + 3) & ~3
}

const optionSize = (option: HeaderOption) => (option.kind === OptionKind.NoOperation ? 1 : 2 + option.data.length)

/** Returns where the padded list ends. */
export function encodeHeaderOptions(options: readonly HeaderOption[], view: DataView, from: number): number {
  const end = from + headerOptionsSize(options)
  const bytes = bytesOf(view)
  bytes.fill(OptionKind.End, from, end)
  let at = from
  for (const option of options) {
    view.setUint8(at, option.kind)
    if (option.kind !== OptionKind.NoOperation) {
      view.setUint8(at + 1, 2 + option.data.length)
      bytes.set(option.data, at + 2)
    }
    at += optionSize(option)
  }
  return end
}
