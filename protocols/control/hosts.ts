// What controller and host process say to each other, beside what each of the host's switches says for itself.

/** The first that a host process says, where a switch would answer for its features. */
export interface HostHello {
  type: 'hostHello'
  version: number
  /** Of the topology: `h1`. */
  name: string
}

/** All that the host is to run, and nothing of any other. Said again whenever it changes. */
export interface HostConfig {
  type: 'hostConfig'
  /** Grows with every start of a controller; who comes with an older one has been replaced. */
  generationId: bigint
  /** The integration bridge first; none where the topology knows no such host. */
  bridges: { name: string; datapathId: bigint }[]
  /** IPv4 address of the tunnel endpoint. */
  vtep?: number
  /** What vNICs that have a port here are joined to. */
  wires: VnicWire[]
}

export interface VnicWire {
  /** `web1:eth0` */
  vnic: string
  /** As `runtime/wires` writes it: `tap:web1`. */
  wire: string
}

/** Said whenever it changes. */
export interface HostStatus {
  type: 'hostStatus'
  wires: WireStatus[]
  /** Why the host can not run as it was told to, '' where it does. */
  problem: string
}

export interface WireStatus extends VnicWire {
  /** The host's end of it is there. */
  made: boolean
  /** Somebody is at the other end, as far as that can be known. */
  connected: boolean
  /** Why it is not made, or nobody is there; '' where nothing is known to be wrong. */
  problem: string
}
