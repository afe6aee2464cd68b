// The policies of a switch's ports, worked out again only where something has changed that they are made of. What is found is what
// `policyAt` finds (measure.ts), which looks at all there is.

import { isPolicy, portsNamed, speaksOf } from '../../controller/migration/policy.ts'
import { Register } from '../../controller/tables.ts'
import type { FlowChange } from '../../datapath/flow-tables.ts'
import type { Port } from '../../datapath/ports.ts'
import type { Switch } from '../../datapath/switch.ts'
import type { FlowSpec } from '../../protocols/control/messages.ts'
import { policyAt } from './measure.ts'

interface Entry {
  readonly port: Port
  readonly config: Port['config']
  /** Of all meters. */
  readonly bands: string
  readonly policy: string
}

export class PolicyBook {
  readonly device: Switch
  readonly #entries = new Map<string, Entry>()
  /** Flows that policies are made of: by port, and rules; undefined where some have changed since they were looked for. */
  #flows: { readonly byPort: ReadonlyMap<number, readonly FlowSpec[]>; readonly rules: readonly FlowSpec[] } | undefined

  constructor(device: Switch) {
    this.device = device
    device.tables.listen((changes) => this.#note(changes))
  }

  /** The policy that the switch has for this port now. */
  of(port: Port): string {
    const bands = JSON.stringify(this.device.meters.specs(), (_key, part: unknown) =>
      typeof part === 'bigint' ? `${part}` : part,
    )
    const known = this.#entries.get(port.name)
    if (known?.port === port && known.config === port.config && known.bands === bands) return known.policy
    this.#flows ??= this.#sorted()
    const { byPort, rules } = this.#flows
    const policy = policyAt(this.device, port.name, port.number, [...(byPort.get(port.number) ?? []), ...rules])
    this.#entries.set(port.name, { port, config: port.config, bands, policy })
    return policy
  }

  #sorted() {
    const byPort = new Map<number, FlowSpec[]>()
    const rules: FlowSpec[] = []
    for (const { spec } of this.device.tables) {
      if (!isPolicy(spec)) continue
      if (isRule(spec)) rules.push(spec)
      else
        for (const port of portsNamed(spec.match)) {
          const known = byPort.get(port)
          if (known === undefined) byPort.set(port, [spec])
          else known.push(spec)
        }
    }
    return { byPort, rules }
  }

  #note(changes: readonly FlowChange[]): void {
    this.#flows = undefined
    for (const change of changes) {
      this.#forget(change.flow.spec)
      if (change.event !== 'deleted' && change.before !== undefined) this.#forget(change.before.spec)
    }
  }

  #forget(flow: FlowSpec): void {
    if (isRule(flow)) return this.#entries.clear()
    for (const [name, { port }] of this.#entries) if (speaksOf(flow, port.number)) this.#entries.delete(name)
  }
}

/** A rule of security groups may be part of any port's policy. */
const isRule = ({ match }: FlowSpec): boolean => match.some(({ field }) => field === Register.Combination)
