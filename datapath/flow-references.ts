// Who uses what: how many flows go through each meter and group, and which learn flows that are to go with them.

import type { Action } from '../protocols/control/messages.ts'
import { someAction } from './flow-table.ts'
import type { Flow } from './flow.ts'

/** The flows that were learned under one cookie in one table. */
export interface Learned {
  table: number
  cookie: bigint
}

const NO_ORPHANS: readonly Learned[] = []

export class FlowReferences {
  readonly #meters = new Map<number, number>()
  readonly #groups = new Map<number, number>()
  /** Flows that learn these, and want them gone when they go themselves. */
  readonly #learners = new Map<string, number>()

  flowsOfMeter(meter: number): number {
    return this.#meters.get(meter) ?? 0
  }

  flowsOfGroup(group: number): number {
    return this.#groups.get(group) ?? 0
  }

  add(flow: Flow): void {
    this.#count(flow, 1)
  }

  /** Gives what no flow learns any more. */
  remove(flow: Flow): readonly Learned[] {
    return this.#count(flow, -1)
  }

  /** True where no flow is left that learns these. */
  isOrphaned(learned: Learned): boolean {
    return !this.#learners.has(nameOf(learned))
  }

  #count({ spec }: Flow, by: 1 | -1): readonly Learned[] {
    const { meter, apply } = spec.instructions
    if (meter !== undefined) bump(this.#meters, meter, by)
    for (const group of groupsOf(spec.instructions)) bump(this.#groups, group, by)
    let orphans = NO_ORPHANS
    for (const action of apply) {
      if (action.type !== 'learn' || !action.deleteLearned) continue
      bump(this.#learners, nameOf(action), by)
      if (this.isOrphaned(action)) orphans = [...orphans, action]
    }
    return orphans
  }
}

const nameOf = ({ table, cookie }: Learned) => `${table} ${cookie}`

const NONE: readonly number[] = []
const mayNameGroup = ({ type }: Action) => type === 'group' || type === 'clone' || type === 'ct'

/** Each group that the flow sends to, as in Open vSwitch as often as its actions name it. */
function groupsOf(instructions: Flow['spec']['instructions']): readonly number[] {
  if (!instructions.apply.some(mayNameGroup) && !instructions.write.some(mayNameGroup)) return NONE
  const groups: number[] = []
  someAction(instructions, (action) => {
    if (action.type === 'group') groups.push(action.group)
    return false
  })
  return groups
}

function bump<Key>(counts: Map<Key, number>, key: Key, by: number): void {
  const count = (counts.get(key) ?? 0) + by
  if (count > 0) counts.set(key, count)
  else counts.delete(key)
}
