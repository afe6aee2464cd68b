// The main loop. Frames come in vectors, and each step is taken for all of them before the next: the machine does a short loop in far
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

import type { Nanoseconds } from '../runtime/clock.ts'
import type { Entrance } from './cache/entrance.ts'
import { LONGEST } from './cache/exits.ts'
import type { FlowCache } from './cache/flow-cache.ts'
import type { Megaflow } from './cache/megaflow.ts'
import { Mark } from './cache/records.ts'
import type { Vector } from './cache/vector.ts'
import { ETHERNET_HEADER_SIZE } from './flow-key.ts'
import type { FrameArena, FrameHandle } from './frames.ts'
import { isOutermost, nextFrame, spend } from './pipeline/effort.ts'
import type { Port, PortTable } from './ports.ts'
import type { StageTimes } from './stage-times.ts'
import type { SwitchEvents } from './switch.ts'

/** Said in the place of an instant where each frame has its own. */
export const OWN_INSTANT = -1

/** What takes a frame that goes alone. */
export interface LongerWay {
  /** Whether the frame under way may still do more. */
  mayGoOn(): boolean
  /** Counts the frame; false where it may not come in and was dropped. */
  admit(frame: FrameHandle, port: Port | undefined): boolean
  /** Nothing is known of the frame. */
  forward(frame: FrameHandle, port: number, entrance: Entrance, now: Nanoseconds): void
  /** It is counted already. */
  act(frame: FrameHandle, megaflow: Megaflow, now: Nanoseconds): void
  bringAbout(megaflow: Megaflow, now: Nanoseconds): void
}

export interface FastPathOptions {
  arena: FrameArena
  ports: PortTable
  cache: FlowCache
  stageTimes: StageTimes
  events: SwitchEvents
  longerWay: LongerWay
}

export class FastPath {
  readonly #arena: FrameArena
  readonly #ports: PortTable
  readonly #cache: FlowCache
  readonly #stageTimes: StageTimes
  readonly #events: SwitchEvents
  readonly #longerWay: LongerWay

  constructor({ arena, ports, cache, stageTimes, events, longerWay }: FastPathOptions) {
    this.#arena = arena
    this.#ports = ports
    this.#cache = cache
    this.#stageTimes = stageTimes
    this.#events = events
    this.#longerWay = longerWay
  }

  /** Takes frames that have come in at the port at `now`, which may be OWN_INSTANT. */
  take(vector: Vector, port: number, entrance: Entrance, now: Nanoseconds): void {
    const { frames, numbers, count } = vector
    const cache = this.#cache
    const longerWay = this.#longerWay
    const ingress = this.#ports.byNumber(port)
    const isTimed = this.#stageTimes.startVector(count)
    cache.recall(entrance, this.#arena, vector)
    if (isTimed) this.#stageTimes.recalled()
    const areTogether = this.#admitAll(vector, ingress)
    for (let index = 0; index < count;) {
      const frame = frames[index]
      const limit = areTogether ? count : index + 1
      nextFrame()
      if (areTogether || longerWay.admit(frame, ingress)) {
        const place = areTogether || longerWay.mayGoOn() ? cache.placeOf(numbers[index]) : 0
        if (place !== 0) {
          index = this.#letOut(vector, index, limit, place, now)
          continue
        }
        longerWay.forward(frame, port, entrance, this.#instantOf(frame, now))
      }
      index++
    }
    if (isTimed) this.#stageTimes.stop()
  }

  /** Counts the frames where all may come in and be dealt with together; else false. */
  #admitAll(vector: Vector, port: Port | undefined): boolean {
    vector.measure(this.#arena)
    const { shortest, longest, count, bytes } = vector
    if (!port?.admitsAll || shortest < ETHERNET_HEADER_SIZE || longest > LONGEST || !isOutermost()) return false
    port.counters.receivedPackets += count
    port.counters.receivedBytes += bytes
    return true
  }

  /**
   * Does what is done to frames of the megaflow that is kept there to the one at `start` and, where that is little, to those before
   * `limit` that are of the same run. Gives where these end.
   */
  #letOut(vector: Vector, start: number, limit: number, place: number, now: Nanoseconds): number {
    const cache = this.#cache
    const { frames } = vector
    const exit = vector.longest > LONGEST ? undefined : cache.exitAt(place)
    const port = exit?.portAsOf(cache.changes.count, this.#ports)
    const isAlone = port === undefined || port.config.type === 'patch' || cache.records.has(place, Mark.Lasting)
    const end = isAlone ? start + 1 : vector.endOfRun(start, limit)
    const bytes = vector.bytesOf(this.#arena, start, end)
    cache.countRun(vector, start, end, place, this.#arena, bytes, this.#lastInstant(vector, start, end, now))
    const last = this.#instantOf(frames[end - 1], now)
    if (port === undefined) {
      this.#longerWay.act(frames[start], cache.at(place), last)
      return end
    }
    if (this.#events.stirred !== undefined && !cache.at(place).isSteady) this.#tellAreStirred(vector, start, end)
    if (cache.records.has(place, Mark.Effects)) this.#longerWay.bringAbout(cache.at(place), last)
    const added = exit!.prepare(this.#arena, frames, start, end)
    port.counters.sentPackets += end - start
    port.counters.sentBytes += bytes + added
    this.#transmit(vector, start, end, port, cache.at(place))
    return end
  }

  #instantOf(frame: FrameHandle, now: Nanoseconds): Nanoseconds {
    return now === OWN_INSTANT ? this.#arena.instant[frame] : now
  }

  #lastInstant(vector: Vector, start: number, end: number, now: Nanoseconds): Nanoseconds {
    return now === OWN_INSTANT ? vector.lastInstant(this.#arena, start, end) : now
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
