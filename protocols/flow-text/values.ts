// One field's value and mask between text and numbers.

import { formatIpv4, formatIpv6, formatMac, parseIpv4, parseIpv6, parseMac } from '../address.ts'
import { InvalidField } from '../errors.ts'
import type { Field, FieldFormat } from '../fields.ts'
import type { MaskedValue } from './numbers.ts'
import { hexadecimal, parseNumber } from './numbers.ts'
import { formatFlags, parseFlags } from './flags.ts'
import type { FlowTextOptions } from './ports.ts'
import { formatPort, parsePort } from './ports.ts'
import { FlowSyntaxError } from './syntax-error.ts'
import type { Piece } from './words.ts'
import { slice } from './words.ts'

/** How a value of each format is asked for. */
const EXPECTED: Record<FieldFormat, string> = {
  decimal: 'a number, as 10 or 0xa',
  hexadecimal: 'a number, as 10 or 0xa',
  mac: 'a MAC address, as 02:00:00:00:00:01',
  ipv4: 'an IPv4 address, as 10.0.0.0/24',
  ipv6: 'an IPv6 address, as 2001:db8::/32',
  port: "a port's name or number",
  frag: 'one of no, yes, first, later, not_later',
  'tcp-flags': 'flags, as +syn-ack or 0x002/0x012',
  'ct-state': 'flags, as +trk+est or 0x22/0x3f',
}

// ---- reading -----------------------------------------------------------------------------------------------------

/** `value` or `value/mask`; bits outside the mask are cleared, as Open vSwitch does. */
export function parseMasked(field: Field, piece: Piece, options: FlowTextOptions): MaskedValue {
  if (field.format === 'frag') return parseFragment(piece)
  if (field.format === 'port') return { value: BigInt(parsePort(piece, options)) }
  if (field.format === 'tcp-flags' || field.format === 'ct-state') return parseFlags(field, piece)
  const cut = piece.text.indexOf('/')
  if (cut < 0) return { value: parseBare(field, piece) }
  const value = parseBare(field, slice(piece, 0, cut))
  const mask = parseMask(field, slice(piece, cut + 1))
  if (mask === field.ones) return { value }
  if (!field.maskable)
    throw new FlowSyntaxError(piece.column + cut, `${field.name} can not be masked`, 'an exact value')
  return { value: value & mask, mask }
}

/** Characters of an address. */
const LONGEST_ADDRESS = 64

function parseBare(field: Field, piece: Piece): bigint {
  const isAddress = field.format === 'mac' || field.format === 'ipv4' || field.format === 'ipv6'
  if (isAddress && piece.text.length > LONGEST_ADDRESS)
    throw new FlowSyntaxError(piece.column, `'${piece.text}' is no value of ${field.name}`, EXPECTED[field.format])
  try {
    switch (field.format) {
      case 'mac':
        return parseMac(piece.text)
      case 'ipv4':
        return BigInt(parseIpv4(piece.text))
      case 'ipv6':
        return parseIpv6(piece.text)
      default:
        return parseNumber(piece, field.ones, EXPECTED[field.format])
    }
  } catch (error) {
    if (!(error instanceof InvalidField)) throw error
    throw new FlowSyntaxError(piece.column, `'${piece.text}' is no value of ${field.name}`, EXPECTED[field.format])
  }
}

function parseMask(field: Field, piece: Piece): bigint {
  const isAddress = field.format === 'ipv4' || field.format === 'ipv6'
  if (!isAddress || !/^\d+$/.test(piece.text)) return parseBare(field, piece)
  const length = parseNumber(piece, BigInt(field.bits), `a prefix length, 0 to ${field.bits}`)
  return prefixMask(field, Number(length))
}

const prefixMask = (field: Field, length: number) => field.ones ^ ((1n << BigInt(field.bits - length)) - 1n)

/** What each word says of bit 0 (any fragment) and bit 1 (a later one). */
const FRAGMENTS: ReadonlyMap<string, MaskedValue> = new Map(
  Object.entries<MaskedValue>({
    no: { value: 0n },
    yes: { value: 1n, mask: 1n },
    first: { value: 1n },
    later: { value: 3n },
    not_later: { value: 0n, mask: 2n },
  }),
)

function parseFragment(piece: Piece): MaskedValue {
  const fragment = FRAGMENTS.get(piece.text)
  if (fragment === undefined)
    throw new FlowSyntaxError(piece.column, `'${piece.text}' is no value of ip_frag`, EXPECTED.frag)
  return { ...fragment }
}

// ---- writing -----------------------------------------------------------------------------------------------------

/** The value as a match shows it. */
export function formatInMatch(field: Field, part: MaskedValue, options: FlowTextOptions): string {
  const { value, mask } = part
  if (field.name === 'ipv6_label')
    return mask === undefined ? paddedLabel(value) : `${paddedLabel(value)}/${paddedLabel(mask)}`
  if (field.name === 'nd_reserved') return String(value)
  if (field.format === 'decimal' && mask !== undefined) return `0x${value.toString(16)}/0x${mask.toString(16)}`
  return formatValue(field, part, options)
}

const paddedLabel = (label: bigint) => `0x${label.toString(16).padStart(5, '0')}`

/** The value as an action shows it. */
export function formatInAction(field: Field, part: MaskedValue, options: FlowTextOptions): string {
  const decimal = field.name === 'nd_reserved' || field.name === 'vlan_vid'
  return formatValue(decimal ? { ...field, format: 'decimal' } : field, part, options)
}

function formatValue(field: Field, part: MaskedValue, options: FlowTextOptions): string {
  const { value, mask } = part
  switch (field.format) {
    case 'decimal':
      return mask === undefined ? String(value) : `${value}/${hexadecimal(mask)}`
    case 'hexadecimal':
      return mask === undefined ? hexadecimal(value) : `${hexadecimal(value)}/${hexadecimal(mask)}`
    case 'mac':
      return mask === undefined ? formatMac(value) : `${formatMac(value)}/${formatMac(mask)}`
    case 'ipv4':
      return formatIpv4(Number(value)) + formatAddressMask(field, mask, (dotted) => formatIpv4(Number(dotted)))
    case 'ipv6':
      return formatIpv6(value) + formatAddressMask(field, mask, formatIpv6)
    case 'port':
      return formatPort(Number(value), options)
    case 'frag':
      return formatFragment(value, mask ?? field.ones)
    case 'tcp-flags':
    case 'ct-state':
      return formatFlags(field, part)
  }
}

/** A prefix length where the mask is a prefix, the mask itself where not. */
function formatAddressMask(field: Field, mask: bigint | undefined, format: (mask: bigint) => string): string {
  if (mask === undefined) return ''
  const open = (mask ^ field.ones).toString(2)
  if (/^1+$/.test(open)) return `/${field.bits - open.length}`
  return `/${format(mask)}`
}

function formatFragment(value: bigint, mask: bigint): string {
  for (const [name, fragment] of FRAGMENTS) {
    if (fragment.value === value && (fragment.mask ?? 3n) === mask) return name
  }
  return '<error>'
}
