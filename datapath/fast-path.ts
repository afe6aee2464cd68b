// The fast path. Frames come in vectors, and each step is taken for all of them before the next: the machine does a short loop in far
// less time, and waits for memory once for many.
//
//   admit      their lengths, and the counters of the port they came in at
//   recall     the megaflow of each, by its bytes alone (cache/flow-cache.ts)
//   let out    those of one megaflow that come one after the other are a run. All that is done to them is done to all: they are counted,
//              are given a tag, lose one or get outer headers (cache/exits.ts), and leave through the same port
//
// So what is looked up, counted or told is looked up, counted or told once for a run, and a frame costs what it takes to move its bytes.
// What is not that simple goes one by one, as before there was a cache: frames that no megaflow is known of, whose megaflow does
// more than an exit does, who cross to another bridge or change flows for those behind them, and vectors some of which may not come in.
//
// The main loop is `#receiveVector` in switch.ts; what is packed where, and why, stands at the head of cache/flow-cache.ts.
//
// In such a loop the compiler reads anew with each turn where an array lies and how long it is: four loads for each array that a turn
// touches. So what counts is how few arrays are touched how few times, and loops that need the same ones are one loop.

import type { Nanoseconds } from '../runtime/clock.ts'
import { LONGEST } from './cache/exits.ts'
import type { FlowCache } from './cache/flow-cache.ts'
import type { Megaflow } from './cache/megaflow.ts'
import { Mark } from './cache/records.ts'
import type { Vector } from './cache/vector.ts'
import { ETHERNET_HEADER_SIZE } from './flow-key.ts'
import type { FrameArena, FrameHandle } from './frames.ts'
import { isOutermost, nextFrame, spend } from './pipeline/effort.ts'
import type { Port } from './port.ts'
import type { PortTable } from './ports.ts'
import type { SwitchEvents } from './switch-events.ts'

/** Said in the place of an instant where each frame has its own. */
export const OWN_INSTANT = -1

/** When the frame got here, where that is `now`, and where it is OWN_INSTANT. */
export const instantOf = ({ instant }: FrameArena, frame: FrameHandle, now: Nanoseconds): Nanoseconds =>
  now === OWN_INSTANT ? instant[frame] : now

export interface FastPathOptions {
  arena: FrameArena
  ports: PortTable
  cache: FlowCache
  events: SwitchEvents
  bringAbout: (megaflow: Megaflow, now: Nanoseconds) => void
}

export class FastPath {
  readonly #arena: FrameArena
  readonly #ports: PortTable
  readonly #cache: FlowCache
  readonly #events: SwitchEvents
  readonly #bringAbout: FastPathOptions['bringAbout']

  constructor({ arena, ports, cache, events, bringAbout }: FastPathOptions) {
    this.#arena = arena
    this.#ports = ports
    this.#cache = cache
    this.#events = events
    this.#bringAbout = bringAbout
  }

  /** Counts the frames where all may come in and be dealt with together; else false. */
  admit(vector: Vector, port: Port | undefined): boolean {
    vector.measure(this.#arena)
    const { shortest, longest, count, bytes } = vector
    if (!port?.admitsAll || shortest < ETHERNET_HEADER_SIZE || longest > LONGEST || !isOutermost()) return false
    port.counters.receivedPackets += count
    port.counters.receivedBytes += bytes
    return true
  }

  /**
   * Does what is done to frames of the megaflow that is kept there to the one at `start` and, where they may go together, to those before
   * `limit` that are of the same run. Gives where these end: at `start`, with nothing done but to note them, where it takes more.
   */
  letOut(vector: Vector, start: number, limit: number, place: number, now: Nanoseconds): number {
    const cache = this.#cache
    const arena = this.#arena
    const { frames } = vector
    const exit = vector.longest > LONGEST ? undefined : cache.exitAt(place)
    const port = exit?.portAsOf(cache.changes.count, this.#ports)
    const isAlone = port === undefined || port.config.type === 'patch' || cache.records.has(place, Mark.Lasting)
    const end = isAlone ? start + 1 : vector.endOfRun(start, limit)
    cache.noteRun(vector, start, end, place, arena)
    if (port === undefined) return start
    const bytes = vector.bytesOf(arena, start, end)
    cache.countAt(place, end - start, bytes, now === OWN_INSTANT ? vector.lastInstant(arena, start, end) : now)
    if (this.#events.stirred !== undefined && !cache.at(place).isSteady) this.#tellAreStirred(vector, start, end)
    if (cache.records.has(place, Mark.Effects))
      this.#bringAbout(cache.at(place), instantOf(arena, frames[end - 1], now))
    const added = exit!.prepare(arena, frames, start, end)
    port.counters.sentPackets += end - start
    port.counters.sentBytes += bytes + added
    this.#transmit(vector, start, end, port, cache.at(place))
    return end
  }

  #tellAreStirred({ frames }: Vector, start: number, end: number): void {
    for (let index = start; index < end; index++) this.#events.stirred?.(frames[index])
  }

  #transmit(vector: Vector, start: number, end: number, port: Port, megaflow: Megaflow): void {
    const { frames } = vector
    const events = this.#events
    if (events.output !== undefined) this.#tellOfOutput(vector, start, end, port, megaflow)
    if (events.transmitAll !== undefined) return events.transmitAll(port, frames, start, end)
    for (let index = start; index < end; index++) {
      nextFrame()
      spend(megaflow.effort)
      events.transmit(port, frames[index])
    }
  }

  #tellOfOutput({ frames }: Vector, start: number, end: number, port: Port, { actions, hits }: Megaflow): void {
    const output = actions.at(-1)
    const flow = output !== undefined && 'flow' in output ? output.flow : undefined
    for (let index = start; index < end; index++) this.#events.output?.(frames[index], port, flow, hits)
  }
}
