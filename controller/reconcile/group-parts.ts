// Flows for who stands behind the names in security groups' rules: the same on every switch that has such a rule. So they are made
// once, and a member more is the same change for all of them.

import type { FlowSpec } from '../../protocols/control/messages.ts'
import type { GroupPart } from '../apps/app.ts'
import type { FarEnd, Groups } from '../network/security-groups.ts'
import { changedFarEnds } from '../network/security-groups.ts'
import type { PersistentMap } from '../persistent-map.ts'
import type { Parts } from './switch-flows.ts'

/** Parts that some switches have together. */
export interface Together<User> {
  readonly key: string
  readonly parts: readonly GroupPart[]
  readonly users: Set<User>
  made: Parts
}

export class GroupParts<User> {
  /** The same map for as long as the part and its far end are the same. */
  readonly #make: (part: GroupPart, farEnd: FarEnd) => PersistentMap<string, FlowSpec>
  readonly #together = new Map<string, Together<User>>()
  readonly #farEnds = new Map<number, FarEnd>()
  #followed: Groups['farEnds'] | undefined

  constructor(make: (part: GroupPart, farEnd: FarEnd) => PersistentMap<string, FlowSpec>) {
    this.#make = make
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
      const flows = this.#flowsOf(parts)
      if (flows.every((one, index) => one === made.flows[index])) continue
      together.made = { names: made.names, flows }
      for (const user of users) touched.add(user)
    }
  }

  /** The switch, which was among those of `before`, has these parts and no others. @returns who has them, and what they are from now on */
  use(user: User, before: Together<User> | undefined, parts: readonly GroupPart[]): Together<User> {
    const names = parts.map((part) => part.name)
    const key = names.join('\n')
    if (before?.key === key) return before
    this.forget(user, before)
    const together = this.#together.get(key) ?? {
      key,
      parts,
      users: new Set(),
      made: { names, flows: this.#flowsOf(parts) },
    }
    this.#together.set(key, together)
    together.users.add(user)
    return together
  }

  forget(user: User, before: Together<User> | undefined): void {
    if (before === undefined) return
    before.users.delete(user)
    // What nobody has is not kept up.
    if (before.users.size === 0) this.#together.delete(before.key)
  }

  #flowsOf(parts: readonly GroupPart[]): PersistentMap<string, FlowSpec>[] {
    return parts.map((part) => this.#make(part, this.#farEnds.get(part.far)!))
  }
}
