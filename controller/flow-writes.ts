// Users' flows come and go: all of a request or nothing, and none is said to be there that its switch has not confirmed.

import type { FlowFilter, FlowSpec } from '../protocols/control/messages.ts'
import type { Clock } from '../runtime/clock.ts'
import { SECOND } from '../runtime/clock.ts'
import { waitFor } from './migration/waiting.ts'
import type { ControllerEvent, UserFlow } from './model.ts'
import { Conflict, SwitchRefused } from './model.ts'
import { groupBy } from './network/grouping.ts'
import type { Fleet } from './reconcile/fleet.ts'
import { flowKey } from './reconcile/switch-state.ts'
import { SwitchAway } from './southbound/remote-switch.ts'
import { adding, deleting, expiring } from './state/operations.ts'
import type { FlowsBySwitch } from './user-flows.ts'
import {
  asAdded,
  asDesired,
  checkUserFlow,
  flowEvent,
  matchesFilter,
  undoOf,
  undone,
  withFlows,
  withoutFlows,
} from './user-flows.ts'
import type { Writes } from './writes.ts'

export interface FlowWorld {
  readonly fleet: Fleet
  readonly writes: Writes
  readonly clock: Clock
  readonly log: (line: string) => void
  readonly emit: (event: ControllerEvent) => void
  /** Full name of the switch that a user means. @throws NotFound */
  readonly resolve: (name: string) => string
  /** The users' flows have changed, and with them what switches are to be; nothing is sent yet. */
  readonly changed: () => void
}

/** How long a start waits for the switches of a write that was under way when the process ended. */
const PATIENCE = 30 * SECOND

export class FlowWrites {
  /** What is wanted. */
  all: FlowsBySwitch
  readonly #world: FlowWorld

  constructor(world: FlowWorld, all: FlowsBySwitch) {
    this.#world = world
    this.all = all
  }

  add(flows: UserFlow[], by: string): Promise<void> {
    const { fleet, writes, resolve, emit } = this.#world
    return writes.run(
      () => adding(by, flows),
      async (entry) => {
        flows.forEach(({ flow }, index) => checkUserFlow(flow, `flows[${index}]`))
        const added = flows.map((one) => ({ switch: resolve(one.switch), flow: asDesired(one.flow) }))
        const byName = groupBy(added, (one) => one.switch)
        const again = new Map([...byName].map(([name, own]) => [name, new Set(own.map(({ flow }) => flowKey(flow)))]))
        await this.#change(withFlows(this.all, added), again, { entry, changed: added })
        this.#become(
          withFlows(
            this.all,
            added.map((one) => ({ ...one, flow: asAdded(one.flow) })),
          ),
        )
        await fleet.push(byName.keys())
        for (const { switch: name, flow } of added) emit(flowEvent(name, 'add', flow))
      },
    )
  }

  delete(switchName: string, filter: FlowFilter, strict: FlowSpec | undefined, by: string): Promise<number> {
    const { writes, resolve, emit } = this.#world
    return writes.run(
      () => deleting(by, switchName, filter, strict),
      async (entry) => {
        const name = resolve(switchName)
        const own = [...(this.all.get(name)?.values() ?? [])]
        const doomed = own.filter((flow) =>
          strict === undefined ? matchesFilter(flow, filter) : flowKey(flow) === flowKey(strict),
        )
        const changed = doomed.map((flow) => ({ switch: name, flow }))
        const after = withoutFlows(this.all, name, doomed)
        await this.#change(after, new Map([[name, new Set()]]), { entry, changed })
        for (const flow of doomed) emit(flowEvent(name, 'delete', flow))
        return doomed.length
      },
    )
  }

  /** The time of a flow is up, on its switch. */
  expired(name: string, flow: FlowSpec): void {
    const { fleet, writes, log, emit } = this.#world
    const own = this.all.get(name)?.get(flowKey(flow))
    if (own === undefined) return
    writes.end(writes.begin(() => expiring(name, own)))
    this.#become(withoutFlows(this.all, name, [flow]))
    void fleet.push().catch((error: unknown) => log(String(error)))
    emit(flowEvent(name, 'removed', flow))
  }

  /** Ends a write that was under way when the process ended: what it asked for is wanted already. */
  async finish(entry: number): Promise<void> {
    const { fleet, writes, clock, log } = this.#world
    const undo = writes.unfinished.get(entry)
    if (undo === undefined) return writes.end(entry)
    const names = [...new Set(undo.map((one) => one.switch))].filter((name) => fleet.names.includes(name))
    await waitFor(Promise.all(names.map((name) => fleet.whenConnected(name))), PATIENCE, clock)
    const finishing = writes.exclusively(async () => {
      const refused = await fleet.push(names).catch((error: unknown) => error)
      // A switch that is away gets it when it returns.
      if (!(refused instanceof SwitchRefused)) return writes.end(entry)
      this.#become(undone(this.all, undo))
      writes.end(entry, refused)
      await fleet.push(names)
    })
    await finishing.catch((error: unknown) => log(String(error)))
  }

  /**
   * The users' flows become these on the switches that `again` names, or all stays as it was. What is wanted is durable before any
   * switch is told, together with what to put back should one refuse.
   */
  async #change(
    flows: FlowsBySwitch,
    again: ReadonlyMap<string, ReadonlySet<string>>,
    { entry, changed }: { entry: number | undefined; changed: readonly UserFlow[] },
  ): Promise<void> {
    const { fleet, writes, log } = this.#world
    const away = [...again.keys()].find((name) => !fleet.reconciler(name).connected)
    if (away !== undefined) throw new Conflict(`${new SwitchAway(away).message}; nothing was changed`)
    const before = this.all
    if (entry !== undefined) writes.unfinished = new Map(writes.unfinished).set(entry, undoOf(before, changed))
    this.#become(flows)
    try {
      await writes.save()
      await fleet.push(again.keys(), again)
    } catch (error) {
      this.#become(before)
      await fleet.push().catch((second: unknown) => log(String(second)))
      throw error
    }
  }

  #become(flows: FlowsBySwitch): void {
    this.all = flows
    this.#world.changed()
  }
}
