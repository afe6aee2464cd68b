// What the controller tells about itself: plain data for the API, the CLI and the lab.

import { ACTIVATION_FRAMES } from '../protocols/control/messages.ts'
import type { HoldWish } from '../topologies/topology.ts'
import type { FlowSpec, PortDescription, PortState, WireStatus } from '../protocols/control/messages.ts'

export interface SwitchStatus {
  /** `h1/br-int` */
  name: string
  host: string
  datapathId: bigint
  connected: boolean
  /** Everything desired is there and confirmed by a barrier. */
  inSync: boolean
  /** What is pending or what the switch refused, for people. */
  problem?: string
  flows: number
  ports: PortDescription[]
}

export const VM_STATES = ['running', 'migrating', 'waiting'] as const

export interface VmStatus {
  name: string
  host: string
  state: (typeof VM_STATES)[number]
  /** Hosts where it was before, and where its ports may be open still: until they are known not to be, those at `host` stay closed. */
  waitsFor?: readonly string[]
  nics: {
    id: string
    network?: string
    mac: string
    addresses: string[]
    switch: string
    port: number
    state: PortState
    /** Why nobody is at its wire, where it has one. */
    problem?: string
  }[]
}

/** A listener to a multicast group, or a multicast router. */
export interface MembershipStatus {
  /** Absent of a querier or router. */
  group?: string
  /** The address that it asks from. */
  querier?: string
  /** Of one who has said by PIM or multicast router discovery that it is a multicast router: its address. */
  router?: string
  /** `web1:eth0`; or `uplink`: somebody beyond the uplinks; or `controller`: the network itself asks. */
  port: string
  /** Seconds since the last report or query. */
  age: number
}

export const MIGRATION_STATES = [
  'queued',
  'prepare',
  'switch-over',
  'commit',
  'done',
  'abort',
  'aborted',
  'failed',
] as const
export type MigrationState = (typeof MIGRATION_STATES)[number]

/** How it is known that the guest goes on at its destination. */
export const ACTIVATION_STRATEGIES = [...ACTIVATION_FRAMES, 'explicit', 'timeout'] as const
export type ActivationStrategy = (typeof ACTIVATION_STRATEGIES)[number]

/** What is asked of a move. */
export interface MoveRequest {
  vm: string
  to: string
  /** The guest stands still for at least so long, in nanoseconds. */
  pause?: number
  /** What ports keep for the guest meanwhile, at most: see HoldLimits. */
  hold?: HoldWish
  /** How long frames may be on their way, in nanoseconds: before each step, those of the last one are waited for. */
  drain?: number
  /** How long frames are brought after the guest whose senders' switches can not be told of the move, in nanoseconds; 5 s where absent. */
  redirect?: number
  /** How long it may take, from its turn on, until nothing is left but to let the guest go on: then it goes back; any time where absent. */
  deadline?: number
  /** Its port at the destination lets the guest in only once one of these has shown that it goes on there; once it has been told to where absent. */
  activation?: ActivationStrategy[]
  /** After how long `timeout` does, in nanoseconds; 10 s where absent. */
  activationTimeout?: number
  /** Moves of the VM that have not ended are undone first, if they still can be; else this one waits for their end. */
  replace?: boolean
}

/** What the moves of a drain have in common. */
export interface DrainOptions extends Pick<MoveRequest, 'pause' | 'drain'> {
  /** VMs that move at the same time; 4 where absent. */
  parallel?: number
}

export const BALANCED_BY = ['vnics', 'vms', 'traffic'] as const
/** What is to be alike at all hosts. */
export type BalancedBy = (typeof BALANCED_BY)[number]

export interface BalanceOptions {
  /** vNICs where absent. */
  by?: BalancedBy
  /** How long traffic is counted, in nanoseconds; 5 s where absent. */
  window?: number
}

/** How many VMs move at the same time; the others wait. */
export interface MoveLimits {
  /** Of the controller. */
  parallel?: number
  /** Of each host, be it source or destination. */
  parallelPerHost?: number
}

export interface MigrationStatus {
  id: string
  vm: string
  from: string
  to: string
  state: MigrationState
  /** Nanoseconds of the controller's clock. */
  startedAt: number
  pausedAt?: number
  resumedAt?: number
  endedAt?: number
  /** Frames kept at the source and handed to the destination. */
  held: number
  /** Frames that its ports dropped as hold_overflow meanwhile, for want of room or time; a copy at each counts. */
  overflowed: number
  /** Frames that came to the place it had left after the guest had gone on, and were brought after it. */
  redirected: number
  /** Switches that may have gone on sending there when that ended: they were not to be told in all the time. */
  unconfirmed: string[]
  /** What has shown that the guest goes on at its destination, where that was awaited. */
  activatedBy?: ActivationStrategy
  /** Tracked connections that the guest took along. */
  connections: number
  /** Connections that its old place still knew of in the end: they are its new place's now. Absent where it could not be asked, or went back. */
  connectionsEnded?: number
  /** What it went through, and when each began. */
  steps: { state: MigrationState; at: number }[]
  /** What of the VM the host has still that it has left, or come back from, a sentence each: none but where something went wrong. */
  leftBehind: string[]
  /** The compiled policy at the destination equals what it was at the source, but for the place. */
  policy: 'identical' | 'different' | 'unknown'
  problem?: string
}

export const RELOCATION_KINDS = ['drain', 'failover', 'rebalance'] as const
export const RELOCATION_STATES = ['running', 'done', 'failed', 'aborted'] as const

/** Several VMs that are to go elsewhere, for one reason. */
export interface RelocationStatus {
  id: string
  kind: (typeof RELOCATION_KINDS)[number]
  /** The host that is drained, or has failed. */
  host?: string
  /** Failed: some VMs are where they were, and say why. */
  state: (typeof RELOCATION_STATES)[number]
  /** Nanoseconds of the controller's clock. */
  startedAt: number
  endedAt?: number
  /** VMs that move at the same time, at most. */
  parallel: number
  moves: RelocatedVm[]
}

export const RELOCATED_STATES = ['waiting', 'moving', 'done', 'failed'] as const

export interface RelocatedVm {
  vm: string
  from: string
  /** Absent where no host can take it in. */
  to?: string
  state: (typeof RELOCATED_STATES)[number]
  /**
   * Where it is: of a failover once it has been given its place there, and may not have begun yet; of others where it could not be moved.
   */
  at?: string
  /** Id of its move. */
  migration?: string
  /** Of a failover: when it began anew, with none of its connections. */
  restartedAt?: number
  /** Hosts to which moves have failed. */
  tried?: string[]
  problem?: string
}

export const HOST_MODES = ['open', 'closed', 'failed'] as const
/** Which VMs a host takes in: any; none that are not there already; the same, since its VMs have begun anew elsewhere. */
export type HostMode = (typeof HOST_MODES)[number]

/** Who runs the guests: told by the migration when to stop one and where to go on. */
export interface Hypervisor {
  /** Stops the guest. Resolves when it sends no more: where most of it is carried over while it runs, that takes a while. */
  pause(vm: string, move: GuestMove): Promise<void>
  /** Lets the guest go on at `host`, one of the two of `move`. Resolves when it does. */
  resume(vm: string, host: string, move: GuestMove): Promise<void>
  /** Begins the guest anew at `host`; that where it was is gone. Where absent, somebody else does. */
  restart?(vm: string, host: string): Promise<void>
}

export interface GuestMove {
  from: string
  to: string
  /** Resolves when the move is not wanted any more. */
  aborted: Promise<void>
}

/** A flow that a user put in, by switch. */
export interface UserFlow {
  switch: string
  flow: FlowSpec
}

export type ControllerEvent =
  | { type: 'switch'; switch: string; connected: boolean; inSync: boolean; problem?: string }
  | { type: 'host'; host: string; connected: boolean; wires: WireStatus[] }
  | { type: 'topology'; name: string }
  | { type: 'migration'; migration: MigrationStatus }
  | { type: 'relocation'; relocation: RelocationStatus }
  | { type: 'flow'; switch: string; command: 'add' | 'delete' | 'removed'; flow: string }
  | { type: 'learned'; network: string; mac: string; host: string; port: string }

export const CHANGE_STATES = ['running', 'done', 'failed'] as const

/** What switches do together, one after the other, while a topology is applied. */
export const CHANGE_STAGES = ['take in', 'switch over', 'let go'] as const

/** Connections of filtered vNICs that go on now, and would not with another topology, or do not any more. */
export interface ConnectionsCut {
  cut: number
  /** Switches that were not there to be asked, or did not tell. */
  unknown: string[]
}

/** Of the API's answer to a topology or VM that was put: `ChangeStatus.number`. */
export const CHANGE_HEADER = 'signalbox-change'

/** A topology on its way to the switches, or the last one that was. */
export interface ChangeStatus {
  /** Each has another while the controller runs; later ones have higher ones. */
  number: number
  /** The tag of the plan that it carries out, where it is to do that or nothing. */
  plan?: string
  name: string
  /** The only VM that it is about. */
  vm?: string
  state: (typeof CHANGE_STATES)[number]
  /** Where a segment changes hands, a change is made of several. From 1. */
  step: number
  steps: number
  stage: (typeof CHANGE_STAGES)[number]
  /** Switches that have confirmed this stage, of those that are told. */
  confirmed: number
  switches: number
  /** As counted at its beginning, where that was asked for. */
  connections?: ConnectionsCut
  problem?: string
}

/** Nothing by that name. */
export class NotFound extends Error {
  readonly kind: string
  constructor(kind: string, name: string, known: readonly string[] = []) {
    super(
      `no ${kind} '${name}'${known.length > 0 ? `; there is ${known.slice(0, 8).join(', ')}${known.length > 8 ? ', …' : ''}` : ''}`,
    )
    this.name = 'NotFound'
    this.kind = kind
  }
}

/** The wish contradicts what is: a VM that is already moving, a switch that is away. */
export class Conflict extends Error {
  constructor(problem: string) {
    super(problem)
    this.name = 'Conflict'
  }
}

/** A VM that a move has in hand is not what is wanted: it may be, once that has ended. */
export class BeingMoved extends Conflict {
  /** Id of the move. */
  readonly migration: string

  constructor(problem: string, migration: string) {
    super(problem)
    this.migration = migration
  }
}

/** What is asked for is not what was planned. */
export class PlanOutdated extends Error {}

/** A switch answered with an error of its own. */
export class SwitchRefused extends Error {
  readonly switchName: string
  readonly code: string
  readonly field: string
  constructor(switchName: string, code: string, field: string, message: string) {
    super(`${switchName} refused: ${code}${field === '' ? '' : ` at ${field}`}: ${message}`)
    this.name = 'SwitchRefused'
    this.switchName = switchName
    this.code = code
    this.field = field
  }
}
