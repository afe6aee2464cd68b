import { expect, test } from 'vitest'
import type { Classifier } from '../../datapath/classifier/classifier.ts'
import { LinearSearch } from '../../datapath/classifier/linear-search.ts'
import { TrieClassifier } from '../../datapath/classifier/trie-classifier.ts'
import type { Flow } from '../../datapath/flow.ts'
import { makeFlow } from '../../datapath/flow.ts'
import { keysAgree } from '../../datapath/flow-key.ts'
import { KEY_WORDS } from '../../protocols/fields.ts'
import { seeded } from '../../runtime/random.ts'
import { pick } from '../support/random-flows.ts'
import { agreeingKey, matchMetBy, randomKeys } from '../support/random-keys.ts'
import { flowMod } from '../support/test-tables.ts'

const emptyMask = () => new Uint32Array(KEY_WORDS)
const lookup = (classifier: Classifier, key: Uint32Array) => classifier.lookup(key, emptyMask())

/** Priorities are distinct, so that one answer is right. */
function fill(seed: number) {
  const random = seeded(seed)
  const keys = randomKeys(random, 100)
  const plain = new LinearSearch()
  const fast = new TrieClassifier()
  const flows: Flow[] = Array.from({ length: 200 }, (_, at) => {
    const match = matchMetBy(random, pick(random, keys))
    return makeFlow(flowMod({ match, priority: (at * 7919) % 65536 }), 0)
  })
  for (const flow of flows) {
    plain.insert(flow)
    fast.insert(flow)
  }
  return { random, keys, plain, fast, flows }
}

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8]

test.each(SEEDS)('the trie finds what linear search finds, also when flows go (seed %i)', (seed) => {
  const { random, keys, plain, fast, flows } = fill(seed)
  for (let round = 0; round < 100; round++) {
    for (const key of keys) expect(lookup(fast, key)).toBe(lookup(plain, key))
    const gone = pick(random, flows)
    expect(fast.remove(gone)).toBe(plain.remove(gone))
    expect(fast.size).toBe(plain.size)
  }
})

test.each(SEEDS)('a key that agrees on the consulted bits has the same answer (seed %i)', (seed) => {
  const { random, keys, plain, fast } = fill(seed)
  for (const key of keys) {
    const consulted = emptyMask()
    const found = fast.lookup(key, consulted)
    for (let other = 0; other < 20; other++) {
      const agreeing = agreeingKey(random, key, consulted, keys)
      expect(keysAgree(agreeing, key, consulted)).toBe(true)
      expect(lookup(plain, agreeing)).toBe(found)
    }
  }
})

test.each([new LinearSearch(), new TrieClassifier()])(
  'a flow of the same match and priority gives way',
  (classifier) => {
    const first = makeFlow(flowMod({ priority: 5, match: [{ field: 'in_port', value: 1n }] }), 0)
    const second = makeFlow(first.spec, 0)
    expect(classifier.insert(first)).toBeUndefined()
    expect(classifier.insert(second)).toBe(first)
    expect([...classifier]).toEqual([second])
    expect(classifier.find(first, 5)).toBe(second)
    expect(classifier.find(first, 6)).toBeUndefined()
  },
)
