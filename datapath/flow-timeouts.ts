import type { Nanoseconds } from '../runtime/clock.ts'
import { SECOND } from '../runtime/clock.ts'
import type { Flow } from './flow.ts'

export type ExpiryReason = 'idle_timeout' | 'hard_timeout'

const deadline = (since: Nanoseconds, seconds: number) => (seconds === 0 ? Infinity : since + seconds * SECOND)

/** When the flow's time is up if nothing uses it any more; Infinity for never. */
export const expiresAt = ({ spec, usedAt, addedAt }: Flow): Nanoseconds =>
  Math.min(deadline(usedAt, spec.idleTimeout), deadline(addedAt, spec.hardTimeout))

/** Why the flow's time is up at `now`, if it is. */
export function expiryReason({ spec, usedAt, addedAt }: Flow, now: Nanoseconds): ExpiryReason | undefined {
  if (deadline(addedAt, spec.hardTimeout) <= now) return 'hard_timeout'
  return deadline(usedAt, spec.idleTimeout) <= now ? 'idle_timeout' : undefined
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
