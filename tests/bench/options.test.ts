import { describe, expect, test } from 'vitest'
import { Misused, parseOptions, selected } from '../../bench/options.ts'

const bench = (name: string) => ({ name, rows: () => Promise.resolve([]) })
const GROUPS = {
  switch: [bench('push VLAN, 1 flow'), bench('pop VLAN, 1 flow')],
  memory: [bench('memory: push VLAN')],
}
const chosen = (...words: string[]) => selected(GROUPS, parseOptions(words)).map(({ name }) => name)

describe('what is measured', () => {
  test('everything where nothing is asked for', () => {
    expect(chosen()).toEqual(['push VLAN, 1 flow', 'pop VLAN, 1 flow', 'memory: push VLAN'])
  })

  test('the groups that are named, in the order of the table', () => {
    expect(chosen('memory', 'switch')).toEqual(chosen())
    expect(chosen('memory')).toEqual(['memory: push VLAN'])
  })

  test('what has the words in its name, whatever their case', () => {
    expect(chosen('--only', 'PUSH')).toEqual(['push VLAN, 1 flow', 'memory: push VLAN'])
    expect(chosen('--only', 'push', '--only', 'pop', 'switch')).toEqual(['push VLAN, 1 flow', 'pop VLAN, 1 flow'])
  })

  test.each([
    [['--only', 'gre'], "'gre'"],
    [['--only', 'memory', 'switch'], "'memory'"],
    [['toString'], "no group 'toString'; there is switch, memory"],
    [['--against', 'linux'], "'linux'"],
    [['--against'], '--against'],
    [['--jsn', 'x'], '--jsn'],
    [['--only=a', '--json'], '--json'],
  ])('%j makes no sense', (words, said) => {
    const misuse = () => chosen(...words)
    expect(misuse).toThrow(Misused)
    expect(misuse).toThrow(said)
  })

  test('each peer that there is', () => {
    expect(['ovs', 'ovn'].map((peer) => parseOptions(['--against', peer]).against)).toEqual(['ovs', 'ovn'])
  })

  test('the other options', () => {
    expect(parseOptions(['--against', 'ovs', '--json', 'out.json', '--rules', 'a', '--rules', 'b', '-h'])).toEqual({
      against: 'ovs',
      json: 'out.json',
      rules: ['a', 'b'],
      only: [],
      groups: [],
      list: false,
      help: true,
    })
  })
})
