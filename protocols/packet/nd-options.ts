// RFC 4861 §4.6: options of neighbour discovery. The size counts type and size too, in units of eight bytes.
//
//   | type 8 | size 8 | data … |
//   link-layer address: | MAC 48 |         MTU: | reserved 16 | MTU 32 |
//   prefix: | length 8 | on-link 1 | autonomous 1 | reserved 6 | valid 32 | preferred 32 | reserved 32 | prefix 128 |

import { bytesOf, copyOf, getMac, getUint128, requireBytes, setMac, setUint128 } from '../bytes.ts'
import { Malformed } from '../errors.ts'

export const NdOptionType = { SourceLinkLayer: 1, TargetLinkLayer: 2, Prefix: 3, Mtu: 5 } as const

const UNIT = 8
const DATA = 2
const PREFIX_SIZE = 32
const PREFIX_LENGTH = 2
const PREFIX_FLAGS = 3
const VALID = 4
const PREFERRED = 8
const PREFIX = 16
const MTU = 4

export type NdOption =
  | { type: 'source-link-layer'; mac: bigint }
  | { type: 'target-link-layer'; mac: bigint }
  | {
      type: 'prefix'
      length: number
      onLink: boolean
      autonomous: boolean
      /** Seconds; all ones is for ever. */
      validLifetime: number
      preferredLifetime: number
      prefix: bigint
    }
  | { type: 'mtu'; mtu: number }
  /** Any other, or one of the above in a size that it does not have: what stands behind type and size. */
  | { type: 'other'; code: number; data: Uint8Array }

/** @throws Malformed an option of size zero, or one that leaves the message. */
export function decodeNdOptions(view: DataView, from: number, end: number): NdOption[] {
  const options: NdOption[] = []
  let at = from
  while (at < end) {
    requireBytes('nd', 'option', at, end, UNIT)
    const size = view.getUint8(at + 1) * UNIT
    if (size === 0) throw new Malformed('nd', 'option of size zero', at + 1)
    requireBytes('nd', 'option', at, end, size)
    options.push(decodeOption(view, at, size))
    at += size
  }
  return options
}

function decodeOption(view: DataView, at: number, size: number): NdOption {
  const code = view.getUint8(at)
  if (size === UNIT && code === NdOptionType.SourceLinkLayer)
    return { type: 'source-link-layer', mac: getMac(view, at + DATA) }
  if (size === UNIT && code === NdOptionType.TargetLinkLayer)
    return { type: 'target-link-layer', mac: getMac(view, at + DATA) }
  if (size === UNIT && code === NdOptionType.Mtu) return { type: 'mtu', mtu: view.getUint32(at + MTU) }
  if (size === PREFIX_SIZE && code === NdOptionType.Prefix) return decodePrefix(view, at)
  return { type: 'other', code, data: copyOf(view, at + DATA, at + size) }
}

function decodePrefix(view: DataView, at: number): NdOption {
  const flags = view.getUint8(at + PREFIX_FLAGS)
  return {
    type: 'prefix',
    length: view.getUint8(at + PREFIX_LENGTH),
    onLink: (flags & 0x80) !== 0,
    autonomous: (flags & 0x40) !== 0,
    validLifetime: view.getUint32(at + VALID),
    preferredLifetime: view.getUint32(at + PREFERRED),
    prefix: getUint128(view, at + PREFIX),
  }
}

function optionSize(option: NdOption): number {
  if (option.type === 'prefix') return PREFIX_SIZE
  return option.type === 'other' ? DATA + option.data.length : UNIT
}

/** Bytes that the options take. */
export const ndOptionsSize = (options: readonly NdOption[]): number =>
  options.reduce((sum, option) => sum + optionSize(option), 0)

const CODES = {
  'source-link-layer': NdOptionType.SourceLinkLayer,
  'target-link-layer': NdOptionType.TargetLinkLayer,
  prefix: NdOptionType.Prefix,
  mtu: NdOptionType.Mtu,
} as const

/**
 * Returns where the last option ends.
 * @throws RangeError data that does not fill units of eight bytes.
 */
export function encodeNdOptions(options: readonly NdOption[], view: DataView, from: number): number {
  let at = from
  for (const option of options) {
    const size = optionSize(option)
    if (size % UNIT !== 0) throw new RangeError(`${size} bytes of option; expected a multiple of ${UNIT}`)
    bytesOf(view).fill(0, at, at + size)
    view.setUint8(at, option.type === 'other' ? option.code : CODES[option.type])
    view.setUint8(at + 1, size / UNIT)
    encodeData(option, view, at)
    at += size
  }
  return at
}

function encodeData(option: NdOption, view: DataView, at: number): void {
  switch (option.type) {
    case 'source-link-layer':
    case 'target-link-layer':
      return setMac(view, at + DATA, option.mac)
    case 'mtu':
      return view.setUint32(at + MTU, option.mtu)
    case 'other':
      return bytesOf(view).set(option.data, at + DATA)
    case 'prefix':
      view.setUint8(at + PREFIX_LENGTH, option.length)
      view.setUint8(at + PREFIX_FLAGS, (option.onLink ? 0x80 : 0) | (option.autonomous ? 0x40 : 0))
      view.setUint32(at + VALID, option.validLifetime)
      view.setUint32(at + PREFERRED, option.preferredLifetime)
      return setUint128(view, at + PREFIX, option.prefix)
  }
}
