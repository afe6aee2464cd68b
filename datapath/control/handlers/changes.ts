// flowMod, groupMod, meterMod, portMod, portFlagsMod and packetOut: what a bundle may hold, alone or together.

import type { Action, BundledMessage, GroupMod } from '../../../protocols/control/messages.ts'
import { ALL_TABLES } from '../../../protocols/control/messages.ts'
import type { Refused } from '../../../protocols/control/refused.ts'
import { asRefusal } from '../../../protocols/control/refused.ts'
import type { CheckContext } from '../../flow-check.ts'
import { checkActions, checkFlowMod } from '../../flow-check.ts'
import type { ChangedBy, PlannedFlowMod } from '../../flow-tables.ts'
import { FlowModRefused } from '../../flow-tables.ts'
import type { Switch } from '../../switch.ts'
import type { Dialect } from '../subscription.ts'
import { GroupPlan } from './group-plan.ts'
import { MeterPlan } from './meter-plan.ts'
import { checkPacketOut, packetOut } from './packet-out.ts'
import { checkPortFlags } from './port-flags.ts'
import { PortPlan } from './port-plan.ts'

/** One of several changes was refused, the one at `index`, and so none was made. */
export class ChangeRefused extends Error {
  readonly index: number
  readonly refusal: Refused

  constructor(index: number, refusal: Refused) {
    super(refusal.message)
    this.name = 'ChangeRefused'
    this.index = index
    this.refusal = refusal
  }
}

/**
 * Carries out all changes, each upon what those before it left, or none. No frame passes in between. Groups, meters and flows
 * are in place before the first port opens and the first packet leaves; flows go with the meter or group that they use.
 * @throws ChangeRefused
 */
export function applyChanges(device: Switch, changes: readonly BundledMessage[], by?: Changer): void {
  new Plan(device, changes, by?.dialect ?? 'control').carryOut(by)
}

/** Whose message it was. Open vSwitch asks more of the flows that come by OpenFlow than of others. */
export interface Changer extends ChangedBy {
  dialect: Dialect
}

class Plan {
  readonly #device: Switch
  readonly #groups: GroupPlan
  readonly #meters: MeterPlan
  readonly #ports: PortPlan
  /** What there will be once the changes so far are made. */
  readonly #known: CheckContext
  readonly #flows: PlannedFlowMod[] = []
  /** Of each flow mod: its place among the changes. */
  readonly #places: number[] = []
  /** What comes last, in order: it can not fail. */
  readonly #afterwards: ((by: ChangedBy | undefined) => void)[] = []

  constructor(device: Switch, changes: readonly BundledMessage[], dialect: Dialect) {
    this.#device = device
    this.#groups = new GroupPlan(device.groups, device.clock.now())
    this.#meters = new MeterPlan(device.meters)
    this.#ports = new PortPlan(device.ports)
    this.#known = {
      meterExists: (meter) => this.#meters.has(meter),
      groupExists: (group) => this.#groups.has(group),
    }
    if (dialect === 'openflow') this.#known.consistent = true
    changes.forEach((change, index) => this.#add(change, index))
  }

  carryOut(by: ChangedBy | undefined): void {
    const { tables, clock } = this.#device
    const unmakeMeters = this.#meters.make(clock.now())
    try {
      if (this.#flows.length > 0) tables.applyChecked(this.#flows, by)
    } catch (error) {
      unmakeMeters()
      this.#groups.undo()
      if (!(error instanceof FlowModRefused)) throw error
      throw new ChangeRefused(this.#places[error.index], error)
    }
    for (const meter of this.#meters.delete()) tables.deleteUsingMeter(meter)
    for (const group of this.#groups.delete()) tables.deleteUsingGroup(group)
    this.#ports.carryOut()
    for (const step of this.#afterwards) step(by)
  }

  #add(change: BundledMessage, index: number): void {
    try {
      this.#plan(change, index)
    } catch (error) {
      this.#groups.undo()
      throw new ChangeRefused(index, asRefusal(error))
    }
  }

  #plan(change: BundledMessage, index: number): void {
    const device = this.#device
    switch (change.type) {
      case 'flowMod':
        checkFlowMod(change, this.#known)
        return this.#addFlowMod(change, index)
      case 'groupMod':
        return this.#addGroupMod(change, index)
      case 'meterMod':
        return this.#meters.add(change)
      case 'portMod':
        return this.#ports.add(change)
      case 'portFlagsMod':
        checkPortFlags(device, change)
        this.#afterwards.push((by) => device.ports.setFlags(change.port, change.flags, by?.owner))
        return
      case 'packetOut':
        checkPacketOut(device, change, this.#known)
        this.#afterwards.push(() => packetOut(device, change))
    }
  }

  #addFlowMod(mod: PlannedFlowMod, index: number): void {
    this.#flows.push(mod)
    this.#places.push(index)
  }

  /** Flows go with a group that is deleted and made anew, unless it is our own wire, which gives a group new contents so. */
  #addGroupMod(mod: GroupMod, index: number): void {
    const { group } = mod
    const comesBack = this.#groups.isGone(group)
    this.#groups.add(mod, (actions, path) => this.#checkBucketActions(group, actions, path))
    if (comesBack && this.#known.consistent) this.#addFlowMod(deleteUsing(group), index)
  }

  /** A bucket that names its own group knows it: that is a loop then, not a mistaken number. */
  #checkBucketActions(own: number, actions: readonly Action[], path: string): void {
    const groupExists = (group: number) => group === own || this.#groups.has(group)
    checkActions(actions, [], { ...this.#known, groupExists, bucket: true }, path)
  }
}

const deleteUsing = (group: number): PlannedFlowMod => ({
  type: 'flowMod',
  command: 'delete',
  table: ALL_TABLES,
  priority: 0,
  match: [],
  cookie: 0n,
  cookieMask: 0n,
  idleTimeout: 0,
  hardTimeout: 0,
  flags: {},
  instructions: { apply: [], clear: false, write: [] },
  outGroup: group,
  removal: 'group_delete',
})
