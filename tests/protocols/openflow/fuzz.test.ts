import { expect, test } from 'vitest'
import { decodeOpenFlow } from '../../../protocols/openflow/codec.ts'
import { seeded } from '../../../runtime/random.ts'
import { damagedMessages, hearDamaged } from '../../support/openflow-damage.ts'
import { Malformed } from '../../../protocols/errors.ts'
import { Refused } from '../../../protocols/control/refused.ts'

const ROUNDS = 20_000

test('20,000 random, truncated and bit-flipped messages are read or refused, and nothing else', () => {
  let [read, refused] = [0, 0]
  for (const bytes of damagedMessages(seeded(11), ROUNDS)) {
    try {
      decodeOpenFlow(bytes)
      read++
    } catch (error) {
      if (!(error instanceof Refused || error instanceof Malformed)) throw error
      refused++
    }
  }
  expect(read + refused).toBe(ROUNDS)
  expect(Math.min(read, refused)).toBeGreaterThan(ROUNDS / 10)
})

test('20,000 of them to a connection get an error each, or close it', () => {
  const { answered, heard, closed } = hearDamaged(seeded(12), ROUNDS)
  expect(answered).toBeGreaterThan(ROUNDS / 10)
  expect(heard).toBeGreaterThan(ROUNDS / 10)
  expect(closed).toBeGreaterThan(10)
})
