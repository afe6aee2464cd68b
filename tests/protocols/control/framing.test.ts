import { describe, expect, test } from 'vitest'
import { frame, FrameReader } from '../../../protocols/control/framing.ts'
import { Malformed } from '../../../protocols/errors.ts'
import { seeded } from '../../../runtime/random.ts'

test.each([1, 2, 3, 4, 5])('a stream cut anywhere gives the envelopes that were put in (seed %i)', (seed) => {
  const random = seeded(seed)
  const envelopes = Array.from({ length: 100 }, () =>
    Uint8Array.from({ length: 1 + random.below(300) }, () => random.below(256)),
  )
  const stream = Buffer.concat(envelopes.map(frame))
  const reader = new FrameReader()
  const read: Uint8Array[] = []
  for (let at = 0; at < stream.length;) {
    const end = at + 1 + random.below(500)
    read.push(...reader.push(new Uint8Array(stream.subarray(at, end))))
    at = end
  }
  expect(read).toEqual(envelopes)
})

test('a frame starts with 0, which OpenFlow and TLS never do', () => {
  expect(frame(new Uint8Array(70_000))[0]).toBe(0)
})

describe('a bad length', () => {
  test.each([
    ['too long', [1, 0, 0, 0]],
    ['empty', [0, 0, 0, 0]],
  ])('%s', (_name, bytes) => {
    expect(() => new FrameReader().push(Uint8Array.from(bytes))).toThrow(Malformed)
  })

  test('an envelope past the maximum is not framed', () => {
    expect(() => frame(new Uint8Array(2 ** 24))).toThrow(RangeError)
  })
})
