/** How an interface counts time: nanoseconds since 1970 = ticks * multiplier / divisor + offset. */
export interface TimeScale {
  multiplier: bigint
  divisor: bigint
  offset: bigint
  /** Ticks are microseconds since 1970, as mostly they are. */
  isPlainMicroseconds: boolean
}

const DEFAULT_RESOLUTION = 6
const NANOSECONDS = 1_000_000_000n

/**
 * From the options `if_tsresol` (ticks per second: a power of 10, or of 2 where the top bit is set) and `if_tsoffset`
 * (seconds that the ticks count from).
 */
export function timeScale(resolution = DEFAULT_RESOLUTION, offsetSeconds = 0n): TimeScale {
  const exponent = resolution & 0x7f
  const offset = offsetSeconds * NANOSECONDS
  const isPlainMicroseconds = resolution === DEFAULT_RESOLUTION && offset === 0n
  const common = { offset, isPlainMicroseconds }
  if (resolution & 0x80) return { multiplier: NANOSECONDS, divisor: 1n << BigInt(exponent), ...common }
  if (exponent <= 9) return { multiplier: 10n ** BigInt(9 - exponent), divisor: 1n, ...common }
  return { multiplier: 1n, divisor: 10n ** BigInt(exponent - 9), ...common }
}

export function toNanoseconds(ticks: bigint, scale: TimeScale): bigint {
  let nanoseconds = ticks
  if (scale.multiplier !== 1n) nanoseconds *= scale.multiplier
  if (scale.divisor !== 1n) nanoseconds /= scale.divisor
  if (scale.offset !== 0n) nanoseconds += scale.offset
  return nanoseconds
}
