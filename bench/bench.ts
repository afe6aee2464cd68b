// What a bench is: a name to choose it by, and the rows of the table that it makes.

import type { Row } from './measure.ts'

export interface Bench {
  name: string
  rows: (conditions: Conditions) => Promise<Row[]>
}

/** Open vSwitch with DPDK, for frames; Open Virtual Network, for what becomes of a request. */
export type Peer = 'ovs' | 'ovn'

/** What holds for all benches of one run. */
export interface Conditions {
  /** Which other switch is measured beside ours, in turn with it. */
  against?: Peer
  cores: Cores
  /** Aborted when the run is broken off: what was started is to end. */
  signal: AbortSignal
  /** What `calibrate` said at several times of the run. */
  calibration: number[]
}

export interface Cores {
  /** That of the measured thread. */
  measured: number
  /** Of all else. */
  other: number
}
