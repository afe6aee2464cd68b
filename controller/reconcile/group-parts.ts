// Flows for who stands behind the names in security groups' rules: the same on every switch that has such a rule. So they are made
// once, and a member more is the same change for all of them.

import type { FlowSpec } from '../../protocols/control/messages.ts'
import type { GroupPart } from '../apps/app.ts'
import type { FarEnd, Groups } from '../network/security-groups.ts'
import { changedFarEnds } from '../network/security-groups.ts'
import { PersistentMap } from '../persistent-map.ts'
import type { Parts } from './switch-flows.ts'

interface Known {
  readonly part: GroupPart
  /** Names of the switches that have it. */
  readonly users: Set<string>
}

export class GroupParts {
  /** Of all parts that somebody has had. */
  flows: Parts = PersistentMap.empty()
  readonly #make: (part: GroupPart, farEnd: FarEnd) => PersistentMap<string, FlowSpec>
  readonly #known = new Map<string, Known>()
  readonly #farEnds = new Map<number, FarEnd>()
  /** By switch. */
  readonly #uses = new Map<string, readonly string[]>()
  /** One for all switches that have the same. */
  readonly #lists = new Map<string, readonly string[]>()
  #followed: Groups['farEnds'] | undefined

  constructor(make: (part: GroupPart, farEnd: FarEnd) => PersistentMap<string, FlowSpec>) {
    this.#make = make
  }

  /** @returns names of the switches that have another part now */
  follow({ farEnds }: Groups): Set<string> {
    const changed = changedFarEnds(this.#followed, farEnds)
    this.#followed = farEnds
    for (const farEnd of changed) this.#farEnds.set(farEnd.number, farEnd)
    const numbers = new Set(changed.map(({ number }) => number))
    const touched = new Set<string>()
    for (const { part, users } of this.#known.values())
      if (numbers.has(part.far) && users.size > 0 && this.#renew(part)) for (const name of users) touched.add(name)
    return touched
  }

  /** The switch has these and no others. @returns their names: the same list for as long as it says the same */
  use(name: string, parts: readonly GroupPart[]): readonly string[] {
    const before = this.#uses.get(name) ?? []
    const same = before.length === parts.length && parts.every((part, index) => part.name === before[index])
    if (same) return before
    for (const one of before) this.#known.get(one)!.users.delete(name)
    for (const part of parts) this.#obtain(part).users.add(name)
    const names = parts.map((part) => part.name)
    const text = names.join('\n')
    const uses = this.#lists.get(text) ?? names
    this.#lists.set(text, uses)
    this.#uses.set(name, uses)
    return uses
  }

  #obtain(part: GroupPart): Known {
    const before = this.#known.get(part.name)
    // What nobody has is not kept up.
    if (before === undefined || before.users.size === 0) this.#renew(part)
    const known = before ?? { part, users: new Set<string>() }
    this.#known.set(part.name, known)
    return known
  }

  /** False where it is what it was. */
  #renew(part: GroupPart): boolean {
    const before = this.flows
    this.flows = before.set(part.name, this.#make(part, this.#farEnds.get(part.far)!))
    return this.flows !== before
  }
}
