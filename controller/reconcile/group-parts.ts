// Flows for who stands behind the names in security groups' rules: the same on every switch that has such a rule. So they are made
// once, and a member more is the same change for all of them.

import type { FlowSpec } from '../../protocols/control/messages.ts'
import type { GroupPart } from '../apps/app.ts'
import type { FarEnd, Groups } from '../network/security-groups.ts'
import { changedFarEnds } from '../network/security-groups.ts'
import type { PersistentMap } from '../persistent-map.ts'
import { NO_PARTS, type Parts } from './switch-flows.ts'

/** Parts that some switches have together. */
interface Together {
  readonly key: string
  readonly parts: readonly GroupPart[]
  readonly switches: Set<string>
  made: Parts
}

const NONE = { made: NO_PARTS }

export class GroupParts {
  /** The same map for as long as the part and its far end are the same. */
  readonly #make: (part: GroupPart, farEnd: FarEnd) => PersistentMap<string, FlowSpec>
  readonly #together = new Map<string, Together>()
  readonly #bySwitch = new Map<string, Together>()
  readonly #farEnds = new Map<number, FarEnd>()
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
    for (const together of this.#together.values()) {
      const { parts, made, switches } = together
      if (!parts.some(({ far }) => numbers.has(far))) continue
      const flows = this.#flowsOf(parts)
      if (flows.every((one, index) => one === made.flows[index])) continue
      together.made = { names: made.names, flows }
      for (const name of switches) touched.add(name)
    }
    return touched
  }

  /** The switch has these and no others. @returns what they are, from now on */
  use(name: string, parts: readonly GroupPart[]): { readonly made: Parts } {
    const names = parts.map((part) => part.name)
    const key = names.join('\n')
    const before = this.#bySwitch.get(name)
    if (before?.key === key) return before
    this.forget(name)
    if (parts.length === 0) return NONE
    const together = this.#together.get(key) ?? {
      key,
      parts,
      switches: new Set(),
      made: { names, flows: this.#flowsOf(parts) },
    }
    this.#together.set(key, together)
    this.#bySwitch.set(name, together)
    together.switches.add(name)
    return together
  }

  forget(name: string): void {
    const before = this.#bySwitch.get(name)
    if (before === undefined) return
    this.#bySwitch.delete(name)
    before.switches.delete(name)
    // What nobody has is not kept up.
    if (before.switches.size === 0) this.#together.delete(before.key)
  }

  #flowsOf(parts: readonly GroupPart[]): PersistentMap<string, FlowSpec>[] {
    return parts.map((part) => this.#make(part, this.#farEnds.get(part.far)!))
  }
}
