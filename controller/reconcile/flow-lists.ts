// Flows for each entry of a map: of one that changes, those of that entry are made anew, and all else stays the same map.

import type { FlowSpec } from '../../protocols/control/messages.ts'
import type { Many } from '../apps/app.ts'
import { sameMembers } from '../network/sharing.ts'
import { PersistentMap } from '../persistent-map.ts'
import { newKey, sameFlow } from './switch-state.ts'

/** What was made of a map: whoever has it keeps it, and brings it when the map has changed. */
export interface FlowList extends Pick<Many, 'name' | 'entries' | 'inputs'> {
  readonly flows: PersistentMap<string, FlowSpec>
}

export const NO_LIST: FlowList = { name: '', entries: PersistentMap.empty(), inputs: [], flows: PersistentMap.empty() }

export class FlowLists {
  /**
   * For others that have the same of the same: by entries, by name. What is not told to be forgotten is there for as long as the entries
   * are, once for each name: of a security group's parts, and of switches of compilers that have been given up.
   */
  readonly #known = new WeakMap<Many['entries'], Map<string, FlowList>>()

  /** `before`: what its owner has in its place, if anything. */
  listOf(many: Many, before = NO_LIST): FlowList {
    const { name, entries, inputs } = many
    if (entries.size === 0) return NO_LIST
    const isOf = (list: FlowList) => list.name === name && sameMembers(list.inputs, inputs)
    if (before.entries === entries && isOf(before)) return before
    const others = this.#known.get(entries) ?? new Map<string, FlowList>()
    const known = others.get(name)
    if (known !== undefined && isOf(known)) return known
    const list = { name, entries, inputs, flows: flowsOf(many, isOf(before) ? before : NO_LIST) }
    this.#known.set(entries, others.set(name, list))
    return list
  }

  /** Who had it has it no more. What another has made since under its name stays. */
  forget(list: FlowList): void {
    const others = this.#known.get(list.entries)
    if (others?.get(list.name) === list) others.delete(list.name)
  }
}

function flowsOf({ entries, flows: flowsFor }: Many, before: FlowList): FlowList['flows'] {
  let { flows } = before
  const gone = new Set<string>()
  const changes = entries.changesSince(before.entries)
  for (const [, was] of changes) if (was !== undefined) for (const flow of flowsFor(was)) gone.add(newKey(flow))
  for (const [, , is] of changes) {
    if (is === undefined) continue
    for (const flow of flowsFor(is)) {
      const key = newKey(flow)
      gone.delete(key)
      const old = flows.get(key)
      if (old === undefined || !sameFlow(old, flow)) flows = flows.set(key, flow)
    }
  }
  for (const key of gone) flows = flows.delete(key)
  return flows
}
