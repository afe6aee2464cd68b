// Runs a scenario from start to verdict, on virtual time.

import { MILLISECOND, SECOND, sleep, type Nanoseconds } from '../runtime/clock.ts'
import { VirtualClock } from '../runtime/virtual-clock.ts'
import type { FailureTarget, MoveBudget, Scenario, Step, TimelineEntry } from '../topologies/scenario.ts'
import { Conflict, type RelocationStatus, SwitchRefused } from '../controller/model.ts'
import { formatDuration } from '../topologies/units.ts'
import { applyFlow } from './flow-step.ts'
import { beginMoves } from './relocating.ts'
import { Lab, type LabObserver } from './lab.ts'
import { composeVerdict } from './compose-verdict.ts'
import type { RunLog } from './run-log.ts'
import { Captures } from './captures.ts'
import { Traffic } from './traffic.ts'
import type { Verdict } from './verdict.ts'

/** How long after the last step frames may be on their way without becoming fewer. */
const PATIENCE = 10 * SECOND
/** As long as channels take to be known as closed. */
const NOTICED = MILLISECOND

export interface ReplayOptions {
  seed?: number
  /** Goes on with what is whole of a damaged capture. */
  lenient?: boolean
  observer?: LabObserver
  /** Called now and then with the frames that have gone in so far, and how much that is of all captures, from 0 to 1. */
  progress?: (frames: number, share: number) => void
  log?: (line: string) => void
  /** Each frame goes alone, as the slow twin of those that go in company. */
  frameByFrame?: boolean
}

export interface ReplayResult {
  verdict: Verdict
  /** The input was wrong in part: what is whole has been replayed. */
  damaged: string[]
}

/** @throws NotFound, FlowSyntaxError, SwitchRefused, and file errors, where a step can't be done as written */
export async function replay(scenario: Scenario, options: ReplayOptions = {}): Promise<ReplayResult> {
  const seed = options.seed ?? scenario.seed
  const clock = new VirtualClock()
  const inCompany = options.frameByFrame !== true
  const lab = await Lab.start(scenario.topology, { clock, seed, inCompany, ...pick(options) })
  const run = new Run(scenario, lab, clock, options)
  await clock.runUntil(run.play())
  await quiesce(lab, clock)
  const verdict = composeVerdict(scenario, seed, lab, run.log, clock.now() - run.start)
  return { verdict, damaged: run.log.damaged }
}

const pick = ({ observer, log }: ReplayOptions) => ({ ...(observer && { observer }), ...(log && { log }) })

/**
 * Lets time pass until no frame is on its way, or none can be expected to arrive any more: fewer have not become of them for long. A queue
 * so slow that a single frame takes longer than that to leave it (1,500 bytes at 1 kbit/s take 12 s) is not waited for.
 */
async function quiesce(lab: Lab, clock: VirtualClock): Promise<void> {
  let fewest = Infinity
  let end = clock.now() + PATIENCE
  while (fewest > 0 && clock.now() < end) {
    await clock.run(clock.now() + 10 * MILLISECOND)
    if (lab.inFlight >= fewest) continue
    fewest = lab.inFlight
    end = clock.now() + PATIENCE
  }
}

class Run {
  readonly start: Nanoseconds
  readonly log: RunLog = { pings: [], migrations: [], relocations: [], problems: [], damaged: [], unmapped: new Map() }
  /** When hosts failed last. */
  readonly #failedAt = new Map<string, Nanoseconds>()
  readonly #scenario: Scenario
  readonly #lab: Lab
  readonly #clock: VirtualClock
  readonly #captures: Captures
  readonly #traffic: Traffic

  constructor(scenario: Scenario, lab: Lab, clock: VirtualClock, options: ReplayOptions) {
    this.#scenario = scenario
    this.#lab = lab
    this.#clock = clock
    this.start = clock.now()
    const { progress } = options
    this.#captures = new Captures({ scenario, lab, clock, log: this.log, progress })
    this.#traffic = new Traffic({ lab, clock, log: this.log })
  }

  /** Plays the timeline; resolves when every step has ended. */
  async play(): Promise<void> {
    await Promise.all(this.#scenario.timeline.map((entry) => this.#at(entry)))
  }

  async #at({ at, step }: TimelineEntry): Promise<void> {
    if (step.type === 'replay') return this.#captures.replay(step, this.start + at)
    await sleep(this.#clock, this.start + at - this.#clock.now())
    try {
      await this.#do(step)
    } catch (problem) {
      if (!(problem instanceof Conflict || problem instanceof SwitchRefused)) throw problem
      this.log.problems.push(`${step.type} at ${formatDuration(at)}: ${problem.message}`)
    }
  }

  /** Each of its moves is judged as any. */
  #relocated(relocation: RelocationStatus, budget: MoveBudget | undefined): void {
    const ids = new Set(relocation.moves.map(({ migration }) => migration))
    const moves = this.#lab.controller.migrations().filter(({ id }) => ids.has(id))
    this.log.migrations.push(...moves.map((status) => ({ status, budget })))
    this.log.relocations.push({ status: relocation })
  }

  async #failover(host: string): Promise<void> {
    const { relocations } = this.#lab.controller
    this.#fail({ kind: 'host', host })
    // The controller hears of it by and by.
    await sleep(this.#clock, NOTICED)
    const { id } = await relocations.failover(host)
    this.log.relocations.push({ status: await relocations.done(id), since: this.#failedAt.get(host) })
  }

  #fail(target: FailureTarget): boolean {
    if (target.kind === 'host' && !this.#lab.network.isDown(target.host))
      this.#failedAt.set(target.host, this.#clock.now())
    return this.#lab.fail(target)
  }

  async #do(step: Exclude<Step, { type: 'replay' }>): Promise<void> {
    switch (step.type) {
      case 'ping':
        return this.#traffic.ping(step)
      case 'pingall':
        return this.#traffic.pingAll()
      case 'send':
        return this.#traffic.send(step)
      case 'migrate': {
        const { type: _type, budget, expect: expected, ...request } = step
        const status = await this.#lab.migrate(request.vm, request.to, request.pause, request)
        this.log.migrations.push({ status, budget, expected })
        return
      }
      case 'drain':
      case 'rebalance': {
        const { controller } = this.#lab
        const { id } = await beginMoves(controller, step)
        return this.#relocated(await controller.relocations.done(id), step.budget)
      }
      case 'failover':
        return this.#failover(step.host)
      case 'flow':
        return applyFlow(this.#lab.controller, step)
      case 'apply':
        return this.#lab.apply(step.topology)
      case 'fail':
      case 'heal':
        if (!(step.type === 'fail' ? this.#fail(step.target) : this.#lab.heal(step.target)))
          this.log.problems.push(`${step.type}: nothing like ${JSON.stringify(step.target)} in the topology`)
    }
  }
}
