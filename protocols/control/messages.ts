// All that controller and switch say to each other, as data. `control.proto` puts it on the wire; `protocols/openflow` will
// put the OpenFlow part of it on another. Nothing here is modelled twice.

import type { FieldName } from '../fields.ts'
import type { Match } from '../match.ts'

// ---- ports -------------------------------------------------------------------------------------------------------

/** Reserved port numbers: OpenFlow 1.3 §7.2.1. */
export const ReservedPort = {
  Max: 0xffffff00,
  InPort: 0xfffffff8,
  Table: 0xfffffff9,
  Normal: 0xfffffffa,
  Flood: 0xfffffffb,
  All: 0xfffffffc,
  Controller: 0xfffffffd,
  Local: 0xfffffffe,
  Any: 0xffffffff,
} as const

export type VlanMode = 'access' | 'trunk' | 'native-tagged' | 'native-untagged' | 'dot1q-tunnel'

export type PortType = 'vnic' | 'patch' | 'tunnel' | 'uplink' | 'local'

/**
 * What a port lets through. A `vnic` is made `closed` and opens when its policy is in place: `closed` drops both ways as
 * `inactive_binding`; `hold` keeps, in order, what is to go out of the port and drops what comes in.
 */
export type PortState = 'closed' | 'hold' | 'open'

/** Open vSwitch's tunnel options (ovs-vswitchd.conf.db(5)); `flow` means that the flow says it. */
export interface TunnelOptions {
  /** Local IPv4 endpoint, as a 32-bit number. */
  localIp: number
  /** Remote IPv4 endpoint as a 32-bit number, or `flow` for tun_dst. */
  remoteIp: number | 'flow'
  /** VXLAN network identifier, or `flow` for tun_id. */
  key: number | 'flow'
  /** UDP destination port; 4789 where absent. */
  destinationPort?: number
  /** Outer TTL; 64 where absent. */
  ttl?: number | 'inherit'
  /** Outer TOS: DSCP of the outer header; 0 where absent. ECN always follows RFC 6040. */
  tos?: number | 'inherit'
}

export interface PortConfig {
  /** OpenFlow number, 1..0xfeff; 0 lets the switch choose. */
  number: number
  /** Unique on its switch: `web1:eth0`, `uplink`, `vxlan0`, `patch-br-web`. */
  name: string
  type: PortType
  vlanMode?: VlanMode
  /** Access or native VLAN, 1..4094. Absent: as Open vSwitch, a trunk. */
  tag?: number
  /** VLANs a trunk carries; empty or absent: all. */
  trunks?: number[]
  mtu?: number
  tunnel?: TunnelOptions
  /** The patch port at the other end: switch and port name. */
  patchPeer?: { switch: string; port: string }
  state: PortState
}

export interface PortDescription extends PortConfig {
  linkUp: boolean
}

export interface PortStatistics {
  port: number
  name: string
  receivedPackets: bigint
  receivedBytes: bigint
  receivedDropped: bigint
  sentPackets: bigint
  sentBytes: bigint
  sentDropped: bigint
  /** Frames in the port's hold queue now. */
  held: number
}

// ---- flows -------------------------------------------------------------------------------------------------------

/** Some bits of a field: `NXM_OF_ETH_SRC[]`, `NXM_NX_REG0[0..15]`. */
export interface Subfield {
  field: FieldName
  /** First bit, from the least significant. */
  offset: number
  bits: number
}

export type Action =
  | { type: 'output'; port: number }
  | { type: 'controller'; maxLength: number }
  | { type: 'push_vlan'; etherType: number }
  | { type: 'pop_vlan' }
  /** Sets the outer tag's VLAN or priority as OpenFlow 1.0 does: an untagged frame gets a tag (TPID 0x8100, all else 0) first. */
  | { type: 'set_vlan_vid'; vid: number }
  | { type: 'set_vlan_pcp'; pcp: number }
  | { type: 'set_field'; field: FieldName; value: bigint; mask?: bigint }
  | { type: 'move'; from: Subfield; to: Subfield }
  | { type: 'dec_ttl' }
  /** Looks `table` (absent: the current one) up again as though the frame had come in on `port` (absent: the current one). */
  | { type: 'resubmit'; port?: number; table?: number }
  /**
   * Does `actions` to a copy of the frame and of all that the pipeline knows of it, action set included, which the copy carries
   * out at its end. What they change, and a meter that drops the copy, is nothing to the actions that follow.
   */
  | { type: 'clone'; actions: Action[] }

/** How deep clones may stand within clones: as deep as in the datapath of the Linux kernel. */
export const MAX_CLONE_DEPTH = 16

/** OpenFlow 1.3 §5.9, executed in this order whatever the order of writing. Nothing at all means drop. */
export interface Instructions {
  meter?: number
  apply: Action[]
  clear: boolean
  write: Action[]
  writeMetadata?: { value: bigint; mask: bigint }
  gotoTable?: number
}

export interface FlowFlags {
  sendFlowRemoved?: boolean
  checkOverlap?: boolean
  resetCounts?: boolean
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
  instructions: Instructions
}

export type FlowCommand = 'add' | 'modify' | 'modify-strict' | 'delete' | 'delete-strict'

export interface FlowMod extends FlowSpec {
  type: 'flowMod'
  command: FlowCommand
  /** For modify and delete: only flows whose cookie agrees on these bits; 0 for any. */
  cookieMask: bigint
  /** For delete: only flows with an output to this port; absent for any. Table 255 means all tables. */
  outPort?: number
}

export const ALL_TABLES = 255

/** For statistics and bulk deletes: non-strict, as `ovs-ofctl dump-flows` filters. */
export interface FlowFilter {
  table: number
  match: Match
  cookie: bigint
  cookieMask: bigint
  outPort?: number
}

export interface FlowStatistics extends FlowSpec {
  /** Nanoseconds since the flow was added. */
  duration: bigint
  /** Nanoseconds since a frame last matched, or since it was added. */
  idleAge: bigint
  packets: bigint
  bytes: bigint
}

export interface MeterBand {
  type: 'drop' | 'dscp_remark'
  /** Bits a second. */
  rate: bigint
  /** Bits that may pass at once over the rate. */
  burst: bigint
  /** For dscp_remark: the DSCP that takes the place of the frame's. */
  dscp?: number
}

// ---- messages ----------------------------------------------------------------------------------------------------

export const ERROR_CODES = [
  'bad_request',
  'bad_match',
  'bad_prerequisite',
  'bad_action',
  'bad_instruction',
  'bad_table',
  'bad_port',
  'port_exists',
  'overlap',
  'table_full',
  'unknown_meter',
  'meter_exists',
  'bad_bundle',
  'bundle_failed',
  'unsupported',
] as const
export type ErrorCode = (typeof ERROR_CODES)[number]

export interface HeldFrame {
  /** Identity that follows the frame through the network; opaque to the controller. */
  id: bigint
  bytes: Uint8Array
}

export type Message =
  | { type: 'hello'; version: number }
  /** `field` is the path of the offending field in the message that `xid` names, `''` where none is to blame. */
  | { type: 'error'; code: ErrorCode; field: string; message: string }
  | { type: 'echoRequest'; data: Uint8Array }
  | { type: 'echoReply'; data: Uint8Array }
  | { type: 'featuresRequest' }
  | { type: 'featuresReply'; datapathId: bigint; name: string; host: string; tables: number; ports: PortDescription[] }
  | { type: 'portMod'; command: 'add' | 'modify' | 'delete'; port: PortConfig }
  | { type: 'portStatus'; reason: 'add' | 'delete' | 'modify'; port: PortDescription }
  | {
      type: 'packetIn'
      reason: 'action' | 'invalid_ttl' | 'no_match'
      table: number
      cookie: bigint
      inPort: number
      totalLength: number
      match: Match
      frame: Uint8Array
    }
  | { type: 'packetOut'; inPort: number; actions: Action[]; frame: Uint8Array }
  | FlowMod
  | { type: 'flowRemoved'; reason: 'idle_timeout' | 'hard_timeout' | 'delete'; flow: FlowStatistics }
  | { type: 'meterMod'; command: 'add' | 'modify' | 'delete'; meter: number; bands: MeterBand[] }
  | { type: 'barrierRequest' }
  | { type: 'barrierReply' }
  /** Open, then `bundleAdd` any number of flowMod, meterMod and portMod, then commit: all or nothing, visible at once. */
  | { type: 'bundleControl'; bundle: number; command: 'open' | 'commit' | 'discard' }
  | { type: 'bundleControlReply'; bundle: number; command: 'open' | 'commit' | 'discard' }
  | { type: 'bundleAdd'; bundle: number; message: BundledMessage }
  | { type: 'flowStatisticsRequest'; filter: FlowFilter }
  /** Replies may come in several messages under one xid; `more` is set on all but the last. */
  | { type: 'flowStatisticsReply'; flows: FlowStatistics[]; more: boolean }
  | { type: 'portStatisticsRequest' }
  | { type: 'portStatisticsReply'; ports: PortStatistics[] }
  /** Takes the frames that a port in state `hold` has kept, in order; they are the controller's from then on. */
  | { type: 'heldFramesRequest'; port: string }
  | { type: 'heldFramesReply'; port: string; frames: HeldFrame[]; more: boolean }
  /** Sends `frames` out of the port, ahead of whatever it holds itself. */
  | { type: 'deliverFrames'; port: string; frames: HeldFrame[] }

export type BundledMessage = Extract<Message, { type: 'flowMod' | 'meterMod' | 'portMod' }>

export type MessageType = Message['type']
export type MessageOf<T extends MessageType> = Extract<Message, { type: T }>

export interface Envelope {
  /** A reply carries its request's; an unasked message carries 0. */
  xid: number
  message: Message
}
