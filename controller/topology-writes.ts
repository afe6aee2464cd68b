// Topologies that somebody asks for: durable before any switch is told, and brought to the switches so that each frame sees the old
// one or the new one.

import type { Clock, Nanoseconds } from '../runtime/clock.ts'
import { MILLISECOND } from '../runtime/clock.ts'
import { isDeepStrictEqual } from 'node:util'
import { findNic, vmNamed } from '../topologies/lookup.ts'
import { relocated } from '../topologies/relocation.ts'
import type { PortPolicy, Topology, Vm } from '../topologies/topology.ts'
import type { ChangeStatus, ConnectionsCut, ControllerEvent } from './model.ts'
import { CHANGE_STAGES, Conflict } from './model.ts'
import { connectionsCut } from './connections-cut.ts'
import { Arrivals } from './migration/arrivals.ts'
import { adopt, adoptVm, sharing } from './network/adopt.ts'
import { patchView } from './network/patch-view.ts'
import { handedOver, segmentSteps } from './network/segments.ts'
import type { Intent } from './network/intent.ts'
import type { View } from './network/view.ts'
import type { Plan } from './plan.ts'
import { planOf } from './plan.ts'
import { checkPlanTag, type PlanBasis, planTag } from './plan-tag.ts'
import type { Onlooker } from './reconcile/rollout.ts'
import type { Fleet } from './reconcile/fleet.ts'
import { NO_TOPOLOGY } from './state/image.ts'
import { applying, settingPolicy, settingVm } from './state/operations.ts'
import { isSameTopology } from './network/sharing.ts'
import { withPolicy, withVm } from './network/vm-changes.ts'
import type { Writes } from './writes.ts'
import { textOf } from '../runtime/error-text.ts'

export interface TopologyWorld {
  readonly fleet: Fleet
  readonly clock: Clock
  readonly writes: Writes
  readonly view: () => View
  readonly intent: () => Intent
  readonly amend: (change: Partial<Intent>) => void
  /** What could not be kept is not wanted any more. */
  readonly takeBack: (topology: Topology) => void
  readonly emit: (event: ControllerEvent) => void
  readonly log: (line: string) => void
  /** How long frames may still be on their way once nobody sends them any more; 2 ms where absent. */
  readonly drain: (() => Nanoseconds) | undefined
  /** Resolves when switches that have dialled in have said who they are. */
  readonly greeted: () => Promise<void>
  /** @throws Conflict where a VM is moving that the topology would change */
  readonly checkStillPossible: (topology: Topology) => void
}

/** What is to become of a VM in the topology that runs. */
export type ReadVm = (running: Topology) => Vm | undefined

/** Who makes the networks what is asked for: the controller, or whoever has more to change than its switches. */
export interface TopologyChanges {
  readonly apply: (asked: Asked, by: string) => Promise<void>
  readonly changeVm: (name: string, read: ReadVm, by: string) => Promise<number>
  readonly setPolicy: (nic: string, read: (running: Topology) => PortPolicy, by: string) => Promise<void>
}

/** A topology, or what is to become of the one that runs, once all that was asked before is done. */
export type Asked = Topology | ((running: Topology, turn: Turn) => Topology | Promise<Topology>)

/** What whoever waited for its turn may ask for before it says what it wants. */
export interface Turn {
  /** `ChangeStatus.number` of the change that this becomes. */
  readonly number: number
  /**
   * Has the switches count the connections that a change to this topology would cut.
   * @param plan the tag of what is to be done
   * @throws PlanOutdated where `apply` would not do now, before or after the count, what the plan has shown
   */
  readonly prepare: (topology: Topology, plan?: string) => Promise<void>
}

export interface TaggedPlan extends Plan {
  /** For `Turn.prepare`. */
  tag: string
  connections: ConnectionsCut
}

const DRAIN = 2 * MILLISECOND

const NOBODY_TOLD = { stage: CHANGE_STAGES[0], confirmed: 0, switches: 0 }

export class TopologyWrites {
  /** As it was last asked for; migrations have happened since. Undefined where nobody has asked for one. */
  asked: Topology | undefined
  /** What is being applied, or was last. */
  change: ChangeStatus | undefined
  /** Announces whoever is put where it was not. */
  readonly arrivals: Arrivals
  readonly #world: TopologyWorld
  #turns = 0

  constructor(world: TopologyWorld, asked: Topology | undefined, arrivals: Arrivals['noted']) {
    this.#world = world
    this.asked = asked
    this.arrivals = new Arrivals(world, arrivals)
  }

  /** @throws SwitchRefused, Conflict, StateError, and what `wanted` throws */
  apply(wanted: Asked, by: string): Promise<void> {
    const { writes, intent } = this.#world
    return writes.exclusively(async () => {
      writes.check()
      const number = ++this.#turns
      let prepared: Pick<ChangeStatus, 'plan' | 'connections'> = {}
      const prepare = async (topology: Topology, plan?: string) => {
        prepared = await this.#prepare(topology, plan)
      }
      const topology = typeof wanted === 'function' ? await wanted(intent().topology, { number, prepare }) : wanted
      await this.#noted({ number, ...prepared, name: topology.name }, () => this.#apply(topology, by))
    })
  }

  /**
   * One VM becomes what `read` makes of the topology that runs: undefined where it is to go. What it is beside the others has been
   * checked. Resolves as `apply` does, with `ChangeStatus.number`.
   * @throws SwitchRefused, Conflict, StateError, and what `read` throws
   */
  changeVm(name: string, read: ReadVm, by: string): Promise<number> {
    const { writes, intent } = this.#world
    return writes.exclusively(async () => {
      writes.check()
      const number = ++this.#turns
      const vm = read(intent().topology)
      await this.#noted({ number, name: intent().topology.name, vm: name }, () => this.#setVm(name, vm, by))
      return number
    })
  }

  async #noted(
    change: Pick<ChangeStatus, 'number' | 'name' | 'vm' | 'plan' | 'connections'>,
    work: () => Promise<void>,
  ): Promise<void> {
    this.change = { ...change, state: 'running', step: 1, steps: 1, ...NOBODY_TOLD }
    try {
      await work()
      this.#note({ state: 'done' })
    } catch (error) {
      this.#note({ state: 'failed', problem: textOf(error) })
      throw error
    }
  }

  async #setVm(name: string, vm: Vm | undefined, by: string): Promise<void> {
    const { writes, greeted, intent, checkStillPossible } = this.#world
    const before = vmNamed(this.asked?.vms ?? [], name)
    if (isDeepStrictEqual(vm, before)) return this.#catchUp()
    await writes.journalled(
      () => settingVm(by, name, vm),
      async () => {
        await greeted()
        const { topology } = intent()
        const current = vmNamed(topology.vms, name)
        const running = withVm(topology, current, vm && adoptVm(vm, before, current, topology))
        checkStillPossible(running)
        await this.#become(withVm(this.asked ?? NO_TOPOLOGY, before, vm), running)
      },
    )
  }

  async #apply(topology: Topology, by: string): Promise<void> {
    // What changes nothing is nothing to be remembered.
    if (isSameTopology(this.asked, topology)) return this.#catchUp()
    await this.#world.writes.journalled(
      () => applying(by, topology, this.asked),
      () => this.#change(topology),
    )
  }

  /** What `apply` would do now. Changes nothing. */
  async plan(topology: Topology): Promise<TaggedPlan> {
    const { fleet, view } = this.#world
    const isConnected = (name: string) => fleet.has(name) && fleet.reconciler(name).connected
    const [before, after] = [view(), this.#viewWith(topology)]
    const plan = { tag: planTag(this.#basis, topology), ...planOf(before, after, isConnected) }
    return { ...plan, connections: await connectionsCut(fleet, before, after) }
  }

  /** Nobody is asked for what is outdated already; addresses may be learned, and VMs arrive, while switches count. */
  async #prepare(topology: Topology, plan: string | undefined) {
    const { fleet, view } = this.#world
    const check = () => plan !== undefined && checkPlanTag(plan, this.#basis, topology)
    check()
    const connections = await connectionsCut(fleet, view(), this.#viewWith(topology))
    check()
    return { ...(plan !== undefined && { plan }), connections }
  }

  #viewWith(topology: Topology): View {
    const before = this.#world.view()
    return patchView(before, { ...before.intent, topology: this.#adopted(topology) })
  }

  get #basis(): PlanBasis {
    const { view, intent } = this.#world
    return { running: [view().topology, intent().topology], asked: this.asked }
  }

  #note(change: Partial<ChangeStatus>): void {
    if (this.change?.state === 'running') this.change = { ...this.change, ...change }
  }

  async #change(topology: Topology): Promise<void> {
    const { intent, greeted } = this.#world
    await greeted()
    this.check(topology)
    const steps = segmentSteps(intent().topology, topology)
    for (const [index, step] of steps.entries()) {
      this.#note({ step: index + 1, steps: steps.length, ...NOBODY_TOLD })
      if (index > 0) {
        await greeted()
        this.#checkReachable(intent().topology, topology)
      }
      const freesSegments = index < steps.length - 1
      await this.#become(sharing(this.asked, step), this.#adopted(step), freesSegments)
    }
  }

  /**
   * For whoever has something to change himself before switches are told, where all that was asked before is done.
   * @throws Conflict where `apply` would not begin
   */
  check(topology: Topology): void {
    const { checkStillPossible, intent } = this.#world
    if (isSameTopology(this.asked, topology)) return
    checkStillPossible(this.#adopted(topology))
    const running = intent().topology
    if (segmentSteps(running, topology).length > 1) this.#checkReachable(running, topology)
  }

  /** The same for one that is like the one that runs but for a policy. @throws Conflict */
  checkRunning(topology: Topology): void {
    this.#world.checkStillPossible(topology)
  }

  /**
   * The policy of one vNIC becomes what `read` makes of the topology that runs. No other object is looked at.
   * @throws InvalidField, SwitchRefused, Conflict, StateError, and what `read` throws
   */
  setPolicy(nic: string, read: (running: Topology) => PortPolicy, by: string): Promise<void> {
    const { writes, intent, greeted } = this.#world
    return writes.exclusively(async () => {
      writes.check()
      const found = findNic(intent().topology, nic)
      const policy = read(intent().topology)
      if (isDeepStrictEqual(policy, found.policy)) return this.#catchUp()
      await writes.journalled(
        () => settingPolicy(by, found.id, policy),
        async () => {
          await greeted()
          const running = withPolicy(intent().topology, found.id, policy)
          this.checkRunning(running)
          await this.#become(withPolicy(this.asked!, found.id, policy), running)
        },
      )
    })
  }

  #adopted(topology: Topology): Topology {
    return adopt(topology, this.asked ?? NO_TOPOLOGY, this.#world.intent().topology)
  }

  /** Durable, or all is as it was. No switch is told before all begin to take the steps together. */
  async #become(asked: Topology, running: Topology, freesSegments = false): Promise<void> {
    const { amend, intent, writes, takeBack, emit } = this.#world
    const before = { asked: this.asked, intent: intent() }
    amend({ topology: running })
    // Where work is shared, what is wanted now may be other objects that say the same.
    const taken = intent().topology
    this.asked = asked
    // Of the first topology nothing is known by anybody that would be wrong.
    const arrived =
      before.asked === undefined ? undefined : this.arrivals.note(before.intent, { ...before.intent, topology: taken })
    let rolled: Promise<void> | undefined
    await writes.save({
      kept: () => {
        rolled = this.#roll(freesSegments)
        // Whoever asked hears of it below.
        rolled.catch(() => {})
        emit({ type: 'topology', name: asked.name })
      },
      lost: () => {
        this.asked = before.asked
        if (arrived !== undefined) this.arrivals.takeBack(arrived)
        takeBack(withMovesSince(before.intent.topology, taken, intent().topology))
      },
    })
    await rolled!.finally(() => arrived !== undefined && this.arrivals.announce(arrived.notes))
  }

  async #catchUp(): Promise<void> {
    await this.#world.greeted()
    await this.#roll()
  }

  #roll(freesSegments = false): Promise<void> {
    const { fleet, clock, drain } = this.#world
    const onlooker: Onlooker = (stage, confirmed, switches) =>
      this.#note({ stage: CHANGE_STAGES[stage], confirmed, switches })
    return fleet.roll(clock, drain?.() ?? DRAIN, onlooker, freesSegments)
  }

  /** A switch that does not hear of it would go on sending to a segment that means another network by then. */
  #checkReachable(running: Topology, wanted: Topology): void {
    const { fleet, view } = this.#world
    for (const { name, type, segment } of handedOver(running, wanted))
      for (const host of view().networks.get(name)?.hosts ?? [])
        for (const bridge of host.bridges) {
          const { name: at, connected, confirmed } = fleet.reconciler(`${host.name}/${bridge.name}`)
          if (connected || confirmed.flows.size === 0) continue
          throw new Conflict(
            `${at} is not connected, and may still send frames of '${name}' to ${type} segment ${segment}, which is to be another network's`,
          )
        }
  }
}

/** The topology of before, with the VMs that have come to another place since it was amended to `unsaved`. */
function withMovesSince(before: Topology, unsaved: Topology, now: Topology): Topology {
  if (unsaved.vms === now.vms) return before
  const known = new Set(unsaved.vms)
  const moved = new Map(now.vms.filter((vm) => !known.has(vm)).map((vm) => [vm.name, vm.host]))
  const vms = before.vms.map((vm) => {
    const host = moved.get(vm.name)
    return host === undefined || host === vm.host ? vm : (relocated(vm, before, host) ?? vm)
  })
  return { ...before, vms }
}
