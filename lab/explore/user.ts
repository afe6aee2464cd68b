// Somebody who asks the controller for what the scenario says, and asks again where no answer came; and who remembers what was
// acknowledged.

import { beginMoves } from '../relocating.ts'
import type { Controller } from '../../controller/controller.ts'
import { Conflict, NotFound, type RelocationStatus, SwitchRefused } from '../../controller/model.ts'
import { isSameTopology } from '../../controller/network/sharing.ts'
import type { Image } from '../../controller/state/image.ts'
import { StateError } from '../../runtime/store.ts'
import { flowKey } from '../../controller/reconcile/switch-state.ts'
import { MILLISECOND, sleep, type Clock } from '../../runtime/clock.ts'
import type { Step } from '../../topologies/scenario.ts'
import type { Topology } from '../../topologies/topology.ts'
import { applyFlow } from '../flow-step.ts'
import type { Lab } from '../lab.ts'
import type { ControllerProcess, Controllers } from './controllers.ts'
import type { Watch } from './watch.ts'

const PAUSE = 5 * MILLISECOND
/** How often something that is refused is asked for again. */
const TRIES = 400

type Of<T extends Step['type']> = Extract<Step, { type: T }>

export interface UserOptions {
  clock: Clock
  lab: Lab
  controllers: Controllers
  watch: Watch
}

export class User {
  /** What could not be had, in sentences. */
  readonly refused: string[] = []
  readonly #options: UserOptions
  #topology: Topology | undefined
  /** The user flows there were when all that had been asked for was acknowledged. */
  #flows: readonly string[] = []
  readonly #migrations = new Set<string>()
  /** Asked for and not acknowledged yet, but for moves. */
  #pending = 0

  constructor(options: UserOptions) {
    this.#options = options
  }

  async apply(topology: Topology): Promise<void> {
    const { lab, watch } = this.#options
    watch.asked(topology)
    await this.#write(async (controller) => {
      if (this.#topology === undefined) return controller.apply(topology)
      return lab.apply(topology)
    })
    this.#topology = topology
    watch.inForce(topology)
  }

  async flow(step: Of<'flow'>): Promise<void> {
    await this.#write((controller) => applyFlow(controller, step))
  }

  /** Resolves when the move has ended, one way or another. */
  async migrate({ type: _type, budget: _budget, expect: _expect, ...request }: Of<'migrate'>): Promise<void> {
    const { vm, to } = request
    const { controllers, clock } = this.#options
    let id: string | undefined
    const before = new Set((await controllers.running()).controller.migrations().map((one) => one.id))
    for (let tries = 0; tries < TRIES; tries++) {
      const process = await controllers.running()
      const { controller } = process
      id ??= controller.migrations().find((one) => !before.has(one.id) && one.vm === vm && one.to === to)?.id
      try {
        id ??= controller.migrate(request).id
        before.delete(id)
        if ((await this.#follow(process, id)) === 'ended') return
      } catch (error) {
        if (!isRefusal(error)) throw error
        if (id !== undefined) before.add(id)
        id = undefined
        await sleep(clock, PAUSE)
      }
      // A process that did not acknowledge it may not have kept it.
      if (id !== undefined && !this.#migrations.has(id)) id = undefined
    }
    this.refused.push(`the move of ${vm} to ${to}`)
  }

  /** Resolves when all has ended, one way or another. */
  async relocate(step: Of<'drain' | 'failover' | 'rebalance'>): Promise<void> {
    const { controllers, clock } = this.#options
    const { type } = step
    const host = type === 'rebalance' ? undefined : step.host
    for (let tries = 0; tries < TRIES; tries++) {
      const { controller, gone } = await controllers.running()
      const { relocations } = controller
      try {
        // Whoever asks again finds what the process before has kept.
        const found = relocations.all().find((one) => one.host === host && one.kind === type)
        const begun = found ?? (await Promise.race([beginRelocation(controller, step), gone]))
        if (begun && (await Promise.race([relocations.done(begun.id), gone]))) return
      } catch (error) {
        if (!isRefusal(error)) throw error
        await sleep(clock, PAUSE)
      }
    }
    this.refused.push(`the ${type} of ${host ?? 'all'}`)
  }

  /** What was acknowledged and is not kept; undefined where all is. */
  missing(image: Pick<Image, 'asked' | 'userFlows' | 'migrations'>): string | undefined {
    const lost = [...this.#migrations].find((id) => !image.migrations.has(id))
    if (lost !== undefined) return `the move ${lost} is not known any more`
    if (this.#pending > 0) return undefined
    if (this.#topology !== undefined && !isSameTopology(image.asked, this.#topology))
      return `the topology ${this.#topology.name} is not the one that was acknowledged`
    const kept = new Set(keysOf(image.userFlows))
    const gone = this.#flows.find((key) => !kept.has(key))
    return gone === undefined ? undefined : `the flow ${gone} was acknowledged, and is gone`
  }

  async #follow(process: ControllerProcess, id: string): Promise<'ended' | 'gone'> {
    const { controller, gone } = process
    const kept = await Promise.race([controller.migrationStarted(id).then(() => 'kept' as const), gone])
    if (kept === undefined) return 'gone'
    this.#migrations.add(id)
    const done = await Promise.race([controller.migrationDone(id), gone])
    return done === undefined ? 'gone' : 'ended'
  }

  /** Asks until it is acknowledged, or refused too often. */
  async #write(work: (controller: Controller) => Promise<void>): Promise<void> {
    const { controllers, clock } = this.#options
    this.#pending++
    try {
      for (let tries = 0; tries < TRIES; tries++) {
        const { controller, gone } = await controllers.running()
        const outcome = await Promise.race([attempt(() => work(controller)), gone])
        if (outcome === 'done') return this.#acknowledged(controller)
        await sleep(clock, PAUSE)
      }
      this.refused.push('a write')
    } finally {
      this.#pending--
    }
  }

  /** Flows whose time runs out may go. */
  #acknowledged(controller: Controller): void {
    const lasting = controller
      .userFlows()
      .filter(({ flow: { idleTimeout, hardTimeout } }) => idleTimeout + hardTimeout === 0)
    this.#flows = lasting.map(({ switch: name, flow }) => `${name} ${flowKey(flow)}`)
  }
}

const beginRelocation = (
  controller: Controller,
  step: Of<'drain' | 'failover' | 'rebalance'>,
): Promise<RelocationStatus> =>
  step.type === 'failover' ? controller.relocations.failover(step.host) : beginMoves(controller, step)

const keysOf = (flows: Image['userFlows']): string[] =>
  [...flows].flatMap(([name, own]) => [...own.keys()].map((key) => `${name} ${key}`))

async function attempt(work: () => Promise<void>): Promise<'done' | 'refused'> {
  try {
    await work()
    return 'done'
  } catch (error) {
    if (!isRefusal(error)) throw error
    return 'refused'
  }
}

const isRefusal = (error: unknown): boolean =>
  error instanceof Conflict ||
  error instanceof SwitchRefused ||
  error instanceof StateError ||
  error instanceof NotFound
