// A scenario: what happens to a network and what must come of it, as plain data. `scenario.schema.json` is what people write.

import type { Topology } from './topology.ts'

export interface Scenario {
  name: string
  topology: Topology
  /** Folder against which captures are named. */
  folder: string
  seed: number
  timeline: TimelineEntry[]
  expect: Expectation[]
}

export interface TimelineEntry {
  /** Nanoseconds from the start. */
  at: number
  step: Step
}

/** How a captured frame finds the vNIC it enters at. An object maps a pcap-like filter in flow syntax (`ip,nw_src=10.0.0.1`) to a vNIC. */
export type FrameMap = 'source-mac' | 'source-ip' | 'vlan' | 'pcapng-interface' | Readonly<Record<string, string>>

export type Step =
  | { type: 'replay'; capture: string; map: FrameMap; /** Speed-up; 1 where absent in the file. */ speed: number }
  | { type: 'ping'; from: string; to: string; count: number; interval: number; expect?: 'reachable' | 'unreachable' }
  | { type: 'pingall' }
  /** `frame` is flow syntax (`udp,nw_dst=10.0.0.2,tp_dst=9`) or hex; `rate` in frames a second. */
  | { type: 'send'; from: string; frame: string; count: number; rate: number }
  | {
      type: 'migrate'
      vm: string
      to: string
      /** Nanoseconds. */
      pause: number
      hold?: { bytes?: number; /** Nanoseconds. */ time?: number }
      /** Nanoseconds. */
      redirect?: number
      /** What shows that the guest goes on at its destination, and after how many nanoseconds `timeout` does. */
      activation?: ('rarp' | 'garp' | 'na' | 'timeout')[]
      activationTimeout?: number
      budget?: MoveBudget
      /** Moves of the VM that have not ended are undone. */
      replace?: boolean
      expect?: MoveEnd
    }
  | ({ type: 'drain'; host: string } & MoveTogether)
  | ({ type: 'rebalance'; by?: 'vnics' | 'vms' | 'traffic'; /** Nanoseconds. */ window?: number } & MoveTogether)
  | { type: 'failover'; host: string }
  | { type: 'flow'; switch: string; command: 'add' | 'del'; flow: string }
  | { type: 'apply'; topology: Topology }
  | { type: 'fail' | 'heal'; target: FailureTarget }

/** Several moves for one reason. */
export interface MoveTogether {
  /** VMs at the same time. */
  parallel?: number
  /** Nanoseconds, of each guest. */
  pause: number
  /** Of each move. */
  budget?: MoveBudget
}

/** How a move must end; `done` where nothing is said. */
export type MoveEnd = 'done' | 'aborted' | 'failed'

/** What a move may come to at most; what is absent is not asked. */
export interface MoveBudget {
  /** Nanoseconds. */
  blackout?: number
  /** Frames. */
  held?: number
  redirected?: number
  lost?: number
  duplicated?: number
  reordered?: number
  misdelivered?: number
}

export type FailureTarget =
  { kind: 'link'; endpoints: [string, string] } | { kind: 'host'; host: string } | { kind: 'controller' }

export type Expectation =
  /** No frame of one of these networks is heard in another. */
  | { type: 'isolated'; networks: string[] }
  /** No frame of a VM of one of these tenants is heard by one of another. */
  | { type: 'tenantsIsolated'; tenants: string[] }
  /** The target of the mirror, a vNIC, has heard all that there is to copy for it. */
  | { type: 'mirrored'; mirror: string }
  /** Every frame from one vNIC to the other arrives, but for `lost` of them. Names without a nic mean the VM's only one. */
  | { type: 'delivered'; from: string; to: string; lost: number; duplicated: number }
  | { type: 'notDelivered'; from: string; to: string }
  /** After its migrations the VM's port has the policy it had before. */
  | { type: 'policyFollows'; vm: string }
  /** At least / at most so many frames dropped under this name. */
  | { type: 'dropped'; reason: string; atLeast: number; atMost?: number }
