import { isDeepStrictEqual } from 'node:util'
import { expect } from 'vitest'

/** As `expect(value).toEqual(wanted)`, for loops of thousands: an expectation takes 50 µs, however little is compared. */
export function expectEqual(value: unknown, wanted: unknown): void {
  if (!isDeepStrictEqual(value, wanted)) expect(value).toEqual(wanted)
}
