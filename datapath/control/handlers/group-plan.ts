import type { Action, GroupMod } from '../../../protocols/control/messages.ts'
import { ReservedGroup } from '../../../protocols/control/messages.ts'
import { Refused } from '../../../protocols/control/refused.ts'
import type { GroupTable } from '../../groups.ts'

/**
 * Changes of groups that are to be made together with others. Each takes effect at once, and can be undone; a group that is
 * deleted stays until the end, so that one that is made anew in the same plan may keep the flows that use it.
 */
export class GroupPlan {
  readonly #groups: GroupTable
  readonly #now: number
  readonly #gone = new Set<number>()
  readonly #undo: (() => void)[] = []

  constructor(groups: GroupTable, now: number) {
    this.#groups = groups
    this.#now = now
  }

  /** Whether there will be such a group. */
  has(group: number): boolean {
    return this.#groups.has(group) && !this.#gone.has(group)
  }

  /** Whether the group is deleted, and there may be another of its number. */
  isGone(group: number): boolean {
    return this.#gone.has(group)
  }

  /**
   * `check` refuses actions that a bucket can not hold.
   * @throws Refused
   */
  add(mod: GroupMod, check: (actions: readonly Action[], path: string) => void): void {
    if (mod.command === 'delete') return this.#delete(mod)
    const comesBack = this.#gone.has(mod.group)
    if (comesBack && mod.command !== 'add' && mod.command !== 'add_or_modify')
      throw new Refused('OFPGMFC_UNKNOWN_GROUP', 'group', `there is no group ${mod.group}`)
    const command = comesBack ? 'modify' : mod.command
    this.#undo.push(this.#groups.apply({ ...mod, command }, { now: this.#now, checkActions: check }))
    this.#gone.delete(mod.group)
  }

  undo(): void {
    for (const step of this.#undo.reverse()) step()
  }

  /** Deletes groups; gives those that are gone. */
  delete(): number[] {
    const gone = [...this.#gone]
    const nothing = { groupType: 'all', buckets: [] } as const
    const checks = { now: this.#now, checkActions: () => {} }
    for (const group of gone)
      this.#groups.apply({ type: 'groupMod', command: 'delete', group, ...nothing, buckets: [] }, checks)
    return gone
  }

  /** One that is not there is deleted already (OpenFlow 1.3 §6.7). Buckets are Open vSwitch's error, too. */
  #delete({ group, buckets }: GroupMod): void {
    if (buckets.length > 0) throw new Refused('OFPGMFC_INVALID_GROUP', 'buckets', 'a group that goes has no buckets')
    if (group === ReservedGroup.All) for (const { spec } of this.#groups) this.#gone.add(spec.group)
    else if (this.#groups.has(group)) this.#gone.add(group)
  }
}
