// The connection tracker's contract, as Open vSwitch's userspace datapath has it (lib/conntrack.c). START HERE, then go on to
// connection-tracker.ts.

import type { FrameArena, FrameHandle } from '../frames.ts'

/** What a `ct` action asks (ovs-actions(7)). */
export interface TrackRequest {
  zone: number
  commit: boolean
  force: boolean
  /** Bits of `mask` of the connection's mark, and of its label (four words, most significant first), once committed. */
  mark?: { value: number; mask: number }
  label?: { value: Uint32Array; mask: Uint32Array }
  /** `restore`: as the connection has it already. */
  nat?: 'restore' | NatRequest
  alg: number
}

export interface NatRequest {
  direction: 'src' | 'dst'
  addresses?: { family: 4 | 6; first: bigint; last: bigint }
  ports?: { first: number; last: number }
  persistent: boolean
  algorithm: 'hash' | 'random' | undefined
}

/** What the tracker says of a frame: the words of the flow key from `ctState` to `ctTransportDestination`, in their order. */
export type TrackedWords = Uint32Array

export interface Tracked {
  words: TrackedWords
  /** The tracker's own note, which spares it from taking a frame that comes again for a second one. */
  seen?: object
}

export interface TrackedFrame extends Tracked {
  frame: FrameHandle
}

/** Takes ownership of the frames of a whole datagram, and gives how many copies of their frame have left or gone on by then. */
export type GoOn = (frames: readonly TrackedFrame[]) => number

export interface Tracker {
  /**
   * Looks at a frame, changes it where NAT asks for it, and says what it is. Fragments are kept until the last of their
   * datagram has come, and then all of them go on together: so what comes back may be no frame, or several, `frame` among them
   * or not. Takes ownership of `frame`; gives that of the frames it returns.
   *
   * `before` is what was last said of this frame, or of the one it is a copy of, unless `ct_clear` came in between.
   */
  track(arena: FrameArena, frame: FrameHandle, request: TrackRequest, before?: Tracked): TrackedFrame[]

  /**
   * Says of a fragment that has just been kept how its datagram is to go on, should it become whole by fragments that another switch
   * has had of it.
   */
  goOnWhenWhole?(request: TrackRequest, goOn: GoOn): void
}
