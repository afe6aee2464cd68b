// Ports and their queues.

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

/**
 * `dgram`: one Ethernet frame in one UDP datagram, to and from the world outside. `capture`: the pcapng of the port's name is written what
 * leaves by it; the service instance of a backbone header around that (IEEE 802.1ah) is twice the number of the port whose frame it is, and
 * one more where that port's guest hears it.
 */
export type PortType = 'vnic' | 'patch' | 'tunnel' | 'uplink' | 'local' | 'dgram' | 'capture'

/**
 * What a port lets through. A `vnic` is made `closed` and opens when its policy is in place: `closed` drops both ways as
 * `inactive_binding`; `hold` keeps, in order, what is to go out of the port and drops what comes in; `keep` keeps as `hold`, and lets in what comes.
 */
export const PORT_STATES = ['closed', 'hold', 'open', 'keep'] as const
export type PortState = (typeof PORT_STATES)[number]

export const keepsFrames = (state: PortState): boolean => state === 'hold' || state === 'keep'
/** Whether it takes what its guest says. */
export const letsIn = (state: PortState): boolean => state === 'open' || state === 'keep'

/**
 * By what a guest shows that it goes on at a port, as Open Virtual Network's `activation-strategy` names them: a RARP request, a
 * gratuitous ARP packet, an unsolicited neighbour advertisement.
 */
export const ACTIVATION_FRAMES = ['rarp', 'garp', 'na'] as const
export type ActivationFrame = (typeof ACTIVATION_FRAMES)[number]

/** What a port in state `hold` or `keep` keeps at most; what is more, or is kept for longer, is dropped as `hold_overflow`. */
export interface HoldLimits {
  /** Of frames; one counts for 64 at least. */
  bytes: number
  /** Nanoseconds. */
  time: number
}

/** Of a port that was not told: 64 MiB, and a minute. */
export const DEFAULT_HOLD: HoldLimits = { bytes: 64 << 20, time: 60_000_000_000 }

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

/**
 * A queue of a port: what it gets when the port is busy, and what it never exceeds. Rates in bits a second. `minRate`, `maxRate`,
 * `burst` and `priority` are those of Open vSwitch's linux-htb (ovs-vswitchd.conf.db(5)).
 */
export interface QueueConfig {
  queue: number
  /** It gets this much before others get more than theirs. */
  minRate?: number
  maxRate?: number
  /** Bits that may leave at once over `maxRate`; absent: none but the frame that is begun. */
  burst?: number
  /** Of what no minimum has claimed, queues of a lower number get all they can use before those of a higher one; 0 where absent. */
  priority?: number
  /** Share of that among queues of one priority. Absent where no queue of the port has one: in proportion to `minRate`; else 1. */
  weight?: number
  /** Frames that may wait; 1000 where absent. */
  limit?: number
  /** The queue of which it is a part: their common rates, priority and weight are that one's, and its own count among its parts. */
  parent?: number
  /** Frames with one of these DSCPs are this queue's, where no flow has chosen another than 0. */
  dscps?: number[]
}

/** OFPPC_*: what a controller has forbidden a port (OpenFlow 1.3 §7.2.1); NO_FLOOD is OpenFlow 1.0's and Open vSwitch's. */
export const PORT_FLAGS = ['down', 'noReceive', 'noForward', 'noPacketIn', 'noFlood'] as const
export type PortFlag = (typeof PORT_FLAGS)[number]
export type PortFlags = Readonly<Partial<Record<PortFlag, boolean>>>

export interface PortShare {
  name: string
  maxRate: number
  burst: number
}

export interface PortConfig {
  /** OpenFlow number, 1..0xfeff; 0 lets the switch choose. */
  number: number
  /** Unique on its switch: `web1:eth0`, `uplink`, `vxlan0`, `patch-br-web`. */
  name: string
  type: PortType
  /** The port's own hardware address; one made of the switch and the port's number where absent. */
  mac?: bigint
  vlanMode?: VlanMode
  /** Access or native VLAN, 1..4094. Absent: as Open vSwitch, a trunk. */
  tag?: number
  /** VLANs a trunk carries; empty or absent: all. */
  trunks?: number[]
  /** Of a dot1q-tunnel: the customer VLANs that it carries; empty or absent: all. */
  cvlans?: number[]
  mtu?: number
  queues?: QueueConfig[]
  /** What all queues together may send, in bits a second; absent: no limit. */
  maxRate?: number
  /** Bits that may leave at once over `maxRate`; absent: none but the frame that is begun. */
  burst?: number
  /** What the port may count on of what it shares. */
  minRate?: number
  /** What it sends is limited together with what other ports of the switch send that name the same: bits a second, and bits. */
  share?: PortShare
  tunnel?: TunnelOptions
  /** The patch port at the other end: switch and port name. */
  patchPeer?: { switch: string; port: string }
  /** DEFAULT_HOLD where absent. */
  hold?: HoldLimits
  /** In state `hold`: the first such frame that comes in is let in, and the port goes over to `keep`; then, the one that it was. */
  activation?: ActivationFrame[]
  state: PortState
}

export interface PortDescription extends PortConfig {
  mac: bigint
  linkUp: boolean
  flags: PortFlags
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
  /** Nanoseconds since the port was made. */
  duration: bigint
}

export interface QueueStatistics {
  port: number
  queue: number
  sentPackets: bigint
  sentBytes: bigint
  /** Frames for which the queue had no room. */
  sentErrors: bigint
  /** Nanoseconds since the queue was made. */
  duration: bigint
}
