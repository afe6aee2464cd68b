// The classifier of one OpenFlow table with large rule sets: headers that meet rules evenly, each looked up with the bits that it
// depended on, as on a miss of every cache; changes take out and put back the flows of the full table in no order; memory is what
// the classifier adds to the flows. Megaflows: how many different answers with their bits the headers make, and how many masks.

import { TrieClassifier } from '../datapath/classifier/trie-classifier.ts'
import type { Flow } from '../datapath/flow.ts'
import type { FlowKey } from '../datapath/flow-key.ts'
import { KEY_WORDS } from '../protocols/fields.ts'
import { seeded } from '../runtime/random.ts'
import { generateRules, readRules, setHeader, type Kind, type RuleSet } from './classifier-rules.ts'
import { TupleSpace } from './classifier-tuple-space.ts'
import type { Bench } from './bench.ts'
import { heapInUse, measure, rowOf, secondsOf, type Row } from './measure.ts'

const KINDS: readonly Kind[] = ['acl', 'fw', 'ipc']
const SIZES = [1000, 10_000, 100_000]
const HEADERS = 100_000
const CHANGES = 40_000
const RUNS = 3
/** Of the headers, for what is slower. */
const FEWER = 2000

interface LooksUp {
  lookup(key: FlowKey, consulted: Uint32Array): Flow | undefined
}

/** `files`: rule sets of ClassBench's format to measure beside the made ones. */
export function classifierBenches(files: readonly string[]): Bench[] {
  const read = files.map((file) => benchOf(file, () => readRules(file, HEADERS)))
  const made = KINDS.flatMap((kind) =>
    SIZES.map((size) => benchOf(`${kind}, ${size.toLocaleString('en-US')}`, () => generateRules(kind, size, HEADERS))),
  )
  return [...read, ...made]
}

const benchOf = (name: string, set: () => RuleSet): Bench => ({
  name: `classifier: ${name} flows`,
  rows: () => rowsOf(set()),
})

async function rowsOf(set: RuleSet): Promise<Row[]> {
  const name = `classifier: ${set.name}`
  const before = heapInUse()
  const trie = new TrieClassifier()
  for (const flow of set.flows) trie.insert(flow)
  const bytes = (heapInUse() - before) / set.flows.length
  const tuples = new TupleSpace(set.flows)
  const rows = [
    await measure(name, 'look-ups/s', RUNS, () => lookups(trie, set, HEADERS)),
    rowOf(`${name} in tuple space`, 'look-ups/s', [await lookups(tuples, set, FEWER)]),
    await measure(`${name}, changes`, 'changes/s', RUNS, () => changes(trie, set)),
    rowOf(`${name}, memory`, 'bytes/flow', [bytes]),
  ]
  const of = (classifier: LooksUp, count: number, scheme = '') => {
    const { megaflows, masks } = megaflowsOf(classifier, set, count)
    const what = `${name}, ${count.toLocaleString('en-US')} headers${scheme}`
    rows.push(rowOf(what, 'megaflows', [megaflows]), rowOf(what, 'masks', [masks]))
  }
  of(trie, HEADERS)
  of(trie, FEWER)
  of(tuples, FEWER, ' in tuple space')
  return rows
}

async function lookups(classifier: LooksUp, set: RuleSet, count: number): Promise<number> {
  const key = new Uint32Array(KEY_WORDS)
  const consulted = new Uint32Array(KEY_WORDS)
  const seconds = await secondsOf(() => {
    for (let index = 0; index < count; index++) {
      setHeader(key, set, index)
      consulted.fill(0)
      classifier.lookup(key, consulted)
    }
  })
  return count / seconds
}

async function changes(trie: TrieClassifier, { flows }: RuleSet): Promise<number> {
  const random = seeded(3)
  const some = new Set(Array.from({ length: CHANGES / 2 }, () => flows[random.below(flows.length)]!))
  let made = 0
  const seconds = await secondsOf(() => {
    while (made < CHANGES) {
      for (const flow of some) trie.remove(flow)
      for (const flow of some) trie.insert(flow)
      made += 2 * some.size
    }
  })
  return made / seconds
}

function megaflowsOf(classifier: LooksUp, set: RuleSet, count: number): { megaflows: number; masks: number } {
  const key = new Uint32Array(KEY_WORDS)
  const consulted = new Uint32Array(KEY_WORDS)
  const megaflows = new Set<string>()
  const masks = new Set<string>()
  for (let index = 0; index < count; index++) {
    setHeader(key, set, index)
    consulted.fill(0)
    classifier.lookup(key, consulted)
    let mask = ''
    let value = ''
    for (let word = 0; word < KEY_WORDS; word++) {
      if (consulted[word] === 0) continue
      mask += `${word} ${consulted[word]!} `
      value += `${key[word]! & consulted[word]!} `
    }
    masks.add(mask)
    megaflows.add(mask + value)
  }
  return { megaflows: megaflows.size, masks: masks.size }
}
