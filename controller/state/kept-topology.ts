// How a topology is written down: each of its objects by itself, and by itself which comes after it, so that a change of one is as long
// as that object, however many others there are.
//
//   order      hosts, networks, vms …   name of the first object of that kind, null where there is none
//   order      kind, name               name of the one after that
//   asked      kind, name               one object
//   topology   name, fabric …           what else there is of it

import type { Change, StoredValue } from '../../runtime/store.ts'
import type { Topology } from '../../topologies/topology.ts'
import type { Named } from '../network/vm-changes.ts'
import { changedMembers } from '../network/vm-changes.ts'

/** In no name. */
const SEPARATOR = '\t'
const keyOf = (part: string, name: string): string => `${part}${SEPARATOR}${name}`

type Parts = Readonly<Record<string, unknown>>

/** What must be written for `before` to become `after`. What is the same object is not looked at. */
export function changedTopology(before: Topology | undefined, after: Topology | undefined): Change[] {
  if (before === after) return []
  const [was, is]: [Parts, Parts] = [{ ...before }, { ...after }]
  return [...new Set([...Object.keys(was), ...Object.keys(is)])].flatMap((part) =>
    was[part] === is[part] ? [] : changedPart(part, was[part], is[part]),
  )
}

function changedPart(part: string, was: unknown, is: unknown): Change[] {
  const [before, after] = [objectsIn(was), objectsIn(is)]
  return [
    ...(before === after ? [] : changedObjects(part, before, after)),
    ...changedValue('topology', part, before ? undefined : was, after ? undefined : is),
  ]
}

const objectsIn = (value: unknown): readonly Named[] | undefined => (isOfNamed(value) ? value : undefined)

const isOfNamed = (value: unknown): value is readonly Named[] =>
  Array.isArray(value) && value.every((one: unknown) => typeof one === 'object' && one !== null && 'name' in one)

function changedObjects(part: string, was: List, is: List): Change[] {
  const objects = changedMembers(was ?? [], is ?? []).flatMap(({ was: old, is: now }) =>
    changedValue('asked', keyOf(part, (now ?? old)!.name), old, now),
  )
  const [before, after] = linksThatDiffer(was, is)
  const links = [...new Set([...before.keys(), ...after.keys()])].flatMap((key) =>
    changedValue('order', key === '' ? part : keyOf(part, key), before.get(key), after.get(key)),
  )
  return [...objects, ...links]
}

type List = readonly Named[] | undefined

/** By name, who comes next; under no name, who is the first. */
type Links = ReadonlyMap<string, string | null>

/** Of both lists, the links between objects that are not in the same order at either end: no others are different. */
function linksThatDiffer(was: List, is: List): [Links, Links] {
  const same = (a: Named | undefined, b: Named | undefined) => a !== undefined && a.name === b?.name
  const shorter = Math.min(was?.length ?? 0, is?.length ?? 0)
  let start = 0
  while (start < shorter && same(was![start], is![start])) start++
  let alike = 0
  while (alike < shorter - start && same(was!.at(-1 - alike), is!.at(-1 - alike))) alike++
  return [linksIn(was, start, alike), linksIn(is, start, alike)]
}

/** Those to the object at `start` and to all behind it, but for the last so many. */
function linksIn(list: List, start: number, butFor: number): Links {
  const links = new Map<string, string | null>()
  if (list === undefined) return links
  for (let place = start; place <= list.length - butFor; place++)
    links.set(list[place - 1]?.name ?? '', list[place]?.name ?? null)
  return links
}

function changedValue(kind: string, key: string, was: unknown, is: unknown): Change[] {
  const [before, after] = [was, is].map((value) => (value === undefined ? undefined : JSON.stringify(value)))
  if (before === after) return []
  return after === undefined ? [{ kind, key }] : [{ kind, key, value: after }]
}

type Entries = ReadonlyMap<string, StoredValue> | undefined

/** Undefined where there is none. */
export function keptTopology(values: Entries, order: Entries, objects: Entries): Topology | undefined {
  if (values?.has('name') !== true) return undefined
  const parts = [...values].map(([part, value]): [string, unknown] => [part, parsed(value)])
  const kinds = [...(order?.keys() ?? [])].filter((key) => !key.includes(SEPARATOR))
  const lists = kinds.map((part): [string, unknown] => [
    part,
    namesInOrder(part, order!).map((name) => parsed(objects!.get(keyOf(part, name))!)),
  ])
  return Object.fromEntries([...parts, ...lists]) as unknown as Topology
}

function namesInOrder(part: string, order: ReadonlyMap<string, StoredValue>): string[] {
  const names: string[] = []
  const after = (key: string) => parsed(order.get(key)!) as string | null
  for (let name = after(part); name !== null; name = after(keyOf(part, name))) names.push(name)
  return names
}

const parsed = (value: StoredValue): unknown => JSON.parse(value.toString())
