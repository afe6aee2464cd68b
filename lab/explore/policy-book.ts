// The policies of a switch's ports, worked out again only where something has changed that they are made of. What is found is what
// `policyAt` finds (measure.ts), which looks at all there is.

import { isPolicy, portNamed, speaksOf } from '../../controller/migration/policy.ts'
import { flowKey } from '../../controller/reconcile/switch-state.ts'
import { Register } from '../../controller/tables.ts'
import type { Flow } from '../../datapath/flow.ts'
import type { FlowChange } from '../../datapath/flow-tables.ts'
import type { Port } from '../../datapath/ports.ts'
import type { Switch } from '../../datapath/switch.ts'
import type { FlowSpec } from '../../protocols/control/messages.ts'
import type { Match } from '../../protocols/match.ts'
import { onceIfFrozen } from '../../runtime/frozen.ts'
import { policyAt } from './measure.ts'

interface Entry {
  readonly port: Port
  readonly config: Port['config']
  /** Of all meters. */
  readonly bands: string
  readonly policy: string
}

/** Flows by `flowKey`: nobody is told where a modify puts one in the place of another that says the same. */
type Place = Map<string, Flow>

export class PolicyBook {
  readonly device: Switch
  readonly #entries = new Map<string, Entry>()
  /** Flows that policies are made of: those that speak of a port, by its number, and rules, which may be part of any port's policy. */
  readonly #byPort = new Map<number, Place>()
  readonly #rules: Place = new Map()

  constructor(device: Switch) {
    this.device = device
    for (const flow of device.tables) this.#placesOf(flow).forEach((place) => place.set(flowKey(flow.spec), flow))
    device.tables.listen((changes) => this.#note(changes))
  }

  /** The policy that the switch has for this port now. */
  of(port: Port): string {
    const bands = JSON.stringify(this.device.meters.specs(), (_key, part: unknown) =>
      typeof part === 'bigint' ? `${part}` : part,
    )
    const known = this.#entries.get(port.name)
    if (known?.port === port && known.config === port.config && known.bands === bands) return known.policy
    const flows = [...(this.#byPort.get(port.number)?.values() ?? []), ...this.#rules.values()].map(({ spec }) => spec)
    const policy = policyAt(this.device, port.name, port.number, flows)
    this.#entries.set(port.name, { port, config: port.config, bands, policy })
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
    else for (const [name, { port }] of this.#entries) if (speaksOf(flow.spec, port.number)) this.#entries.delete(name)
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
