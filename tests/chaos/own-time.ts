// How long something took, less what those who did it waited for a processor that somebody else had.

import { readFileSync } from 'node:fs'

export class OwnTime {
  /** Milliseconds. */
  gross = 0
  own = 0
  readonly #pids: () => readonly (number | 'self')[]
  #last = performance.now()
  readonly #waited = new Map<number | 'self', number>()
  /** What has been waited and not been taken off yet: the system counts a wait when it is over. */
  readonly #due = new Map<number | 'self', number>()

  /** Begins now; the processes may come later. */
  constructor(pids: () => readonly (number | 'self')[]) {
    this.#pids = pids
    this.#count()
    this.#due.clear()
  }

  /** To be called again and again. Of several that waited at once, one counts. */
  sample(): void {
    const now = performance.now()
    const span = now - this.#last
    this.#last = now
    this.#count()
    const excused = Math.min(span, Math.max(0, ...this.#due.values()))
    for (const [pid, due] of this.#due) this.#due.set(pid, Math.max(0, due - excused))
    this.gross += span
    this.own += span - excused
  }

  #count(): void {
    for (const pid of this.#pids()) {
      const waited = waitedOf(pid)
      this.#due.set(pid, (this.#due.get(pid) ?? 0) + waited - (this.#waited.get(pid) ?? 0))
      this.#waited.set(pid, waited)
    }
  }
}

/** Milliseconds that its main thread has waited for a processor so far (proc(5), schedstat); 0 where nobody counts. */
function waitedOf(pid: number | 'self'): number {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6
  } catch {
    return 0
  }
}
