// What a translation brings about beside what is done to the frame. Asking changes nothing; these are done when a frame really
// takes that way.

import type { FlowMod } from '../../protocols/control/messages.ts'
import type { Nanoseconds } from '../../runtime/clock.ts'
import type { Flow } from '../flow.ts'
import type { FlowTables } from '../flow-tables.ts'
import type { Group, GroupBucket } from '../groups.ts'
import type { MacTable } from '../mac-table.ts'

export type Effect =
  /** An address seen behind a port, to be told to the MAC table. */
  | { type: 'learn_address'; vlan: number; mac: number; port: number }
  | LearnedFlow
  /** The flow's timeouts become no longer than these seconds; 0 leaves one. */
  | { type: 'fin_timeout'; flow: Flow; idleTimeout: number; hardTimeout: number }
  /** The group was met, and of its buckets these. */
  | { type: 'group'; group: Group; buckets: readonly GroupBucket[] }

/** A flow to be added, or to take the place of one with its match and priority: see `FlowTables.learn`. */
export interface LearnedFlow {
  type: 'learn_flow'
  mod: FlowMod
  limit: number
}

export interface EffectContext {
  readonly tables: FlowTables
  readonly macTable: MacTable
}

/** Does what a translation said, but for what is only counted. */
export function bringAbout(effects: readonly Effect[], context: EffectContext, now: Nanoseconds): void {
  for (const effect of effects) {
    switch (effect.type) {
      case 'learn_address':
        context.macTable.learn(effect.vlan, effect.mac, effect.port, now)
        break
      case 'learn_flow':
        context.tables.learn(effect.mod, effect.limit)
        break
      case 'fin_timeout':
        context.tables.shortenTimeouts(effect.flow, effect.idleTimeout, effect.hardTimeout)
        break
      case 'group':
        break
    }
  }
}

/** Counts frames of so many bytes in the groups that they met, and in the buckets. */
export function countInGroups(effects: readonly Effect[], packets: number, bytes: number): void {
  for (const effect of effects) {
    if (effect.type !== 'group') continue
    for (const counted of [effect.group, ...effect.buckets]) {
      counted.packets += packets
      counted.bytes += bytes
    }
  }
}
