// The policies of a switch's ports, worked out again only where something has changed that they are made of. What is found is what
// `policyAt` finds (measure.ts), which looks at all there is.

import { isPolicy, portNamed } from '../../controller/migration/policy.ts'
import { ingressMeter } from '../../controller/apps/qos.ts'
import { flowKey, limitText } from '../../controller/reconcile/switch-state.ts'
import { Register } from '../../controller/tables.ts'
import type { Flow } from '../../datapath/flow.ts'
import type { FlowChange } from '../../datapath/flow-tables.ts'
import type { Port } from '../../datapath/port.ts'
import type { Switch } from '../../datapath/switch.ts'
import type { FlowSpec, MeterSpec } from '../../protocols/control/messages.ts'
import type { Match } from '../../protocols/match.ts'
import { onceIfFrozen } from '../../runtime/once.ts'
import { policyAt } from './measure.ts'

interface Entry {
  readonly config: Port['config']
  readonly meter: MeterSpec | undefined
  readonly policy: string
}

/** Flows by `flowKey`: nobody is told where a modify puts one in the place of another that says the same. */
type Place = Map<string, Flow>

export class PolicyBook {
  readonly device: Switch
  /** By the number of the port. */
  readonly #entries = new Map<number, Entry>()
  /** Flows that policies are made of: those that speak of a port, by its number, and rules, which may be part of any port's policy. */
  readonly #byPort = new Map<number, Place>()
  readonly #rules: Place = new Map()

  constructor(device: Switch) {
    this.device = device
    for (const flow of device.tables) this.#placesOf(flow).forEach((place) => place.set(flowKey(flow.spec), flow))
    device.tables.listen((changes) => this.#note(changes))
  }

  /** The policy that the switch has for this port now. */
  of({ name, number, config }: Port): string {
    const meter = this.device.meters.get(ingressMeter(number))?.spec
    const known = this.#entries.get(number)
    if (known?.config === config && known.meter === meter) return known.policy
    const flows = [...(this.#byPort.get(number)?.values() ?? []), ...this.#rules.values()].map(({ spec }) => spec)
    const policy = remembered(madeOf(config, meter, flows), () => policyAt(this.device, name, number, flows))
    this.#entries.set(number, { config, meter, policy })
    return policy
  }

  #note(changes: readonly FlowChange[]): void {
    for (const change of changes) {
      const key = flowKey(change.flow.spec)
      const gone = change.event === 'deleted' ? change.flow : change.before
      if (gone !== undefined) this.#touch(gone).forEach((place) => place.delete(key))
      if (change.event !== 'deleted') this.#touch(change.flow).forEach((place) => place.set(key, change.flow))
    }
  }

  /** Policies that it is part of are not known any more. @returns where it stands */
  #touch(flow: Flow): Place[] {
    if (isRule(flow.spec)) this.#entries.clear()
    else for (const port of portsOf(flow.spec.match)) this.#entries.delete(port)
    return this.#placesOf(flow)
  }

  #placesOf({ spec }: Flow): Place[] {
    if (!isPolicy(spec)) return []
    if (isRule(spec)) return [this.#rules]
    return portsOf(spec.match).map((port) => {
      const place = this.#byPort.get(port) ?? new Map<string, Flow>()
      this.#byPort.set(port, place)
      return place
    })
  }
}

/** Numbers of the ports that flows of this match speak of. */
const portsOf = onceIfFrozen((match: Match) => [...new Set(match.flatMap((part) => portNamed(part) ?? []))])

const isRule = ({ match }: FlowSpec): boolean => match.some(({ field }) => field === Register.Combination)

/** Policies of all runs. */
const textsByParts = new Map<string, string>()
const POLICIES = 20_000

let flowsNumbered = 0
/** Undefined where the flow may change. */
const numberOf = onceIfFrozen((flow: FlowSpec) => (Object.isFrozen(flow) ? ++flowsNumbered : undefined))

/**
 * Says what a port's policy is made of; undefined where that may change, and so does not come again. It must hold all that `policyOf` reads
 * of a port and its meter: number, VLAN mode, limits, bands; flows, which are frozen, count by identity. The port's name is left out, as
 * `policyOf` writes none.
 */
function madeOf(config: Port['config'], meter: MeterSpec | undefined, flows: readonly FlowSpec[]): string | undefined {
  const numbers = flows.map(numberOf)
  if (numbers.includes(undefined)) return undefined
  const beside = JSON.stringify([config.number, config.vlanMode, limitText(config), meter?.bands], asNumber)
  return `${beside} ${numbers.join()}`
}

const asNumber = (_key: string, part: unknown) => (typeof part === 'bigint' ? `${part}` : part)

function remembered(key: string | undefined, make: () => string): string {
  const known = key === undefined ? undefined : textsByParts.get(key)
  if (known !== undefined) return known
  const policy = make()
  if (key === undefined) return policy
  if (textsByParts.size >= POLICIES) textsByParts.clear()
  textsByParts.set(key, policy)
  return policy
}
