// What a vNIC has gathered at its switch, and takes along when it moves to another one.

/** Frames and bytes that have passed a vNIC's ports, wherever it was. */
export const PORT_COUNTERS = [
  'receivedPackets',
  'receivedBytes',
  'receivedDropped',
  'sentPackets',
  'sentBytes',
  'sentDropped',
] as const

export type PortCounters = Record<(typeof PORT_COUNTERS)[number], bigint>

/** How full a token bucket is: so many whole units, below zero where it is in debt, and so many billionths of one (0 to 999,999,999). */
export interface BucketLevel {
  units: number
  billionths: number
}

/** How full the buckets of a meter are, in bits, or in packets where it counts those; and what it has counted. */
export interface MeterLevel {
  meter: number
  packets: bigint
  bytes: bigint
  /** In the order of its bands. */
  bands: BandLevel[]
}

export interface BandLevel extends BucketLevel {
  packets: bigint
  bytes: bigint
}

/** How full the buckets are that shape what leaves through a port, in bits. */
export interface ShapingLevels {
  /** Of the port's own rate; absent where it has none. */
  all?: BucketLevel
  /** Of its queues that have a maximum. */
  queues: { queue: number; level: BucketLevel }[]
}

/** An address that the switch itself has seen behind the port. */
export interface LearnedMac {
  /** 0 where there is no tag. */
  vlan: number
  mac: bigint
}

/** A connection as the tracker of one switch knows it, without its zone. */
export interface TrackedConnection {
  family: 4 | 6
  protocol: number
  original: TrackedEnds
  /** What replies look like before they are translated back: the reverse of `original` where there is no NAT. */
  reply: TrackedEnds
  mark: number
  /** 128 bits. */
  label: bigint
  /** What of frames in the original direction is translated. */
  nat?: 'src' | 'dst'
  /** Nanoseconds that it lasts without a frame. */
  remaining: number
  state: TrackedState
}

export interface TrackedEnds {
  source: bigint
  destination: bigint
  /** Ports of TCP and UDP; of ICMP the identifier, in both places. */
  sourcePort: number
  destinationPort: number
  icmpType: number
}

export type TrackedState =
  | { kind: 'tcp'; /** Who opened it, and the other. */ peers: [TrackedTcpPeer, TrackedTcpPeer] }
  | { kind: 'icmp'; replied: boolean }
  | { kind: 'other'; seen: 'first' | 'multiple' | 'bidirectional' }

/** One end of a TCP connection: its state and its window. */
export interface TrackedTcpPeer {
  /** 0 (closed) to 10 (time-wait), in the order in which they come. */
  state: number
  /** The highest sequence number that it has sent, and the one that the other end lets it reach. */
  sent: number
  limit: number
  window: number
  /** `unknown`: picked up after its SYN. `none`: it announced none. */
  scale: number | 'none' | 'unknown'
}

/** A fragment that waits, where connections are tracked, for the rest of its datagram. */
export interface WaitingFragment {
  /** Identity that follows the frame through the network; opaque to the controller. */
  id: bigint
  bytes: Uint8Array
}

/** A part of it: connections and fragments may be many, all else is in the first. */
export interface VnicState {
  port: string
  counters?: PortCounters
  meters: MeterLevel[]
  shaping?: ShapingLevels
  addresses: LearnedMac[]
  connections: TrackedConnection[]
  /** In the order in which they came. */
  fragments: WaitingFragment[]
}
