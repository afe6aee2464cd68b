// The way back of a move that does not come to its end, from any step before the new port opens: the steps of the switch-over
// backwards. The old port keeps what comes from now on, the new one what is still on its way to it, and all is delivered in the
// order in which it was sent. Nothing comes back without the source; a destination that is away follows when it returns.

import type { Nanoseconds } from '../../runtime/clock.ts'
import { SECOND } from '../../runtime/clock.ts'
import { textOf } from '../../runtime/error-text.ts'
import type { Stage } from '../network/bindings.ts'
import type { Announcement } from './announcement.ts'
import type { HeldFrames } from './held-frames.ts'
import { attempt, problemOf } from './problems.ts'
import { keepPatiently } from './progress.ts'
import type { StateTransfer } from './state-transfer.ts'
import type { Steps } from './steps.ts'
import type { Stragglers } from './stragglers.ts'
import { unknownAt } from './two-places.ts'

/** How long switches that are away are waited for. */
interface Patience {
  readonly source: Nanoseconds
  /** It may be dead. */
  readonly destination: Nanoseconds
  /** The place that is left, once all is done, to be asked what it has still. */
  readonly left: Nanoseconds
}

export const PATIENCE: Patience = { source: 5 * SECOND, destination: 1 * SECOND, left: 0 }
/** When nobody is connected at first. */
export const PATIENCE_AFTER_RESTART: Patience = { source: 30 * SECOND, destination: 10 * SECOND, left: 10 * SECOND }

/** What a move has in hand. */
interface MoveParts {
  readonly steps: Steps
  readonly held: HeldFrames
  readonly states: StateTransfer
  readonly stragglers: Stragglers
  readonly announcement: Announcement
}

export class WayBack {
  readonly #steps: Steps
  readonly #parts: MoveParts
  readonly #patience: Patience
  /** How long the source is waited for. */
  readonly #sourceBy: Nanoseconds
  /** What went wrong on it. */
  readonly #problems: string[] = []
  #isPaused: boolean

  constructor(parts: MoveParts, patience: Patience, isPaused: boolean) {
    this.#parts = parts
    this.#steps = parts.steps
    this.#patience = patience
    this.#sourceBy = parts.steps.world.clock.now() + patience.source
    this.#isPaused = isPaused
  }

  /** To its end. @throws Conflict where another controller is in charge */
  async go(cause: unknown): Promise<void> {
    const { from, to, progress, places, world } = this.#steps
    const { announcement, stragglers, held } = this.#parts
    const reason = textOf(cause)
    this.#steps.ending()
    progress.enter('abort', { problem: reason })
    stragglers.expectNone()
    await places.waitFor(from, this.#patience.source)
    if (this.#isPaused) await this.#return()
    // After a restart the VM may have one place already.
    const given = progress.record.former ?? places.portsAt('target')
    progress.remember({ former: given })
    await this.#steps.settle(from)
    await this.#try(() => this.#withSource(() => world.fleet.push(places.switchesAt(from))))
    await this.#try(() => world.fleet.push())
    if (this.#isPaused) await this.#try(() => this.#steps.resume(from))
    // Connections that the destination had been told of end, too.
    const found = await places.lookBehind(to, given, this.#patience.left)
    if (announcement.isMade)
      void announcement.takeBackOnReturn(from).catch((error: unknown) => world.log(textOf(error)))
    await this.#steps.end(this.#problems.length === 0 ? 'aborted' : 'failed', {
      held: held.count,
      overflowed: held.overflowed,
      leftBehind: found?.leftBehind ?? [],
      ...problemOf([reason, ...this.#problems, ...(found === undefined ? [unknownAt(to)] : [])]),
    })
  }

  /** All that is for the guest is at its source. */
  async #return(): Promise<void> {
    const { from, to, places, progress, world } = this.#steps
    const { stragglers, announcement } = this.#parts
    const stage = this.#steps.move?.stage
    if (stage === undefined) return
    const hasLeft = stage !== 'prepared' || progress.record.turned !== undefined
    const goneBy = world.clock.now() + this.#patience.destination
    if (hasLeft) {
      await this.#turn(stage)
      if (announcement.isMade && announcement.mayOvertake(from)) await this.#steps.drained()
      await this.#try(() => this.#withSource(() => announcement.takeBack(from)))
      await places.waitFor(to, goneBy - world.clock.now())
      await this.#steps.drained()
      await this.#try(() => this.#leave(goneBy))
      await this.#steps.drained()
    }
    await stragglers.quietly(async () => {
      if (hasLeft) await this.#try(() => this.#bring(goneBy))
      await this.#try(() => this.#handBack())
      if (hasLeft) stragglers.expect('returned')
    })
    if (stragglers.areExpected) await this.#goOnAtSource()
  }

  /**
   * Everybody sends to the source again. What it had kept before stands before all that the destination has kept, what it keeps from
   * now on behind: where the one ends is durable before anybody is told. The destination's own host comes last, since the fabric
   * would bring back to it what it sends; one that may not have been told of the destination is not told of it now.
   */
  async #turn(stage: Stage): Promise<void> {
    const { from, progress, world } = this.#steps
    const { held, stragglers } = this.#parts
    const { turned } = progress.record
    const wasTold = stage !== 'collecting' || turned !== undefined
    const next = { stage: wasTold ? 'collecting' : 'returned', targetState: 'hold' } as const
    if (turned === undefined) {
      await this.#steps.drained()
      await stragglers.quietly(async () => {
        await this.#try(() => this.#withSource(() => held.takeFrom(from)))
        progress.remember({ turned: held.markAt(from) })
        this.#steps.intend(next)
      })
      await keepPatiently(world, this.#patience.destination)
    } else await this.#try(() => this.#withSource(() => held.takeFrom(from, turned)))
    // After a restart the destination's own host may have been told already.
    if (stage === 'prepared' || stage === 'returned') return
    await this.#try(() => this.#withSource(() => this.#steps.set(next, [from])))
  }

  /** Nobody sends to the destination any more; its own guests neither, unless it is not there by then. */
  async #leave(goneBy: Nanoseconds): Promise<void> {
    const { from, to, places, world } = this.#steps
    const leave = (...required: string[]) => this.#steps.set({ stage: 'returned' }, required)
    await places.whileThere(to, goneBy - world.clock.now(), () => leave(from, to)).catch(() => leave(from))
  }

  /** What the destination keeps, and has learned of connections. */
  async #bring(goneBy: Nanoseconds): Promise<void> {
    const { to, places, world } = this.#steps
    const { held, states } = this.#parts
    await places.whileThere(to, goneBy - world.clock.now(), async () => {
      // Datagrams that began at the source go on where their end has come, and the other way round. They do not wait for the source.
      await states.tell('home').catch((error: unknown) => world.log(textOf(error)))
      await held.takeFrom(to)
      await states.takeOver('target', 'with fragments')
    })
  }

  /** The destination lets go of nothing that the source has not got. */
  async #handBack(): Promise<void> {
    const { from, to, places } = this.#steps
    const { held } = this.#parts
    await this.#withSource(async () => {
      await held.takeFrom(from)
      await held.deliverTo(from)
    })
    if (places.isThere(to)) await held.forgetAt(to)
  }

  /** The guest goes on; not all that may send to the destination have been told. */
  async #goOnAtSource(): Promise<void> {
    const { from } = this.#steps
    await this.#try(() => this.#withSource(() => this.#steps.set({ homeState: 'open' }, [from])))
    await this.#try(() => this.#steps.resume(from))
    this.#isPaused = false
    await this.#parts.stragglers.bring()
  }

  /** Again where the source goes meanwhile, until nobody waits for it any more. @throws SwitchAway */
  #withSource(work: () => Promise<void>): Promise<void> {
    const { from, places, world } = this.#steps
    return places.whileThere(from, this.#sourceBy - world.clock.now(), work)
  }

  /** Goes on where it fails. */
  #try(step: () => Promise<unknown>): Promise<void> {
    return attempt(this.#steps.world.writes, this.#problems, step)
  }
}
