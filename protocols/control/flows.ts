// Flows, and the tables they are in.

import type { Match } from '../match.ts'
import type { Instructions } from './actions.ts'

export interface FlowFlags {
  sendFlowRemoved?: boolean
  checkOverlap?: boolean
  resetCounts?: boolean
  noPacketCounts?: boolean
  noByteCounts?: boolean
}

/** A flow as somebody wants it. Table, priority and match identify it on its switch. */
export interface FlowSpec {
  table: number
  priority: number
  match: Match
  cookie: bigint
  /** Seconds; 0 for never. */
  idleTimeout: number
  hardTimeout: number
  flags: FlowFlags
  /** How much the flow is worth when a full table has to let one go; 0 where absent. */
  importance?: number
  instructions: Instructions
}

export type FlowCommand = 'add' | 'modify' | 'modify-strict' | 'delete' | 'delete-strict'

export interface FlowMod extends FlowSpec {
  type: 'flowMod'
  command: FlowCommand
  /** For modify and delete: only flows whose cookie agrees on these bits; 0 for any. */
  cookieMask: bigint
  /** For delete: only flows with an output to this port, or to this group; absent for any. Table 255 means all tables. */
  outPort?: number
  outGroup?: number
  /** A packet-in that the switch kept, to go through the tables once the flow is there. */
  bufferId?: number
}

/** Tables are 0 to 253: Open vSwitch keeps 254, OpenFlow 1.3's last, for itself. */
export const LAST_TABLE = 253

export const ALL_TABLES = 255

/** For statistics and bulk deletes: non-strict, as `ovs-ofctl dump-flows` filters. */
export interface FlowFilter {
  table: number
  match: Match
  cookie: bigint
  cookieMask: bigint
  outPort?: number
  outGroup?: number
}

export interface FlowStatistics extends FlowSpec {
  /** Nanoseconds since the flow was added. */
  duration: bigint
  /** Nanoseconds since a frame last matched, or since it was added. */
  idleAge: bigint
  packets: bigint
  bytes: bigint
}

/** By match. */
const frozenFlows = new WeakMap<Match, FlowSpec>()

/** The flow that the statistics are of. Where all that it is made of is frozen, it is so too, and the same object for the same parts. */
export function flowOf(statistics: FlowStatistics): FlowSpec {
  const { match, flags, instructions } = statistics
  const known = frozenFlows.get(match)
  if (known !== undefined && saysTheSame(known, statistics)) return known
  const { table, priority, cookie, idleTimeout, hardTimeout, importance } = statistics
  const flow: FlowSpec = { table, priority, match, cookie, idleTimeout, hardTimeout, flags, instructions }
  if (importance !== undefined) flow.importance = importance
  const isFrozen = Object.isFrozen(match) && Object.isFrozen(flags) && Object.isFrozen(instructions)
  if (isFrozen) frozenFlows.set(match, Object.freeze(flow))
  return flow
}

const saysTheSame = (a: FlowSpec, b: FlowSpec): boolean =>
  a.table === b.table &&
  a.priority === b.priority &&
  a.cookie === b.cookie &&
  a.idleTimeout === b.idleTimeout &&
  a.hardTimeout === b.hardTimeout &&
  a.flags === b.flags &&
  a.importance === b.importance &&
  a.instructions === b.instructions

/** OFPRR_*. */
export const REMOVAL_REASONS = [
  'idle_timeout',
  'hard_timeout',
  'delete',
  'group_delete',
  'meter_delete',
  'eviction',
] as const
export type RemovalReason = (typeof REMOVAL_REASONS)[number]

/** OpenFlow 1.4 §7.3.5.18 and Open vSwitch's NXST_FLOW_MONITOR: what a monitor wants to hear of. */
export interface FlowMonitor {
  id: number
  flags: { initial: boolean; add: boolean; delete: boolean; modify: boolean; instructions: boolean; own: boolean }
  outPort?: number
  outGroup?: number
  table: number
  match: Match
}

export type FlowUpdate =
  | { type: 'full'; event: 'added' | 'deleted' | 'modified'; reason?: RemovalReason; flow: FlowSpec }
  /** A change that the hearer made himself: the xid with which he did. */
  | { type: 'abbreviated'; xid: number }

/** What becomes of a frame that no flow of the table takes, and of a flow for which the table has no room. */
export interface TableConfig {
  table: number
  /** Absent: as the switch's default has it. */
  miss?: 'controller' | 'continue' | 'drop'
  /** A full table lets the flow go that is worth least, in place of refusing. */
  eviction?: boolean
  /** Flows that fit; absent: as many as the switch. */
  maxFlows?: number
}

export interface TableStatistics {
  table: number
  active: number
  lookups: bigint
  matched: bigint
}

/** OFPTFPT_*: what a table can do, by the words of messages.ts. Lists for a miss are those for a flow. */
export interface TableFeatures {
  table: number
  name: string
  metadataMatch: bigint
  metadataWrite: bigint
  maxFlows: number
}
