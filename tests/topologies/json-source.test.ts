import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { JsonSource } from '../../topologies/json-source.ts'

const plain = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown

test('reads what JSON.parse reads', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), fc.constantFrom(undefined, 2), (value, indent) => {
      const source = new JsonSource(JSON.stringify(value, null, indent), 'x.json')
      expect(source.problems).toEqual([])
      expect(plain(source.value)).toEqual(plain(value))
      // Places are looked for by a parser of our own.
      expect(source.valueAt('')).toEqual({ line: 1, column: 1 })
    }),
    { seed: 1 },
  )
})

test('admits a mutilated text where JSON.parse does, and nowhere else', () => {
  const text = '{"a": [1, -2.5e+3, "x\\n\\u00e9"], "b": {"c": null, "d": true}}'
  const mutilated = fc.tuple(fc.nat(text.length - 1), fc.nat(3), fc.string({ maxLength: 2 }))
  fc.assert(
    fc.property(mutilated, ([at, cut, inserted]) => {
      const broken = text.slice(0, at) + inserted + text.slice(at + cut)
      const source = new JsonSource(broken, 'x.json')
      expect(source.value !== undefined).toBe(parses(broken))
      expect(source.valueAt('').line).toBeGreaterThan(0)
    }),
    { seed: 1, numRuns: 2000 },
  )
})

test('hears of a key that is given twice, wherever it is and whatever strings there are', () => {
  const word = fc.string({ unit: fc.constantFrom(':', '"', '\\', 'a', '{'), maxLength: 6 })
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 5 }), word, fc.nat(2), (keys, said, depth) => {
      const members = keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(said)}`).join(',')
      const nested = Array.from({ length: depth }).reduce((inner: string) => `{"in":[1,${inner}]}`, `{${members}}`)
      const { problems } = new JsonSource(nested, 'x.json')
      expect(problems).toHaveLength(keys.length - new Set(keys).size)
    }),
    { seed: 1, numRuns: 500 },
  )
})

function parses(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

test('knows where values and keys stand', () => {
  const source = new JsonSource('{\n  "a/b": [1,\r\n    {"c": true}]\n}', 'x.json')
  expect(source.valueAt('/a~1b/1/c')).toEqual({ line: 3, column: 11 })
  expect(source.keyAt('/a~1b/1/c')).toEqual({ line: 3, column: 6 })
  expect(source.valueAt('/a~1b/1/missing')).toEqual({ line: 3, column: 5 })
})

describe('what is no JSON', () => {
  test.each([
    ['{"a": 1,}', 1, 9, 'a key in double quotes'],
    ['[1\n2]', 2, 1, "',' or ']'"],
    ['["a', 1, 2, 'a closing quote'],
    ['', 1, 1, 'a JSON value'],
    ['{} x', 1, 4, 'nothing more'],
    ['["\\x"]', 1, 3, '\\" \\\\ \\/ \\b \\f \\n \\r \\t or \\u and four digits'],
  ])('%j', (text, line, column, expected) => {
    const [problem] = new JsonSource(text, 'x.json').problems
    expect(problem).toMatchObject({ line, column, expected })
  })

  test('is nested too deeply', () => {
    expect(new JsonSource('['.repeat(100_000), 'x.json').problems[0]!.problem).toBe('nested too deeply')
  })
})

test('a key given twice is a problem, and the first counts', () => {
  const { value, problems } = new JsonSource('{"a": {"b": 1,\n "b": 2}}', 'x.json')
  expect(plain(value)).toEqual({ a: { b: 1 } })
  expect(problems).toEqual([
    { line: 2, column: 2, pointer: '/a/b', problem: "key 'b' is given twice", expected: 'each key once' },
  ])
})
