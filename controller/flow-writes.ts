// Users' flows come and go: all of a request or nothing, and none is said to be there that its switch has not confirmed. Requests that
// come while others are under way wait together, and those that have nothing to do with each other become one transaction and one
// bundle for each switch. What a switch refuses is halved until it is known whose fault it is: so each is answered as though it had
// come alone.

import type { FlowFilter, FlowSpec } from '../protocols/control/messages.ts'
import type { Clock } from '../runtime/clock.ts'
import { SECOND } from '../runtime/clock.ts'
import { changesOfAdding, changesOfDeleting, type FlowPlan, type FlowRequest, independent } from './flow-requests.ts'
import type { ControllerEvent, UserFlow } from './model.ts'
import { SwitchRefused } from './model.ts'
import { groupBy } from './network/grouping.ts'
import type { Fleet } from './reconcile/fleet.ts'
import { flowKey } from './reconcile/switch-state.ts'
import { adding, deleting, expiring } from './state/operations.ts'
import type { FlowChange, FlowsBySwitch, FlowUndo } from './user-flows.ts'
import { asAdded, flowEvent, replaced, takenBack, undoOf, withoutFlow } from './user-flows.ts'
import type { Writes } from './writes.ts'

export interface FlowWorld {
  readonly fleet: Fleet
  readonly writes: Writes
  readonly clock: Clock
  readonly log: (line: string) => void
  readonly emit: (event: ControllerEvent) => void
  /** Full name of the switch that a user means. @throws NotFound */
  readonly resolve: (name: string) => string
  /** `told` has changed, and with it what switches are to be; nothing is sent yet. */
  readonly changed: () => void
}

/** A request under way. */
interface FlowWrite extends FlowPlan {
  readonly entry: number | undefined
  readonly done: () => void
  readonly failed: (error: unknown) => void
}

interface Failure {
  readonly write: FlowWrite
  readonly reason: unknown
}

/** How long a start waits for the switches of a write that was under way when the process ended. */
const PATIENCE = 30 * SECOND
/** Requests of one group, and changes beyond which it takes no further one. */
const MOST_REQUESTS = 256
const MOST_CHANGES = 10_000

export class FlowWrites {
  /** What is wanted, and kept. */
  wanted: FlowsBySwitch
  /** What switches are to have: what is wanted and durable, but for what one of them has refused and somebody is to be told of. */
  told: FlowsBySwitch
  readonly #world: FlowWorld
  /** Requests of the next turn, for as long as nothing else waits behind them. */
  #waiting: { requests: FlowRequest[]; turn: Promise<unknown> } | undefined

  constructor(world: FlowWorld, all: FlowsBySwitch) {
    this.#world = world
    this.wanted = this.told = all
  }

  async add(flows: UserFlow[], by: string): Promise<void> {
    const plan = () => changesOfAdding(flows, this.wanted, this.#world)
    await this.#ask(() => adding(by, flows), plan)
  }

  /** @returns how many there were */
  delete(switchName: string, filter: FlowFilter, strict: FlowSpec | undefined, by: string): Promise<number> {
    const plan = () => changesOfDeleting({ switch: switchName, filter, strict }, this.wanted, this.#world)
    return this.#ask(() => deleting(by, switchName, filter, strict), plan)
  }

  /** The time of a flow is up, on its switch. */
  expired(name: string, flow: FlowSpec): void {
    const { fleet, writes, log, emit } = this.#world
    const own = this.wanted.get(name)?.get(flowKey(flow))
    if (own === undefined) return
    writes.end(writes.begin(() => expiring(name, own)))
    this.wanted = withoutFlow(this.wanted, name, own)
    this.#tell(withoutFlow(this.told, name, own))
    void fleet.push().catch((error: unknown) => log(String(error)))
    emit(flowEvent(name, 'removed', flow))
  }

  /** Ends writes that were under way when the process ended: what they asked for is wanted already. */
  async finish(entries: readonly number[]): Promise<void> {
    const { fleet, writes, clock, log } = this.#world
    const unfinished = entries.flatMap((entry): FlowWrite[] => {
      const undo = writes.unfinished.get(entry)
      if (undo === undefined) writes.end(entry)
      return undo === undefined ? [] : [this.#interrupted(entry, undo)]
    })
    const names = switchesOf(unfinished)
    if (unfinished.length === 0) return
    await fleet.whenConnected(names, { span: PATIENCE, clock })
    // A switch that is away gets it when it returns.
    const finishing = writes.exclusively(() => this.#confirm(unfinished, 'finish'))
    await finishing.catch((error: unknown) => log(String(error)))
  }

  #interrupted(entry: number, undo: readonly FlowUndo[]): FlowWrite {
    const changes = undo.map(({ switch: name, key, flow }): FlowChange => ({
      switch: name,
      key,
      before: flow,
      after: this.wanted.get(name)?.get(key),
    }))
    const switches = new Set(undo.map((one) => one.switch).filter((name) => this.#world.fleet.names.includes(name)))
    return { entry, changes, switches, done: () => {}, failed: () => {} }
  }

  /** Resolves with the number of changes it came to. */
  #ask(describe: FlowRequest['describe'], plan: () => FlowPlan): Promise<number> {
    return new Promise((resolve, reject) => {
      const request = { describe, plan, resolve, reject }
      const { writes } = this.#world
      const waiting = this.#waiting
      if (waiting !== undefined && writes.isLast(waiting.turn) && waiting.requests.length < MOST_REQUESTS)
        return void waiting.requests.push(request)
      const requests = [request]
      const turn = writes.exclusively(() => this.#carryOut(requests))
      this.#waiting = { requests, turn }
    })
  }

  /** Never rejects: whoever asked is told. */
  async #carryOut(requests: readonly FlowRequest[]): Promise<void> {
    if (this.#waiting?.requests === requests) this.#waiting = undefined
    try {
      for (let rest = requests; rest.length > 0;) {
        this.#world.writes.check()
        const { group, taken, refused } = this.#group(rest)
        rest = rest.slice(taken)
        await this.#commit(group, refused)
      }
    } catch (error) {
      // Those that have been answered take no note of it.
      for (const { reject } of requests) reject(error)
    }
  }

  /** From the first request on as many as have nothing to do with each other; each gets its number in the journal. */
  #group(requests: readonly FlowRequest[]): { group: FlowWrite[]; taken: number; refused: (() => void)[] } {
    const { writes } = this.#world
    const group: FlowWrite[] = []
    const refused: (() => void)[] = []
    const isApart = independent()
    let changes = 0
    let taken = 0
    for (const { describe, plan, resolve, reject } of requests) {
      if (changes > MOST_CHANGES) break
      try {
        const planned = plan()
        if (!isApart(planned)) break
        changes += planned.changes.length
        const entry = writes.begin(describe)
        group.push({ ...planned, entry, done: () => resolve(planned.changes.length), failed: reject })
      } catch (error) {
        writes.end(writes.begin(describe), error)
        refused.push(() => reject(error))
      }
      taken++
    }
    return { group, taken, refused }
  }

  /** All is durable before any switch is told, together with what to put back should one refuse. */
  async #commit(group: readonly FlowWrite[], refused: readonly (() => void)[]): Promise<void> {
    const { writes, log } = this.#world
    const changes = group.flatMap((write) => write.changes)
    writes.begun(group.map(({ entry, changes: own }) => [entry, undoOf(own)]))
    this.wanted = replaced(this.wanted, changes.map(after))
    try {
      await writes.save()
    } catch (error) {
      this.wanted = takenBack(this.wanted, changes)
      for (const { entry } of group) writes.end(entry, error)
      await writes.save().catch((second: unknown) => log(String(second)))
      for (const { failed } of group) failed(error)
      return
    } finally {
      for (const answer of refused) answer()
    }
    this.#tell(replaced(this.told, changes.map(after)))
    if (group.length > 0) await this.#confirm(group)
  }

  /** Pushes what is wanted and durable already; writes of switches that refuse are taken back, and whoever asked is told once that is durable. */
  async #confirm(group: readonly FlowWrite[], how: 'begin' | 'finish' = 'begin'): Promise<void> {
    const { fleet, writes, log } = this.#world
    const failed = await this.#push(group, how)
    if (failed.length === 0) return
    const changes = failed.flatMap(({ write }) => write.changes)
    this.wanted = takenBack(this.wanted, changes)
    await fleet.push(switchesOf(failed.map(({ write }) => write))).catch((error: unknown) => log(String(error)))
    for (const { write, reason } of failed) writes.end(write.entry, reason)
    // What has been taken back must not come again after a restart.
    await writes.save().catch((error: unknown) => log(String(error)))
    for (const { write, reason } of failed) write.failed(reason)
  }

  /** @returns those that have failed, and why; switches are to have none of them any more */
  async #push(group: readonly FlowWrite[], how: 'begin' | 'finish'): Promise<Failure[]> {
    // At a start the switches may have them already, and have counted by them since.
    const again = how === 'begin' ? addedAgain(group) : undefined
    const reasons = await this.#world.fleet.pushEach(switchesOf(group), again)
    const reasonOf = ({ switches }: FlowWrite): unknown => {
      const own = [...switches].map((name) => reasons.get(name)).filter((reason) => reason !== undefined)
      return own.find((reason) => reason instanceof SwitchRefused) ?? (how === 'begin' ? own[0] : undefined)
    }
    const bad = group.flatMap((write): Failure[] => {
      const reason = reasonOf(write)
      return reason === undefined ? [] : [{ write, reason }]
    })
    const doubtful = new Set(bad.map(({ write }) => write))
    await this.#done(group.filter((write) => !doubtful.has(write)))
    this.#tell(
      takenBack(
        this.told,
        bad.flatMap(({ write }) => write.changes),
      ),
    )
    const [suspects, failed] = split(bad, ({ reason }) => reason instanceof SwitchRefused && bad.length > 1)
    const middle = Math.ceil(suspects.length / 2)
    for (const half of [suspects.slice(0, middle), suspects.slice(middle)]) {
      if (half.length === 0) continue
      const retried = half.flatMap(({ write }) => write.changes).filter((change) => this.#isWanted(change))
      this.#tell(replaced(this.told, retried.map(after)))
      const writes = half.map(({ write }) => write)
      failed.push(...(await this.#push(writes, how)))
    }
    return failed
  }

  async #done(group: readonly FlowWrite[]): Promise<void> {
    const { fleet, writes, emit, log } = this.#world
    const changes = group.flatMap((write) => write.changes)
    const plain = changes.flatMap((change) => {
      const flow = change.after && asAdded(change.after)
      return flow === change.after || !this.#isWanted(change) ? [] : [{ switch: change.switch, key: change.key, flow }]
    })
    if (plain.length > 0) {
      this.wanted = replaced(this.wanted, plain)
      this.#tell(replaced(this.told, plain))
      await fleet.push(switchesOf(group)).catch((error: unknown) => log(String(error)))
    }
    for (const { entry, done } of group) {
      writes.end(entry)
      done()
    }
    for (const { switch: name, before, after: flow } of changes)
      if (flow !== undefined) emit(flowEvent(name, 'add', flow))
      else if (before !== undefined) emit(flowEvent(name, 'delete', before))
  }

  /** False where its time was up meanwhile. */
  readonly #isWanted = ({ switch: name, key, after: flow }: FlowChange): boolean =>
    this.wanted.get(name)?.get(key) === flow

  #tell(flows: FlowsBySwitch): void {
    if (flows === this.told) return
    this.told = flows
    this.#world.changed()
  }
}

const after = ({ switch: name, key, after: flow }: FlowChange) => ({ switch: name, key, flow })

const switchesOf = (writes: readonly FlowWrite[]): string[] => [...new Set(writes.flatMap((one) => [...one.switches]))]

/** Flows to add even where they are there already. */
function addedAgain(writes: readonly FlowWrite[]): Map<string, Set<string>> {
  const added = writes.flatMap(({ changes }) => changes).filter((change) => change.after !== undefined)
  const byName = groupBy(added, (change) => change.switch)
  return new Map([...byName].map(([name, own]) => [name, new Set(own.map(({ key }) => key))]))
}

function split<T>(all: readonly T[], test: (one: T) => boolean): [T[], T[]] {
  return [all.filter(test), all.filter((one) => !test(one))]
}
