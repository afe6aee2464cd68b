// Flows for who stands behind the names in security groups' rules: the same on every switch that has such a rule. So they are made
// once, and a member more is the same change for all of them.

import type { GroupPart } from '../apps/app.ts'
import type { FarEnd, Groups } from '../network/security-groups.ts'
import { changedFarEnds } from '../network/security-groups.ts'
import { sameMembers } from '../network/sharing.ts'
import type { FlowList, FlowLists } from './flow-lists.ts'
import type { Parts } from './switch-flows.ts'

/** Parts that some switches have together. */
export interface Together<User> {
  readonly key: string
  readonly parts: readonly GroupPart[]
  readonly users: Set<User>
  /** Of each part. */
  lists: readonly FlowList[]
  made: Parts
}

export class GroupParts<User> {
  readonly #lists: FlowLists
  readonly #together = new Map<string, Together<User>>()
  readonly #farEnds = new Map<number, FarEnd>()
  #followed: Groups['farEnds'] | undefined

  constructor(lists: FlowLists) {
    this.#lists = lists
  }

  /** From now on these stand behind the names in rules. Adds to `touched` who has another part for that. */
  follow({ farEnds }: Groups, touched: Set<User>): void {
    const changed = changedFarEnds(this.#followed, farEnds)
    this.#followed = farEnds
    if (changed.length === 0) return
    for (const farEnd of changed) this.#farEnds.set(farEnd.number, farEnd)
    const numbers = new Set(changed.map(({ number }) => number))
    for (const together of this.#together.values()) {
      const { parts, made, users } = together
      if (!parts.some(({ far }) => numbers.has(far))) continue
      together.lists = this.#listsOf(parts, together.lists)
      const flows = together.lists.map((list) => list.flows)
      if (sameMembers(flows, made.flows)) continue
      together.made = { names: made.names, flows }
      for (const user of users) touched.add(user)
    }
  }

  /** The switch, which was among those of `before`, has these parts and no others. @returns who has them, and what they are from now on */
  use(user: User, before: Together<User> | undefined, parts: readonly GroupPart[]): Together<User> {
    const names = parts.map((part) => part.name)
    const key = names.join('\n')
    if (before?.key === key) return before
    const together = this.#together.get(key) ?? this.#begun(key, names, parts)
    together.users.add(user)
    this.forget(user, before)
    return together
  }

  #begun(key: string, names: readonly string[], parts: readonly GroupPart[]): Together<User> {
    const lists = this.#listsOf(parts)
    const made = { names, flows: lists.map(({ flows }) => flows) }
    const together = { key, parts, users: new Set<User>(), lists, made }
    this.#together.set(key, together)
    return together
  }

  forget(user: User, before: Together<User> | undefined): void {
    if (before === undefined) return
    before.users.delete(user)
    // What nobody has is not kept up.
    if (before.users.size === 0) this.#together.delete(before.key)
  }

  #listsOf(parts: readonly GroupPart[], before: readonly FlowList[] = []): FlowList[] {
    return parts.map((part, index) => this.#lists.listOf(part.of(this.#farEnds.get(part.far)!), before[index]))
  }
}
