// Groups and meters.

import type { FieldMatch } from '../match.ts'
import type { Action } from './actions.ts'

/** Reserved group numbers: OpenFlow 1.3 §7.3.4.3. */
export const ReservedGroup = { Max: 0xffffff00, All: 0xfffffffc, Any: 0xffffffff } as const

/** Reserved meter numbers: OpenFlow 1.3 §7.3.4.5. */
export const ReservedMeter = { Max: 0xffff0000, Slowpath: 0xfffffffd, Controller: 0xfffffffe, All: 0xffffffff } as const

export const GROUP_TYPES = ['all', 'select', 'indirect', 'fast_failover'] as const
export type GroupType = (typeof GROUP_TYPES)[number]

export interface Bucket {
  /** Unique in its group; numbered from 0 in order where absent. */
  id?: number
  /** Of a select group: its share. 1 where absent. */
  weight?: number
  /** Of a fast-failover group: the bucket lives while this port, or this group, does. */
  watchPort?: number
  watchGroup?: number
  actions: Action[]
}

/** Open vSwitch's `selection_method` (ovs-ofctl(8), groups): how a select group chooses. */
export interface SelectionMethod {
  method: 'hash' | 'dp_hash'
  parameter: bigint
  /** Of `hash`: the fields it goes by, the value of each being the bits that count; none means the five-tuple. */
  fields: FieldMatch[]
}

export interface GroupSpec {
  group: number
  groupType: GroupType
  buckets: Bucket[]
  selection?: SelectionMethod
}

/** OFPGC_* of OpenFlow 1.5 and Open vSwitch's `--may-create` (`add_or_modify`). */
export const GROUP_COMMANDS = ['add', 'modify', 'add_or_modify', 'delete', 'insert_bucket', 'remove_bucket'] as const
export type GroupCommand = (typeof GROUP_COMMANDS)[number]

export interface GroupMod extends GroupSpec {
  type: 'groupMod'
  command: GroupCommand
  /** Of insert_bucket: behind which; of remove_bucket: which. */
  bucket?: number | 'first' | 'last' | 'all'
}

export interface GroupStatistics {
  group: number
  /** Flows and groups that send to it. */
  references: number
  packets: bigint
  bytes: bigint
  /** Nanoseconds since it was made. */
  duration: bigint
  buckets: { packets: bigint; bytes: bigint }[]
}

export interface MeterBand {
  type: 'drop' | 'dscp_remark'
  /** Bits, or packets, a second: as the meter counts. */
  rate: bigint
  /** Bits, or packets, that may pass at once over the rate. */
  burst: bigint
  /** For dscp_remark, one of: the DSCP that takes the place of the frame's; by how much its drop precedence goes up (RFC 2597). */
  dscp?: number
  precedence?: number
}

export interface MeterSpec {
  meter: number
  /** What rates count; bits where absent. */
  unit?: 'bits' | 'packets'
  /** OFPMF_BURST: bursts were given. OFPMF_STATS: asked for counters, which are kept anyway. */
  flags?: { burst?: boolean; stats?: boolean }
  bands: MeterBand[]
}

export interface MeterStatistics {
  meter: number
  /** Flows that use it. */
  flows: number
  packets: bigint
  bytes: bigint
  /** Nanoseconds since it was made. */
  duration: bigint
  bands: { packets: bigint; bytes: bigint }[]
}
