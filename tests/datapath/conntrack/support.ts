// A tracker on a virtual clock, and the few words it takes to ask it.

import type { ConnectionTrackerOptions } from '../../../datapath/conntrack/connection-tracker.ts'
import { ConnectionTracker } from '../../../datapath/conntrack/connection-tracker.ts'
import type { NatRequest, Tracked, TrackRequest } from '../../../datapath/conntrack/tracker.ts'
import { FrameArena } from '../../../datapath/frames.ts'
import { parseIpv4 } from '../../../protocols/address.ts'
import { CtState, Word } from '../../../protocols/fields.ts'
import type { TcpOptions } from '../../../protocols/packet/compose.ts'
import { icmpEchoFrame, tcpFrame, udpFrame } from '../../../protocols/packet/compose.ts'
import { seeded } from '../../../runtime/random.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'

export const ETHERNET = { ethSrc: 0x020000000001n, ethDst: 0x020000000002n }
export const A = parseIpv4('10.0.0.1')
export const B = parseIpv4('10.0.1.1')
export const N = parseIpv4('10.0.9.9')
export const THERE = { ...ETHERNET, ipSrc: A, ipDst: B, srcPort: 40000, dstPort: 80 }
export const BACK = { ...ETHERNET, ipSrc: B, ipDst: A, srcPort: 80, dstPort: 40000 }

export const udp = (ends: Partial<typeof THERE> = {}) => udpFrame({ ...THERE, ...ends, payload: new Uint8Array(5) })
export const tcp = (flags: number, options: Partial<TcpOptions> = {}) => tcpFrame({ ...THERE, flags, ...options })
export const ping = (reply = false, identifier = 1) => {
  const [ipSrc, ipDst] = reply ? [B, A] : [A, B]
  return icmpEchoFrame({ ...ETHERNET, ipSrc, ipDst, identifier, sequence: 1, reply, payload: new Uint8Array(8) })
}

export const nat = (
  direction: 'src' | 'dst',
  first: number,
  last = first,
  ports?: { first: number; last: number },
): NatRequest => ({
  direction,
  addresses: { family: 4, first: BigInt(first), last: BigInt(last) },
  persistent: false,
  algorithm: undefined,
  ...(ports && { ports }),
})

export interface Answer {
  /** `+new+trk`, in the order of the bits. */
  state: string
  bytes: Uint8Array
  tracked: Tracked
  /** A word of the flow key. */
  word: (word: number) => number
}

const STATES: readonly (readonly [string, number])[] = [
  ['new', CtState.New],
  ['est', CtState.Established],
  ['rel', CtState.Related],
  ['rpl', CtState.Reply],
  ['inv', CtState.Invalid],
  ['trk', CtState.Tracked],
  ['snat', CtState.SourceNat],
  ['dnat', CtState.DestinationNat],
]

export const stateText = (state: number) =>
  STATES.filter(([, bit]) => (state & bit) !== 0)
    .map(([name]) => `+${name}`)
    .join('')

export class Bench {
  readonly clock = new VirtualClock()
  readonly arena = new FrameArena()
  readonly tracker: ConnectionTracker

  constructor(options: Partial<ConnectionTrackerOptions> = {}) {
    this.tracker = new ConnectionTracker({ clock: this.clock, random: seeded(1), ...options })
  }

  /** Everything that comes out for this frame. */
  all(bytes: Uint8Array, request: Partial<TrackRequest> = {}, before?: Tracked): Answer[] {
    const whole: TrackRequest = { zone: 0, commit: false, force: false, alg: 0, ...request }
    const answers = this.tracker.track(this.arena, this.arena.allocateFrom(bytes), whole, before)
    return answers.map((tracked) => {
      const { frame, words } = tracked
      const copy = this.arena.read(frame).slice()
      this.arena.release(frame)
      return { state: stateText(words[0]!), bytes: copy, tracked, word: (word) => words[word - Word.ctState]! }
    })
  }

  one(bytes: Uint8Array, request: Partial<TrackRequest> = {}, before?: Tracked): Answer {
    const [answer, ...others] = this.all(bytes, request, before)
    if (!answer || others.length > 0) throw new Error('not one frame for one')
    return answer
  }

  commit(bytes: Uint8Array, request: Partial<TrackRequest> = {}): Answer {
    return this.one(bytes, { commit: true, ...request })
  }

  state(bytes: Uint8Array, request: Partial<TrackRequest> = {}): string {
    return this.one(bytes, request).state
  }
}
