// What the failures that a schedule injects excuse, and nothing beyond: frames that nobody could have saved.

import type { MigrationStatus } from '../../controller/model.ts'
import { MILLISECOND, type Nanoseconds } from '../../runtime/clock.ts'

/** While something was broken. */
interface Failure {
  from: Nanoseconds
  /** Infinity while it lasts. */
  to: Nanoseconds
  /** The host that was gone; undefined where it was a link, whose own losses the judge knows. */
  host: string | undefined
  /** VMs that were there. */
  vms: ReadonlySet<string>
}

export interface LostFrame {
  /** When it was sent. */
  at: Nanoseconds
  /** Its sender, and who has not heard it. */
  nics: readonly string[]
  /** What its last copy ended for. */
  reason?: string | undefined
}

export class Excuses {
  readonly #failures: Failure[] = []

  /** Something breaks, and what is on its way since `from` may be lost with it; what is returned says until when. */
  open(from: Nanoseconds, host?: string, vms: ReadonlySet<string> = new Set()): (to: Nanoseconds) => void {
    const failure: Failure = { from, to: Infinity, host, vms }
    this.#failures.push(failure)
    return (to) => {
      failure.to = to
    }
  }

  covers({ at, nics, reason }: LostFrame, moves: readonly MigrationStatus[]): boolean {
    const vms = nics.map((nic) => nic.slice(0, nic.indexOf(':')))
    return this.#failures.some((failure) => {
      // A link takes nothing else with it that the judge does not know of itself: who waits for an announcement sends to an empty place.
      if (failure.host === undefined && reason !== 'no_recipient') return false
      return vms.some((vm) => covers(failure, vm, at, moves))
    })
  }
}

/**
 * What is held for a guest that moves by the host that is gone is gone too. Where a link is down the guest's announcement may be gone,
 * and then what is sent until it is said again.
 */
function covers(
  { from, to, host, vms }: Failure,
  vm: string,
  at: Nanoseconds,
  moves: readonly MigrationStatus[],
): boolean {
  if (at > to + (host === undefined ? ANNOUNCED_AGAIN : 0)) return false
  if (at >= from && vms.has(vm)) return true
  return moves.some((move) => {
    const { startedAt, endedAt = Infinity } = move
    const concerns = move.vm === vm && (host === undefined || move.from === host || move.to === host)
    return concerns && startedAt <= to && endedAt + SLACK >= from && at >= Math.min(from, startedAt - SLACK)
  })
}

/** The second of them may be lost with the first where a link is down for as long as it is here; the third comes so much later. */
const ANNOUNCED_AGAIN = 150 * MILLISECOND

/** Instants of moves are kept over restarts in whole milliseconds. */
const SLACK = 2 * MILLISECOND
