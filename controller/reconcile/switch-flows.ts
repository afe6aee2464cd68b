// The flows of one switch, in slots: what comes of one vNIC here, of one network, of the user. A slot that a change does not concern
// is the same object after it, so two states are compared slot by slot; and the flows that many switches have alike are one map
// that all of them share. To readers it is one map, by `flowKey`.

import type { FlowSpec } from '../../protocols/control/messages.ts'
import type { KeyChange } from '../persistent-map.ts'
import { changedKeys, PersistentMap } from '../persistent-map.ts'
import { onceSince } from '../../runtime/once.ts'

export type FlowsByKey = ReadonlyMap<string, FlowSpec>

/** Flows that other switches have as well. */
export type Shared = PersistentMap<string, FlowSpec>

/** Flows of one thing; no key is in two slots of a switch. */
export interface Slot {
  /** This switch's alone; they go before shared ones of the same key. */
  readonly own: FlowsByKey
  /** One list for all switches that have these. No key is in two of them. */
  readonly shared: readonly Shared[]
}

/** What slots share with those of other switches. */
export interface Shares {
  /** Of slots: one list for as long as they are the same. */
  readonly names: readonly string[]
  /** Of each. */
  readonly lists: readonly Slot['shared'][]
}

/** What is to be set and deleted, by key: one list for all switches of which the same changes. */
export type FlowChanges = readonly KeyChange<string, FlowSpec>[]

/** Of one network on this switch: what frames from others meet, and those for others. */
export const networkSlot = (network: string): string => `network ${network}`

/** Copies on their way between hosts, and where they are made. */
export const MIRRORS_SLOT = 'mirrors'

/** Whether frames that other switches send meet what is in the slot. */
export const isShared = (name: string): boolean => name === MIRRORS_SLOT || name.startsWith('network ')

const NO_OWN: FlowsByKey = new Map()
export const EMPTY_SLOT: Slot = { own: NO_OWN, shared: [] }
export const NO_SHARES: Shares = { names: [], lists: [] }

/** Flows that many switches have, part by part: one object for all switches that have these. */
export interface Parts {
  readonly names: readonly string[]
  /** Of each. */
  readonly flows: readonly Shared[]
}

export const NO_PARTS: Parts = { names: [], flows: [] }
const NO_FLOWS = PersistentMap.empty<string, FlowSpec>()

export class SwitchFlows implements FlowsByKey {
  /** By slot, what is this switch's alone. */
  readonly own: PersistentMap<string, FlowsByKey>
  readonly shares: Shares
  /** No key is in two of them, or in one and in a slot. */
  readonly parts: Parts

  constructor(own: PersistentMap<string, FlowsByKey>, shares = NO_SHARES, parts = NO_PARTS) {
    this.own = own
    this.shares = shares
    this.parts = parts
  }

  get size(): number {
    let size = 0
    for (const [, slot] of this.slots()) size += sizeOf(slot.own, slot.shared)
    for (const flows of this.parts.flows) size += flows.size
    return size
  }

  /** Slot by slot and part by part, what goes before what: of what does not change, the same objects. */
  get layers(): (readonly FlowsByKey[])[] {
    const ofSlots = Array.from(this.slots(), ([, { own, shared }]) => [own, ...shared])
    return [...ofSlots, ...this.parts.flows.map((flows) => [flows])]
  }

  isOf(own: SwitchFlows['own'], shares: Shares, parts: Parts): boolean {
    return this.own === own && this.shares === shares && this.parts === parts
  }

  /** By name. */
  *slots(): Generator<[string, Slot], undefined> {
    const { names, lists } = this.shares
    const sharedBy = new Map(names.map((name, index) => [name, lists[index]!]))
    for (const [name, own] of this.own) {
      yield [name, { own, shared: sharedBy.get(name) ?? EMPTY_SLOT.shared }]
      sharedBy.delete(name)
    }
    for (const [name, shared] of sharedBy) yield [name, { own: NO_OWN, shared }]
  }

  slot(name: string): Slot | undefined {
    const own = this.own.get(name)
    const shared = this.shares.lists[this.shares.names.indexOf(name)]
    if (own === undefined && shared === undefined) return undefined
    return { own: own ?? NO_OWN, shared: shared ?? EMPTY_SLOT.shared }
  }

  get(key: string): FlowSpec | undefined {
    for (const own of this.own.values()) {
      const found = own.get(key)
      if (found !== undefined) return found
    }
    for (const list of this.shares.lists) {
      const found = flowAmong(list, key)
      if (found !== undefined) return found
    }
    return flowAmong(this.parts.flows, key)
  }

  has(key: string): boolean {
    return this.get(key) !== undefined
  }

  *entries(): Generator<[string, FlowSpec], undefined> {
    for (const [, slot] of this.slots()) yield* flowsOf(slot)
    for (const flows of this.parts.flows) yield* flows
  }

  *keys(): Generator<string, undefined> {
    for (const [key] of this) yield key
  }

  *values(): Generator<FlowSpec, undefined> {
    for (const [, flow] of this) yield flow
  }

  [Symbol.iterator](): Generator<[string, FlowSpec], undefined> {
    return this.entries()
  }

  forEach(call: (flow: FlowSpec, key: string, map: FlowsByKey) => void): void {
    for (const [key, flow] of this) call(flow, key, this)
  }

  /** With these flows in a slot, in place of those that were there of the switch's own. */
  withOwn(name: string, own: FlowsByKey): SwitchFlows {
    return new SwitchFlows(this.own.set(name, own), this.shares, this.parts)
  }

  without(keys: Iterable<string>): SwitchFlows {
    let { own } = this
    let { lists } = this.shares
    let { flows } = this.parts
    for (const key of keys) {
      for (const [name, ofSlot] of own) if (ofSlot.has(key)) own = own.set(name, mapWithout(ofSlot, key))
      lists = lists.map((list) => (flowAmong(list, key) === undefined ? list : list.map((some) => some.delete(key))))
      flows = flows.map((part) => part.delete(key))
    }
    return new SwitchFlows(own, { names: this.shares.names, lists }, { names: this.parts.names, flows })
  }

  /** What must be set and deleted for `before` to become this. */
  changesSince(before: SwitchFlows): FlowChanges {
    const parts = partChanges(this.parts, before.parts)
    if (this.own === before.own) {
      if (this.shares === before.shares) return parts
      // Of what happens to one network most switches learn no more than this.
      const place = parts.length === 0 ? placeThatDiffers(before.shares, this.shares) : undefined
      if (place !== undefined) return this.#sharedChangesAt(place, before)
    }
    const inSlots = joined(this.slotsSince(before).map(([, was, is]) => slotChanges(was, is)))
    if (inSlots.length === 0) return parts
    return parts.length === 0 ? inSlots : [...inSlots, ...parts]
  }

  #sharedChangesAt(place: number, before: SwitchFlows): FlowChanges {
    const { names, lists } = this.shares
    return besideOwn(this.own.get(names[place]!) ?? NO_OWN, sharedChanges(lists[place]!, before.shares.lists[place]!))
  }

  /** Slots that are others in `before`. */
  slotsSince(before: SwitchFlows): KeyChange<string, Slot>[] {
    const differ = namesThatDiffer(before.shares, this.shares)
    if (this.own !== before.own)
      for (const [name] of this.own.changesSince(before.own)) if (!differ.includes(name)) differ.push(name)
    // In the order in which all of them stand.
    const inOrder = differ.length < 2 ? differ : [...this.own.keys()].filter((name) => differ.includes(name))
    const others = inOrder.length === differ.length ? [] : differ.filter((name) => !inOrder.includes(name))
    return [...inOrder, ...others].map((name) => [name, before.slot(name), this.slot(name)])
  }
}

/** Where the one list stands that is another; undefined where there are several, or slots are others. */
function placeThatDiffers(before: Shares, { names, lists }: Shares): number | undefined {
  if (names !== before.names) return undefined
  let place: number | undefined
  for (let index = 0; index < lists.length; index++) {
    if (lists[index] === before.lists[index]) continue
    if (place !== undefined) return undefined
    place = index
  }
  return place
}

function namesThatDiffer(before: Shares, after: Shares): string[] {
  if (before === after) return []
  const { names, lists } = after
  if (names === before.names) return names.filter((_name, index) => lists[index] !== before.lists[index])
  const was = new Map(before.names.map((name, index) => [name, before.lists[index]]))
  const others = names.filter((name, index) => was.get(name) !== lists[index])
  const gone = before.names.filter((name) => !names.includes(name))
  return [...others, ...gone]
}

const flowIn = ({ own, shared }: Slot, key: string): FlowSpec | undefined => own.get(key) ?? flowAmong(shared, key)

function flowAmong(list: readonly Shared[], key: string): FlowSpec | undefined {
  for (const flows of list) {
    const flow = flows.get(key)
    if (flow !== undefined) return flow
  }
  return undefined
}

function* flowsOf({ own, shared }: Slot): Generator<[string, FlowSpec], undefined> {
  yield* own
  for (const flows of shared) for (const entry of flows) if (!own.has(entry[0])) yield entry
}

/** Most slots have few flows of their own. */
function sizeOf(own: FlowsByKey, shared: Slot['shared']): number {
  let size = 0
  for (const flows of shared) size += flows.size
  for (const key of own.keys()) if (flowAmong(shared, key) === undefined) size++
  return size
}

const mapWithout = (flows: FlowsByKey, key: string): FlowsByKey => new Map([...flows].filter(([one]) => one !== key))

/** What is under keys under which the two may have something else. */
export function slotChanges(was = EMPTY_SLOT, is = EMPTY_SLOT): FlowChanges {
  const shared = sharedChanges(is.shared, was.shared)
  if (was.own === is.own) return besideOwn(is.own, shared)
  const changes = new Map<string, KeyChange<string, FlowSpec>>()
  for (const [key] of changedKeys(was.own, is.own)) changes.set(key, [key, flowIn(was, key), flowIn(is, key)])
  for (const [key, gone, come] of shared) changes.set(key, [key, was.own.get(key) ?? gone, is.own.get(key) ?? come])
  return [...changes.values()]
}

/** Those that a switch sees which has these flows of its own: the same list where that is all of them. */
const besideOwn = (own: FlowsByKey, changes: FlowChanges): FlowChanges =>
  changes.some(([key]) => own.has(key)) ? changes.filter(([key]) => !own.has(key)) : changes

const NO_CHANGES: FlowChanges = []

/** What changes in several slots, or lists of one, that have no key in common: but a key may leave one for another. */
function joined(all: readonly FlowChanges[]): FlowChanges {
  const [first = NO_CHANGES, ...more] = all.filter(({ length }) => length > 0)
  if (more.length === 0) return first
  const changes = new Map<string, KeyChange<string, FlowSpec>>()
  for (const [key, was, is] of [first, ...more].flat()) {
    const [, gone, come] = changes.get(key) ?? []
    changes.set(key, [key, was ?? gone, is ?? come])
  }
  return [...changes.values()]
}

/** Many switches ask the same after one change. */
const sharedChanges = unlessSame(
  onceSince((is: Slot['shared'], was: Slot['shared']): FlowChanges => {
    const longer = was.length > is.length ? was : is
    return joined(longer.map((_flows, place) => mapChanges(was[place], is[place])))
  }),
)

const partChanges = unlessSame(
  onceSince((is: Parts, was: Parts): FlowChanges => {
    const names = new Set([...is.names, ...was.names])
    const lists = [...names].map((name) => mapChanges(partOf(was, name), partOf(is, name)))
    const [changes = NO_CHANGES, ...more] = lists.filter(({ length }) => length > 0)
    return more.length === 0 ? changes : [changes, ...more].flat()
  }),
)

function unlessSame<T>(changes: (is: T, was: T) => FlowChanges) {
  return (is: T, was: T): FlowChanges => (is === was ? NO_CHANGES : changes(is, was))
}

const partOf = ({ names, flows }: Parts, name: string): Shared | undefined => flows[names.indexOf(name)]

const mapChanges = (was = NO_FLOWS, is = NO_FLOWS): FlowChanges => is.changesSince(was)
