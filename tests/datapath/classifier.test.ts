import { expect, test } from 'vitest'
import type { Classifier } from '../../datapath/classifier/classifier.ts'
import { LinearSearch } from '../../datapath/classifier/linear-search.ts'
import { TrieClassifier } from '../../datapath/classifier/trie-classifier.ts'
import type { Flow } from '../../datapath/flow.ts'
import { makeFlow } from '../../datapath/flow.ts'
import type { FlowKey } from '../../datapath/flow-key.ts'
import { keysAgree } from '../../datapath/flow-key.ts'
import { KEY_WORDS, Word } from '../../protocols/fields.ts'
import { meets } from '../../datapath/packed-match.ts'
import type { FieldMatch } from '../../protocols/match.ts'
import type { Random } from '../../runtime/random.ts'
import { seeded } from '../../runtime/random.ts'
import { chance, pick } from '../support/random-flows.ts'
import { agreeingKey, matchMetBy, randomKeys } from '../support/random-keys.ts'
import { flowMod } from '../support/test-tables.ts'
import { seeds } from '../support/seeds.ts'
import { expectEqual } from '../support/expect-equal.ts'

const emptyMask = () => new Uint32Array(KEY_WORDS)
const lookup = (classifier: Classifier, key: FlowKey) => classifier.lookup(key, emptyMask())

/** Many of one priority, and some of one match. */
const randomFlow = (random: Random, keys: readonly FlowKey[]): Flow =>
  makeFlow(flowMod({ match: matchMetBy(random, pick(random, keys)), priority: random.below(8) }), 0)

/** Addresses and ports by prefix, out of few, so that flows lie in one another and beside one another. */
function randomRule(random: Random): Flow {
  const ones = { nw_src: 32, nw_dst: 32, tcp_src: 16, tcp_dst: 16 }
  const match: FieldMatch[] = [{ field: 'eth_type', value: 0x0800n }]
  for (const [field, bits] of Object.entries(ones) as [keyof typeof ones, number][]) {
    const length = pick(random, [0, 0, 2, 3, bits - 2, bits])
    if (length === 0) continue
    const mask = BigInt(2 ** bits - 1 - (2 ** (bits - length) - 1))
    match.push({ field, value: fewBits(random, bits) & mask, mask })
  }
  if (chance(random, 0.5)) match.push({ field: 'nw_proto', value: pick(random, [6n, 17n]) })
  return makeFlow(flowMod({ match, priority: random.below(30) }), 0)
}

const fewBits = (random: Random, bits: number) =>
  (BigInt(random.below(4)) << BigInt(bits - 2)) | BigInt(random.below(4))

/** Keys that meet flows, where the flow leaves bits open with any. */
const keysMeeting = (random: Random, flows: readonly Flow[], count: number): FlowKey[] =>
  Array.from({ length: count }, () => {
    const { mask, values } = pick(random, flows)
    const key = pick(random, flows).values.length > 3 ? emptyMask() : emptyMask().map(() => random.uint32())
    mask.words.forEach((word, index) => {
      key[word] = (key[word]! & ~mask.bits[index]!) | values[index]!
    })
    return key
  })

const KINDS = [
  {
    kind: 'any masks',
    make: (random: Random) => {
      const keys = randomKeys(random, 60)
      return { keys, flows: Array.from({ length: 120 }, () => randomFlow(random, keys)) }
    },
  },
  {
    kind: 'prefixes',
    make: (random: Random) => {
      const flows = Array.from({ length: 150 }, () => randomRule(random))
      return { flows, keys: keysMeeting(random, flows, 60) }
    },
  },
]
const CASES = KINDS.flatMap((kind) => seeds(4).map((seed) => ({ ...kind, seed })))

function fill(flows: readonly Flow[]) {
  const plain = new LinearSearch()
  const fast = new TrieClassifier()
  for (const flow of flows) expect(fast.insert(flow)).toBe(plain.insert(flow))
  return { plain, fast }
}

test.each(CASES)('the trie finds what linear search finds, while flows come and go ($kind, seed $seed)', (given) => {
  const random = seeded(given.seed)
  const { flows, keys } = given.make(random)
  const { plain, fast } = fill(flows)
  for (let round = 0; round < 25; round++) {
    for (const key of keys) expectEqual(lookup(fast, key), lookup(plain, key))
    for (let times = 0; times < 6; times++) {
      const flow = pick(random, flows)
      const change = chance(random, 0.6) ? 'remove' : 'insert'
      expect(fast[change](flow)).toBe(plain[change](flow))
      expect(fast.find(flow, flow.spec.priority)).toBe(plain.find(flow, flow.spec.priority))
    }
    expect(fast.size).toBe(plain.size)
    expect(new Set(fast)).toEqual(new Set(plain))
  }
})

test.each(CASES)('a key that agrees on the consulted bits has the same answer ($kind, seed $seed)', (given) => {
  const random = seeded(given.seed)
  const { flows, keys } = given.make(random)
  const { plain, fast } = fill(flows)
  for (const key of keys) {
    const consulted = emptyMask()
    const found = fast.lookup(key, consulted)
    for (let other = 0; other < 20; other++) {
      const agreeing = agreeingKey(random, key, consulted, keys)
      expectEqual(keysAgree(agreeing, key, consulted), true)
      expectEqual(lookup(plain, agreeing), found)
      expectEqual(lookup(fast, agreeing), found)
    }
  }
})

test.each(CASES)('the trie asks for fewer bits than linear search ($kind, seed $seed)', (given) => {
  const { flows, keys } = given.make(seeded(given.seed))
  const { plain, fast } = fill(flows)
  const [few, many] = [fast, plain].map((classifier) => {
    let bits = 0
    for (const key of keys) {
      const consulted = emptyMask()
      classifier.lookup(key, consulted)
      for (const word of consulted) for (let left = word; left !== 0; left = (left & (left - 1)) >>> 0) bits++
    }
    return bits
  })
  expect(few!).toBeLessThan(many! / 1.5)
})

test('what a better flow leaves undecided is not asked for', () => {
  const flow = (priority: number, ...match: FieldMatch[]) => makeFlow(flowMod({ priority, match }), 0)
  const ip: FieldMatch = { field: 'eth_type', value: 0x0800n }
  const fast = new TrieClassifier()
  fast.insert(flow(10, ip, { field: 'nw_dst', value: 0x0a000000n, mask: 0xff000000n }))
  fast.insert(flow(5, ip, { field: 'nw_dst', value: 0x0a010203n }, { field: 'nw_src', value: 0x0a010204n }))
  const key = emptyMask()
  key[Word.etherType] = 0x0800
  key[Word.ipv4Destination] = 0x0a010203
  const consulted = emptyMask()
  fast.lookup(key, consulted)
  expect([...consulted.entries()].filter(([, bits]) => bits !== 0)).toEqual([
    [Word.etherType, 0xffff],
    [Word.ipv4Destination, 0xff000000],
  ])
})

test('a look-up that is wrong about more flows than it can note still asks for enough', () => {
  const random = seeded(9)
  // Three bits each, of which the last alone is 1: a key of few ones goes astray on every way down.
  const flows = Array.from({ length: 2500 }, (_, index) => {
    const [last, ...others] = [random.below(128), random.below(128), random.below(128)].sort((a, b) => a - b)
    const value = 1n << BigInt(last!)
    const mask = others.reduce((bits, at) => bits | (1n << BigInt(at)), value)
    return makeFlow(flowMod({ priority: index, match: [{ field: 'xxreg0', value, mask }] }), 0)
  })
  const fast = new TrieClassifier()
  for (const flow of flows) fast.insert(flow)
  for (let round = 0; round < 10; round++) {
    const key = emptyMask()
    if (round > 0) key[Word.registers + random.below(4)] = 1 << random.below(32)
    const consulted = emptyMask()
    const found = fast.lookup(key, consulted)
    const met = flows.filter((flow) => meets(key, flow)).sort((a, b) => b.spec.priority - a.spec.priority)
    expect(found).toBe(met[0])
    for (let bit = 0; bit < 128; bit++) {
      const other = key.slice()
      const word = Word.registers + (bit >> 5)
      other[word] = (other[word]! ^ ((1 << (bit & 31)) & ~consulted[word]!)) >>> 0
      expectEqual(lookup(fast, other), found)
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
