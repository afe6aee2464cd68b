// How a topology is written down: each of its objects by itself, so that a change of one is as long as that object.
//
//   order      hosts, networks, vms …   names of the objects of that kind, in their order
//   asked      kind, name               one object
//   topology   name, fabric …           what else there is of it

import type { Change, StoredValue } from '../../runtime/store.ts'
import type { Topology } from '../../topologies/topology.ts'
import type { Named } from '../network/vm-changes.ts'
import { changedMembers } from '../network/vm-changes.ts'

/** In no name. */
const SEPARATOR = '\t'

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

function changedObjects(part: string, was: readonly Named[] | undefined, is: readonly Named[] | undefined): Change[] {
  const objects = changedMembers(was ?? [], is ?? []).flatMap(({ was: old, is: now }) =>
    changedValue('asked', `${part}${SEPARATOR}${(now ?? old)!.name}`, old, now),
  )
  const sameOrder =
    was !== undefined && was.length === is?.length && is.every(({ name }, index) => was[index]!.name === name)
  return sameOrder
    ? objects
    : [
        ...objects,
        ...changedValue(
          'order',
          part,
          was?.map(({ name }) => name),
          is?.map(({ name }) => name),
        ),
      ]
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
  const lists = [...(order ?? [])].map(([part, names]): [string, unknown] => [
    part,
    (parsed(names) as string[]).map((name) => parsed(objects!.get(`${part}${SEPARATOR}${name}`)!)),
  ])
  return Object.fromEntries([...parts, ...lists]) as unknown as Topology
}

const parsed = (value: StoredValue): unknown => JSON.parse(value.toString())
