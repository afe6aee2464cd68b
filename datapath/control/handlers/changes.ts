// flowMod, meterMod and portMod: what a bundle may hold, alone or together.

import type { BundledMessage, FlowMod } from '../../../protocols/control/messages.ts'
import { checkFlowMod } from '../../flow-check.ts'
import type { Switch } from '../../switch.ts'
import type { Refused } from '../../../protocols/control/refused.ts'
import { asRefusal } from '../../../protocols/control/refused.ts'
import { MeterPlan } from './meter-plan.ts'
import { PortPlan } from './port-plan.ts'

/** One of several changes was refused, and so none was made. `index` is -1 where no single one is to blame. */
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
 * Carries out all changes, each upon what those before it left, or none. No frame passes in between. Meters and flows are in
 * place before the first port opens; flows go with the meter that they use.
 * @throws ChangeRefused
 */
export function applyChanges(device: Switch, changes: readonly BundledMessage[]): void {
  const meters = new MeterPlan(device.meters)
  const ports = new PortPlan(device.ports)
  const flows: FlowMod[] = []
  changes.forEach((change, index) => {
    try {
      if (change.type === 'meterMod') meters.add(change)
      else if (change.type === 'portMod') ports.add(change)
      else flows.push(checked(change, meters))
    } catch (error) {
      throw new ChangeRefused(index, asRefusal(error))
    }
  })
  applyFlows(device, flows, meters, changes)
  for (const meter of meters.delete()) device.tables.deleteUsingMeter(meter)
  ports.carryOut()
}

function checked(mod: FlowMod, meters: MeterPlan): FlowMod {
  checkFlowMod(mod, (meter) => meters.has(meter))
  return mod
}

/** Flows may still be refused for what is in the tables; the meters made for them are unmade then. */
function applyFlows(device: Switch, flows: FlowMod[], meters: MeterPlan, changes: readonly BundledMessage[]): void {
  const unmake = meters.make(device.clock.now())
  if (flows.length === 0) return
  try {
    device.tables.applyChecked(flows)
  } catch (error) {
    unmake()
    throw new ChangeRefused(changes.length === 1 ? 0 : -1, asRefusal(error))
  }
}
