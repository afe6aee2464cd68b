import type { Nanoseconds } from '../runtime/clock.ts'
import { SECOND } from '../runtime/clock.ts'
import type { Flow } from './flow.ts'

export type ExpiryReason = 'idle_timeout' | 'hard_timeout'

const deadline = (since: Nanoseconds, seconds: number) => (seconds === 0 ? Infinity : since + seconds * SECOND)

/** When the flow's time is up if nothing uses it any more; Infinity for never. */
export const expiresAt = ({ spec, usedAt, modifiedAt }: Flow): Nanoseconds =>
  Math.min(deadline(usedAt, spec.idleTimeout), deadline(modifiedAt, spec.hardTimeout))

/** Why the flow's time is up at `now`, if it is. */
export function expiryReason({ spec, usedAt, modifiedAt }: Flow, now: Nanoseconds): ExpiryReason | undefined {
  if (deadline(modifiedAt, spec.hardTimeout) <= now) return 'hard_timeout'
  return deadline(usedAt, spec.idleTimeout) <= now ? 'idle_timeout' : undefined
}

/**
 * Which flow a full table lets go, as Open vSwitch chooses: the least important, of those the one that would expire soonest. A
 * flow that never expires stays.
 */
export function leastWorth(flows: Iterable<Flow>): Flow | undefined {
  let least: Flow | undefined
  for (const flow of flows) {
    if (expiresAt(flow) === Infinity) continue
    const difference = least && (flow.spec.importance ?? 0) - (least.spec.importance ?? 0)
    const isLess =
      difference === 0 ? least && expiresAt(flow) < expiresAt(least) : difference === undefined || difference < 0
    if (isLess) least = flow
  }
  return least
}

/**
 * Flows by the earliest instant at which their time could be up: a binary heap. A flow that was used since stays where it
 * is and is put back when its turn comes, so a frame's passing costs nothing here.
 */
export class FlowTimeouts {
  #heap: { at: Nanoseconds; flow: Flow }[] = []

  /** No flow expires before this; Infinity where none ever does. */
  get next(): Nanoseconds {
    return this.#heap[0]?.at ?? Infinity
  }

  /** Flows watched, those among them that are gone and those that are watched twice. */
  get size(): number {
    return this.#heap.length
  }

  /** Forgets the flows that are no longer `alive`. */
  compact(alive: (flow: Flow) => boolean): void {
    const flows = new Set(this.#heap.map(({ flow }) => flow))
    this.#heap = []
    for (const flow of flows) if (alive(flow)) this.watch(flow)
  }

  watch(flow: Flow): void {
    const at = expiresAt(flow)
    if (at === Infinity) return
    const heap = this.#heap
    let hole = heap.length
    heap.push({ at, flow })
    for (let parent = (hole - 1) >> 1; hole > 0 && heap[parent].at > at; parent = (hole - 1) >> 1) {
      heap[hole] = heap[parent]
      hole = parent
    }
    heap[hole] = { at, flow }
  }

  /** The next flow whose time is up at `now`. Flows that are no longer `alive` are forgotten on the way. */
  takeExpired(now: Nanoseconds, alive: (flow: Flow) => boolean): Flow | undefined {
    while (this.next <= now) {
      const flow = this.#pop()
      if (!alive(flow)) continue
      if (expiresAt(flow) <= now) return flow
      this.watch(flow)
    }
    return undefined
  }

  #pop(): Flow {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()!
    if (heap.length === 0) return first.flow
    let hole = 0
    for (let child = 1; child < heap.length; child = 2 * hole + 1) {
      if (child + 1 < heap.length && heap[child + 1].at < heap[child].at) child++
      if (heap[child].at >= last.at) break
      heap[hole] = heap[child]
      hole = child
    }
    heap[hole] = last
    return first.flow
  }
}
