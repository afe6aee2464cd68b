// Since when somebody surely listens, and until when he may: a report counts once it has had time to be heard of.

import type { Nanoseconds } from '../../../runtime/clock.ts'
import { SECOND } from '../../../runtime/clock.ts'

/** In so much time what a guest has reported is known wherever frames for it are. */
export const SETTLED_IN = SECOND

/** How long somebody has listened, and how long he still does. */
export interface Listening {
  /** From when on he surely does; Infinity where that is not known. */
  surely: Nanoseconds
  /** Up to when he surely does. */
  until: Nanoseconds
  /** From then on he surely does not. */
  gone: Nanoseconds
  /** When he said so last. */
  saidAt: Nanoseconds
  /** `gone`, had nobody heard that. */
  unheard: Nanoseconds
}

/** By vNIC. */
export type Listeners = Map<string, Listening>

export interface Present {
  surely: string[]
  maybe: string[]
}

export function present(listeners: Listeners, at: Nanoseconds): Present {
  const surely: string[] = []
  const maybe: string[] = []
  for (const [nic, listening] of listeners) {
    if (listening.gone <= at) continue
    maybe.push(nic)
    if (listening.surely <= at && at < listening.until) surely.push(nic)
  }
  return { surely, maybe }
}

/** Listens for `span` from `at` on. `isSure`: everybody who is to know of it does. */
export function hear(listeners: Listeners, nic: string, at: Nanoseconds, span: Nanoseconds, isSure: boolean): void {
  const before = listeners.get(nic)
  const stays = before !== undefined && before.gone > at
  const gone = at + span + SETTLED_IN
  // One of whom it is not sure that he was heard may have been heard all the same.
  if (!isSure) return void listeners.set(nic, { surely: Infinity, until: 0, gone, unheard: gone, saidAt: at })
  const surely = stays ? Math.min(before.until > at ? before.surely : Infinity, at + SETTLED_IN) : at + SETTLED_IN
  listeners.set(nic, { surely, until: at + span, gone, unheard: gone, saidAt: at })
}

/** Says that he listens no more; whoever keeps such lists forgets him within `span`. `isHeard`: they have heard it. */
export function leave(
  listeners: Listeners | undefined,
  nic: string,
  at: Nanoseconds,
  span: Nanoseconds,
  isHeard: boolean,
): void {
  const listening = listeners?.get(nic)
  if (listening === undefined || listening.gone <= at) return
  const gone = Math.min(listening.gone, at + SETTLED_IN + span)
  const unheard = Math.max(listening.gone, listening.unheard)
  listeners!.set(nic, { ...listening, until: at, gone: isHeard ? gone : unheard, unheard, saidAt: at })
}
