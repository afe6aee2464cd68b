// Our connection tracker, asked as the kernel's is (linux-tracker.ts): what comes of each frame, as a flow `ct(commit)` for all of
// them would have it.

import { ConnectionTracker } from '../../../datapath/conntrack/connection-tracker.ts'
import type { TrackRequest } from '../../../datapath/conntrack/tracker.ts'
import { FrameArena } from '../../../datapath/frames.ts'
import { CtState } from '../../../protocols/fields.ts'
import { seeded } from '../../../runtime/random.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import type { Forwarded, LinuxState } from './linux-tracker.ts'

const REQUEST: TrackRequest = { zone: 1, commit: true, force: false, alg: 0 }

export class OwnTracker {
  readonly clock = new VirtualClock()
  readonly tracker = new ConnectionTracker({ clock: this.clock, random: seeded(1) })
  readonly #arena = new FrameArena()

  /** None where it waits for others of its datagram, and all of these once it is whole. */
  forward(frame: Uint8Array, nat?: TrackRequest['nat']): Forwarded[] {
    const arena = this.#arena
    const request = nat === undefined ? REQUEST : { ...REQUEST, nat }
    return this.tracker.track(arena, arena.allocateFrom(frame), request).map(({ frame: handle, words }) => {
      const bytes = arena.read(handle).slice()
      arena.release(handle)
      return { state: stateOf(words[0]!), bytes }
    })
  }

  /** States of frames that are whole datagrams. */
  track(frames: readonly Uint8Array[]): LinuxState[] {
    return frames.map((frame) => this.forward(frame)[0]!.state)
  }
}

function stateOf(bits: number): LinuxState {
  if ((bits & CtState.Invalid) !== 0) return 'invalid'
  if ((bits & CtState.New) !== 0) return 'new'
  const state = (bits & CtState.Related) === 0 ? 'established' : 'related'
  return (bits & CtState.Reply) === 0 ? state : `${state} reply`
}
