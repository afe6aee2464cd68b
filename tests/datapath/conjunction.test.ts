import { describe, expect, test } from 'vitest'
import { LinearSearch } from '../../datapath/classifier/linear-search.ts'
import { TrieClassifier } from '../../datapath/classifier/trie-classifier.ts'
import type { Flow } from '../../datapath/flow.ts'
import { makeFlow } from '../../datapath/flow.ts'
import { keysAgree } from '../../datapath/flow-key.ts'
import type { Action } from '../../protocols/control/messages.ts'
import { KEY_WORDS, Word } from '../../protocols/fields.ts'
import type { FieldMatch, Match } from '../../protocols/match.ts'
import type { Random } from '../../runtime/random.ts'
import { seeded } from '../../runtime/random.ts'
import { chance, pick } from '../support/random-flows.ts'
import { agreeingKey } from '../support/random-keys.ts'
import { flowMod } from '../support/test-tables.ts'

const register = (index: 0 | 1 | 2, value: number): FieldMatch => ({ field: `reg${index}`, value: BigInt(value) })
const conjunctionId = (value: number): FieldMatch => ({ field: 'conj_id', value: BigInt(value) })
const clause = (id: number, number: number, clauses = 2): Action => ({
  type: 'conjunction',
  id,
  clause: number,
  clauses,
})

/** `name` is what tests know a flow by: its cookie. */
function flow(name: number, priority: number, match: Match, ...apply: Action[]): Flow {
  const instructions = { apply, clear: false, write: [] }
  return makeFlow(flowMod({ cookie: BigInt(name), priority, match, instructions }), 0)
}

const keyWith = (...registers: number[]) => {
  const key = new Uint32Array(KEY_WORDS)
  key.set(registers, Word.registers)
  return key
}

const answersOf = (flows: Flow[], ...registers: number[]) =>
  [new LinearSearch(), new TrieClassifier()].map((classifier) => {
    for (const one of flows) classifier.insert(one)
    const found = classifier.lookup(keyWith(...registers), new Uint32Array(KEY_WORDS))
    return found && Number(found.spec.cookie)
  })
const both = (name: number | undefined) => [name, name]

describe('a conjunctive match', () => {
  const example = [
    flow(1, 10, [conjunctionId(7)]),
    flow(2, 10, [register(0, 1)], clause(7, 1)),
    flow(3, 10, [register(0, 2)], clause(7, 1)),
    flow(4, 10, [register(1, 5)], clause(7, 2)),
    flow(5, 10, [register(1, 6)], clause(7, 2)),
    flow(6, 1, []),
  ]
  test('is met where one flow of each clause is', () => {
    expect(answersOf(example, 1, 6)).toEqual(both(1))
    expect(answersOf(example, 2, 5)).toEqual(both(1))
  })

  test('is not met by a part of it, and flows of clauses are never met themselves', () => {
    expect(answersOf(example, 1, 9)).toEqual(both(6))
    expect(answersOf(example.slice(0, 5), 1, 9)).toEqual(both(undefined))
  })

  test('gives way to a flow of its priority or a higher one', () => {
    expect(answersOf([...example, flow(7, 10, [register(2, 0)])], 1, 6)).toEqual(both(7))
    expect(answersOf([...example, flow(7, 11, [register(2, 0)])], 1, 6)).toEqual(both(7))
    expect(answersOf([...example, flow(7, 9, [register(2, 0)])], 1, 6)).toEqual(both(1))
  })

  test('is as though it were not there where no flow waits for its number', () => {
    const parts = example.slice(1, 5)
    expect(answersOf(parts, 1, 6)).toEqual(both(undefined))
    expect(answersOf([...parts, flow(8, 3, [register(0, 1)])], 1, 6)).toEqual(both(8))
  })

  test('may be finished by different flows: the one for its number can match more', () => {
    const finer = [...example, flow(9, 11, [conjunctionId(7), register(2, 4)])]
    expect(answersOf(finer, 1, 6, 4)).toEqual(both(9))
    expect(answersOf(finer, 1, 6, 3)).toEqual(both(1))
  })

  test('of one priority is nothing to another of the same number', () => {
    const split = [
      flow(1, 10, [conjunctionId(7)]),
      flow(2, 10, [register(0, 1)], clause(7, 1)),
      flow(4, 9, [register(1, 5)], clause(7, 2)),
    ]
    expect(answersOf(split, 1, 5)).toEqual(both(undefined))
  })

  test('that fails leaves the flow behind it, of the same match and a lower priority, to be tried', () => {
    const layered = [
      flow(2, 10, [register(0, 1)], clause(7, 1)),
      flow(3, 8, [register(0, 1)], clause(8, 1)),
      flow(4, 8, [register(1, 5)], clause(8, 2)),
      flow(5, 8, [conjunctionId(8)]),
      flow(6, 6, [register(0, 1)]),
    ]
    expect(answersOf(layered, 1, 5)).toEqual(both(5))
    expect(answersOf(layered, 1, 4)).toEqual(both(6))
  })

  test('can have parts in common with another, and 64 clauses', () => {
    const shared = [
      flow(1, 10, [conjunctionId(7)]),
      flow(2, 10, [conjunctionId(8)]),
      flow(3, 10, [register(0, 1)], clause(7, 1), clause(8, 1, 3)),
      flow(4, 10, [register(1, 5)], clause(8, 2, 3)),
      flow(5, 10, [register(2, 5)], clause(8, 3, 3)),
    ]
    expect(answersOf(shared, 1, 5, 5)).toEqual(both(2))
    const clauses = Array.from({ length: 64 }, (_, index) => {
      const mask = 1n << BigInt(index % 32)
      const match: Match = [{ field: index < 32 ? 'reg0' : 'reg1', value: mask, mask }]
      return flow(100 + index, 10, match, clause(7, index + 1, 64))
    })
    const all = [flow(1, 10, [conjunctionId(7)]), ...clauses]
    expect(answersOf(all, 0xffffffff, 0xffffffff)).toEqual(both(1))
    expect(answersOf(all, 0xffffffff, 0x7fffffff)).toEqual(both(undefined))
  })
})

const SMALL = 3

/** Few values, so that flows meet, hide and finish each other. Hard flows have priorities of their own: one answer is right. */
function randomFlows(random: Random): Flow[] {
  const match = (): Match =>
    ([0, 1, 2] as const)
      .filter(() => chance(random, 0.4))
      .map((index) => {
        const value = random.below(SMALL)
        const masked: FieldMatch = { field: `reg${index}`, value: BigInt(value & 1), mask: 1n }
        return chance(random, 0.3) ? masked : register(index, value)
      })
  const soft = (name: number) =>
    flow(
      name,
      2 * random.below(6),
      match(),
      clause(1 + random.below(3), 1 + random.below(2)),
      clause(4, 1 + random.below(3), 3),
    )
  const hard = (name: number) => {
    const waiting = chance(random, 0.7) ? [conjunctionId(1 + random.below(4))] : []
    return flow(name, 2 * (name % 12) + 1, [...waiting, ...match()])
  }
  return Array.from({ length: 40 }, (_, name) => (name < 12 ? hard(name) : soft(name)))
}

const keys = Array.from({ length: 27 }, (_, at) => keyWith(at % 3, Math.floor(at / 3) % 3, Math.floor(at / 9)))
const isConjunctive = (found: Flow | undefined) => found?.spec.match.some(({ field }) => field === 'conj_id') ?? false

function fill(seed: number) {
  const random = seeded(seed)
  const flows = randomFlows(random)
  const plain = new LinearSearch()
  const fast = new TrieClassifier()
  for (const one of flows) for (const classifier of [plain, fast]) classifier.insert(one)
  return { random, flows, plain, fast }
}

const SEEDS = Array.from({ length: 30 }, (_, seed) => seed)

test.each(SEEDS)('the trie finds what linear search finds, also when flows go (seed %i)', (seed) => {
  const { random, flows, plain, fast } = fill(seed)
  for (let round = 0; round < 8; round++) {
    for (const key of keys) {
      const consulted = new Uint32Array(KEY_WORDS)
      const before = key.join()
      const found = fast.lookup(key, consulted)
      expect(key.join()).toBe(before)
      expect(found?.spec.cookie).toBe(plain.lookup(key, new Uint32Array(KEY_WORDS))?.spec.cookie)
      const agreeing = agreeingKey(random, key, consulted, keys)
      expect(keysAgree(agreeing, key, consulted)).toBe(true)
      expect(plain.lookup(agreeing, new Uint32Array(KEY_WORDS))).toBe(found)
    }
    const gone = pick(random, flows)
    expect(fast.remove(gone)).toBe(plain.remove(gone))
  }
})

test('of the random keys, some meet conjunctively and some do not', () => {
  const answers = SEEDS.flatMap((seed) => {
    const { fast } = fill(seed)
    return keys.map((key) => isConjunctive(fast.lookup(key, new Uint32Array(KEY_WORDS))))
  })
  const share = answers.filter(Boolean).length / answers.length
  expect(share).toBeGreaterThan(0.1)
  expect(share).toBeLessThan(0.9)
})
