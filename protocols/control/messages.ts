// All that controller and switch say to each other, as data. `control.proto` puts it on one wire, `protocols/openflow` the
// OpenFlow part of it on another. Nothing here is modelled twice.

import type { Match } from '../match.ts'
import type { Action, PacketInReason } from './actions.ts'
import type { ErrorCode } from './error-codes.ts'
import type {
  FlowFilter,
  FlowMod,
  FlowMonitor,
  FlowStatistics,
  FlowUpdate,
  RemovalReason,
  TableConfig,
  TableFeatures,
  TableStatistics,
} from './flows.ts'
import type { GroupMod, GroupSpec, GroupStatistics, MeterSpec, MeterStatistics } from './groups.ts'
import type { HostConfig, HostHello, HostStatus } from './hosts.ts'
import type { PortConfig, PortDescription, PortFlags, PortStatistics, QueueConfig, QueueStatistics } from './ports.ts'
import type { VnicState } from './vnic-state.ts'

export * from './actions.ts'
export * from './error-codes.ts'
export * from './flows.ts'
export * from './groups.ts'
export * from './hosts.ts'
export * from './ports.ts'
export * from './vnic-state.ts'

export interface HeldFrame {
  /** Identity that follows the frame through the network; opaque to the controller. */
  id: bigint
  bytes: Uint8Array
  /** The switch that kept it first, and the frame's place in the order in which that has kept frames for the port. */
  origin: string
  sequence: number
}

/** OFPCR_ROLE_*: OpenFlow 1.3 §6.3.6, in the words of today. */
export const ROLES = ['nochange', 'equal', 'primary', 'secondary'] as const
export type Role = (typeof ROLES)[number]

/** Why a controller's role has changed without its asking: OFPCRR_*, OpenFlow 1.4 §7.4.4. */
export const ROLE_STATUS_REASONS = ['primary_request', 'config', 'experimenter'] as const
export type RoleStatusReason = (typeof ROLE_STATUS_REASONS)[number]

/** What is sent to a controller unasked, by its role: reasons of each kind of message (OpenFlow 1.3 §7.3.10). */
export interface AsyncConfig {
  packetIn: PacketInReason[]
  portStatus: ('add' | 'delete' | 'modify')[]
  flowRemoved: RemovalReason[]
}

/** What becomes of IP fragments: OFPC_FRAG_*, and Open vSwitch's nx-match (ovs-ofctl(8), set-frags). */
export const FRAGMENT_HANDLING = ['normal', 'drop', 'reassemble', 'nx-match'] as const
export type FragmentHandling = (typeof FRAGMENT_HANDLING)[number]

/** Which connections: what is absent is not asked for. Addresses and ports are the original direction's, or the reply's. */
export interface ConnectionFilter {
  zone?: number
  mark?: { value: number; mask: number }
  original?: ConnectionTuple
  reply?: ConnectionTuple
}

export interface ConnectionTuple {
  family?: 4 | 6
  protocol?: number
  source?: bigint
  destination?: bigint
  sourcePort?: number
  destinationPort?: number
}

export interface PacketIn {
  type: 'packetIn'
  reason: PacketInReason
  table: number
  cookie: bigint
  inPort: number
  totalLength: number
  /** The pipeline's own fields: in_port, and of the others those that are not 0. */
  match: Match
  frame: Uint8Array
  /** Which controllers it is for; 0 where absent. */
  controllerId?: number
  userdata?: Uint8Array
}

/** Reserved number: no packet was kept. */
export const NO_BUFFER = 0xffffffff

/** OpenFlow 1.3 §7.4.1: the cookie of no flow. */
export const NO_COOKIE = 0xffff_ffff_ffff_ffffn

/** Asked and answered by OFPMP_*: OpenFlow 1.3 §7.3.5. */
type Multipart =
  | { type: 'descriptionRequest' }
  | {
      type: 'descriptionReply'
      manufacturer: string
      hardware: string
      software: string
      serial: string
      datapath: string
    }
  | { type: 'flowStatisticsRequest'; filter: FlowFilter }
  /** Replies may come in several messages under one xid; `more` is set on all but the last. */
  | { type: 'flowStatisticsReply'; flows: FlowStatistics[]; more: boolean }
  | { type: 'aggregateStatisticsRequest'; filter: FlowFilter }
  | { type: 'aggregateStatisticsReply'; packets: bigint; bytes: bigint; flows: number }
  | { type: 'tableStatisticsRequest' }
  | { type: 'tableStatisticsReply'; tables: TableStatistics[] }
  /** `features` where the request wants to set them. */
  | { type: 'tableFeaturesRequest'; features?: TableFeatures[] }
  | { type: 'tableFeaturesReply'; tables: TableFeatures[] }
  /** Open vSwitch's and OpenFlow 1.4's table description. */
  | { type: 'tableDescriptionRequest' }
  | { type: 'tableDescriptionReply'; tables: TableConfig[] }
  /** One port's where it is named. */
  | { type: 'portStatisticsRequest'; port?: number }
  | { type: 'portStatisticsReply'; ports: PortStatistics[] }
  | { type: 'portDescriptionRequest' }
  | { type: 'portDescriptionReply'; ports: PortDescription[] }
  | { type: 'queueStatisticsRequest'; port?: number; queue?: number }
  | { type: 'queueStatisticsReply'; queues: QueueStatistics[] }
  | { type: 'groupStatisticsRequest'; group?: number }
  | { type: 'groupStatisticsReply'; groups: GroupStatistics[] }
  | { type: 'groupDescriptionRequest'; group?: number }
  | { type: 'groupDescriptionReply'; groups: GroupSpec[] }
  | { type: 'groupFeaturesRequest' }
  | { type: 'groupFeaturesReply' }
  | { type: 'meterStatisticsRequest'; meter?: number }
  | { type: 'meterStatisticsReply'; meters: MeterStatistics[] }
  | { type: 'meterConfigRequest'; meter?: number }
  | { type: 'meterConfigReply'; meters: MeterSpec[] }
  | { type: 'meterFeaturesRequest' }
  | { type: 'meterFeaturesReply' }
  | { type: 'flowMonitorRequest'; monitors: FlowMonitor[] }
  /** The reply to a flowMonitorRequest, and with xid 0 what changes from then on. */
  | { type: 'flowMonitorReply'; updates: FlowUpdate[]; more: boolean }

export type BundleCommand = 'open' | 'close' | 'commit' | 'discard'

export type Message =
  /** `version` is the highest spoken; `versions` all of them, where the sender said. */
  | { type: 'hello'; version: number; versions?: number[] }
  /** `field` is the path of the offending field in the message that `xid` names, `''` where none is to blame. */
  | { type: 'error'; code: ErrorCode; field: string; message: string }
  | { type: 'echoRequest'; data: Uint8Array }
  | { type: 'echoReply'; data: Uint8Array }
  | { type: 'featuresRequest' }
  | { type: 'featuresReply'; datapathId: bigint; name: string; host: string; tables: number; ports: PortDescription[] }
  | { type: 'configRequest' }
  | { type: 'configReply'; fragments: FragmentHandling; missSendLength: number }
  | { type: 'setConfig'; fragments: FragmentHandling; missSendLength: number }
  | { type: 'portMod'; command: 'add' | 'modify' | 'delete'; port: PortConfig }
  /** OFPT_PORT_MOD: what is absent stays. `mac` must be the port's own. */
  | { type: 'portFlagsMod'; port: number; mac: bigint; flags: PortFlags }
  | { type: 'portStatus'; reason: 'add' | 'delete' | 'modify'; port: PortDescription }
  | PacketIn
  | { type: 'packetOut'; inPort: number; actions: Action[]; frame: Uint8Array; bufferId?: number }
  | FlowMod
  | { type: 'flowRemoved'; reason: RemovalReason; flow: FlowStatistics }
  | GroupMod
  | ({ type: 'meterMod'; command: 'add' | 'modify' | 'delete' } & MeterSpec)
  | ({ type: 'tableMod' } & TableConfig)
  | { type: 'queueConfigRequest'; port: number }
  | { type: 'queueConfigReply'; port: number; queues: (QueueConfig & { port: number })[] }
  | { type: 'roleRequest'; role: Role; generationId: bigint }
  | { type: 'roleReply'; role: Role; generationId: bigint }
  /** To a controller that has another role now, and did not ask for it. */
  | { type: 'roleStatus'; role: Role; reason: RoleStatusReason; generationId: bigint }
  | { type: 'asyncConfigRequest' }
  | { type: 'asyncConfigReply'; primary: AsyncConfig; secondary: AsyncConfig }
  | { type: 'setAsyncConfig'; primary: AsyncConfig; secondary: AsyncConfig }
  | { type: 'barrierRequest' }
  | { type: 'barrierReply' }
  /** Open, then `bundleAdd` any number of messages, then commit: all or nothing, visible at once. */
  | { type: 'bundleControl'; bundle: number; command: BundleCommand; flags?: BundleFlags }
  | { type: 'bundleControlReply'; bundle: number; command: BundleCommand; flags?: BundleFlags }
  | { type: 'bundleAdd'; bundle: number; message: BundledMessage; flags?: BundleFlags }
  | Multipart
  | { type: 'flowMonitorCancel'; id: number }
  | { type: 'flowMonitorPaused' }
  | { type: 'flowMonitorResumed' }
  /** Open vSwitch's: how packet-ins are to be written, and which of them are for this controller. */
  | { type: 'setPacketInFormat'; format: 'openflow' | 'nxt_packet_in' | 'nxt_packet_in2' }
  | { type: 'setControllerId'; controllerId: number }
  /** Ends the connections that the filter selects. */
  | { type: 'flushConnections'; filter: ConnectionFilter }
  /** The frames that a port keeps, in order; of the switch's own those after this one. They stay there. */
  | { type: 'heldFramesRequest'; port: string; after: number }
  /** `overflowed`: frames that it has dropped as `hold_overflow` since it began to hold. */
  | { type: 'heldFramesReply'; port: string; frames: HeldFrame[]; overflowed: number; more: boolean }
  /**
   * Sends `frames` out of the port, ahead of whatever it keeps of its own: now, or when it opens. Those that it has had already are
   * passed over, its own (`bytes` may be empty) are moved. Of its own up to `upTo`, those that were not named here are forgotten.
   */
  | { type: 'deliverFrames'; port: string; frames: HeldFrame[]; upTo: number }
  /** What the port keeps is somewhere else: what it was handed, and of its own what came up to this one. */
  | { type: 'forgetFrames'; port: string; upTo: number }
  /** What the vNIC of this port has gathered: the connections of `zone` where given, the levels of these meters, and what is the port's own. */
  | { type: 'vnicStateRequest'; port: string; zone?: number; meters: number[] }
  | ({ type: 'vnicStateReply'; more: boolean } & VnicState)
  /**
   * Joins what the vNIC has gathered elsewhere to what is there, which may have gone on in between; done twice it is as done once.
   * Refused as a whole where its connections find no room.
   */
  | ({ type: 'installVnicState'; zone?: number } & VnicState)
  | HostHello
  | HostConfig
  | HostStatus

export interface BundleFlags {
  atomic?: boolean
  ordered?: boolean
}

export type BundledMessage = Extract<
  Message,
  { type: 'flowMod' | 'groupMod' | 'meterMod' | 'portMod' | 'portFlagsMod' | 'packetOut' }
>

export type MessageType = Message['type']
export type MessageOf<T extends MessageType> = Extract<Message, { type: T }>

export interface Envelope {
  /** A reply carries its request's; an unasked message carries 0. */
  xid: number
  message: Message
}
