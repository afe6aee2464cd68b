// The verdict: what came of a run, as plain data. `report/` puts it before people and machines.

import type { Expectation, MoveEnd } from '../topologies/scenario.ts'

export interface Verdict {
  verdict: 'pass' | 'fail' | 'nothing-checked'
  scenario: string
  seed: number
  /** SHA-256 over (nanosecond, port, bytes or drop name) of every delivery and drop, in order. */
  digest: string
  /** Virtual time that passed. */
  duration: string
  frames: FrameCounts
  /** Frames that we made ourselves (pings, answers to them), counted apart. */
  made: FrameCounts
  expectations: { expect: Expectation; held: boolean; why?: string }[]
  migrations: MigrationVerdict[]
  relocations: RelocationVerdict[]
  pings: PingVerdict[]
  /** What the targets of mirrors have heard. */
  mirrors: MirrorVerdict[]
  /** Answers to those whom security groups with `reject` have denied something: heard, and due and not heard. */
  rejections: { heard: number; missing: number }
  leaks: Leak[]
  losses: Loss[]
  /** Frames that entered nowhere, by what they would have been mapped by, most frequent first. */
  unmapped: { source: string; frames: number }[]
  /** Sentences: what went wrong beside the frames. */
  problems: string[]
}

/** injected = delivered + answered + held + lost + unmapped + the sum of `dropped`. */
export interface FrameCounts {
  injected: number
  delivered: number
  answered: number
  held: number
  lost: number
  unmapped: number
  duplicated: number
  reordered: number
  leaked: number
  /** Delivered without the DSCP that the sender's policy puts on them. */
  unmarked: number
  /** Frames that ended for a reason that the policy, the scenario or a user's flow names. */
  dropped: Record<string, number>
}

export const noFrames = (): FrameCounts => ({
  injected: 0,
  delivered: 0,
  answered: 0,
  held: 0,
  lost: 0,
  unmapped: 0,
  duplicated: 0,
  reordered: 0,
  leaked: 0,
  unmarked: 0,
  dropped: {},
})

export interface MigrationVerdict {
  vm: string
  from: string
  to: string
  state: string
  /** How it was to end. */
  expected: MoveEnd
  /** From the guest's pause to its going on. */
  blackout: string
  /** Frames kept at the source and handed to the destination; those that came after the guest had gone on, and were brought after it. */
  held: number
  redirected: number
  /** Frames that its ports had no room to keep. */
  overflowed: number
  /** Switches that were not to be told of the move in all the time. */
  unconfirmed: string[]
  lost: number
  duplicated: number
  reordered: number
  misdelivered: number
  /** Tracked connections that it took along. */
  connections: number
  /** How long it was in each step. */
  steps: Record<string, string>
  policy: 'identical' | 'different' | 'unknown'
  /** Sentences: what of the VM the source has still. */
  leftBehind: string[]
  /** Sentences: of what there was more than its budget has. */
  overBudget: string[]
  problem?: string
}

/** Several VMs that went elsewhere together. */
export interface RelocationVerdict {
  kind: string
  host?: string
  state: string
  duration: string
  moved: number
  /** Of a failover: the longest time from the failure to a guest's beginning anew. All connections of these guests are lost. */
  longestGap?: string
  /** Those that stayed, and why. */
  left: { vm: string; problem: string }[]
}

export interface MirrorVerdict {
  /** vNIC. */
  target: string
  copies: number
  /** Of frames that its mirrors copy: copies that it has not heard, and that it has heard twice. */
  missing: number
  doubled: number
}

export interface PingVerdict {
  from: string
  to: string
  sent: number
  received: number
  expected: 'reachable' | 'unreachable'
  held: boolean
  /** Why replies are missing. */
  why?: string
}

/** A frame that somebody heard who may not. */
export interface Leak {
  /** Counted over the whole run, in order of entry. */
  frame: number
  /** `web.pcapng#47`: the 47th frame of that capture. */
  source: string
  at: string
  from: string
  to: string
  fromNetwork: string | null
  toNetwork: string | null
  /** One line, as tcpdump would print it. */
  description: string
  /** Where security groups forbid it: which, and what no rule of theirs allows. */
  why?: string
  path: string[]
  /** The flow that let it through, in ovs-ofctl syntax. */
  rule: string
}

/** A frame that somebody did not hear who must. */
export interface Loss {
  frame: number
  source: string
  at: string
  from: string
  to: string[]
  description: string
  reason: string
  place: string
}

export const EXIT_CODES = { pass: 0, fail: 1, 'nothing-checked': 3 } as const
