// Times, rates and sizes between what people write and numbers. Prefixes are powers of ten. A text that its pattern admits
// is always a whole number of the smallest unit, and small enough to be exact.

import { InvalidField } from '../protocols/errors.ts'

type Units = Readonly<Record<string, number>>

const TIMES = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 } as const
const RATES = { bps: 1, kbps: 1e3, Mbps: 1e6, Gbps: 1e9 } as const
const BITS = { b: 1, kb: 1e3, Mb: 1e6, Gb: 1e9 } as const
const SIZES = { ...BITS, B: 8, kB: 8e3, MB: 8e6, GB: 8e9 } as const

const MOST_DIGITS = 15

/** Decimals that a unit may have so that the value stays whole. */
const decimalsOf = (factor: number) => Math.floor(Math.log10(factor))

function pattern(units: Units): string {
  const forms = Object.entries(units).map(([unit, factor]) => {
    const decimals = decimalsOf(factor)
    return `\\d{1,${MOST_DIGITS - decimals}}${decimals > 0 ? `(\\.\\d{1,${decimals}})?` : ''}${unit}`
  })
  return `^(${forms.join('|')})$`
}

export const DURATION_PATTERN = pattern(TIMES)
export const RATE_PATTERN = pattern(RATES)
export const SIZE_PATTERN = pattern(SIZES)

export const DURATION_EXPECTED = "a time in ns, us, ms or s, as '10us' or '1.5s'"
export const RATE_EXPECTED = "a rate in bps, kbps, Mbps or Gbps, as '100Mbps'"
export const SIZE_EXPECTED = "a size in bits (b, kb, Mb, Gb) or bytes (B, kB, MB, GB), as '64kB'"

function quantity(units: Units, expected: string): (text: string, path?: string) => number {
  const admitted = new RegExp(pattern(units))
  return (text, path = 'value') => {
    const parts = admitted.test(text) ? /^(\d+)(?:\.(\d+))?(.+)$/.exec(text) : null
    if (parts === null) throw new InvalidField(path, `'${text}' is not one`, expected)
    const [, whole, decimals = '', unit] = parts
    return Number(whole! + decimals) * (units[unit!]! / 10 ** decimals.length)
  }
}

/** Nanoseconds. @throws InvalidField */
export const parseDuration = quantity(TIMES, DURATION_EXPECTED)
/** Bits a second. @throws InvalidField */
export const parseRate = quantity(RATES, RATE_EXPECTED)
/** Bits. @throws InvalidField */
export const parseSize = quantity(SIZES, SIZE_EXPECTED)

/** The exact value in the largest unit that it fills. */
function inLargestUnit(value: number, units: Units): string {
  const [smallest, ...larger] = Object.entries(units)
  const [unit, factor] = larger.findLast(([, size]) => value >= size) ?? smallest!
  const whole = Math.floor(value / factor)
  const rest = value - whole * factor
  const decimals = rest === 0 ? '' : '.' + String(rest).padStart(decimalsOf(factor), '0').replace(/0+$/, '')
  return `${whole}${decimals}${unit}`
}

/** `value` is a whole number from 0; parsing the text gives it back. */
export const formatDuration = (value: number): string => (value === 0 ? '0s' : inLargestUnit(value, TIMES))
export const formatRate = (value: number): string => inLargestUnit(value, RATES)
export const formatSize = (value: number): string => inLargestUnit(value, BITS)
