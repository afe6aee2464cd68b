// The policies of a switch's ports, worked out again only where something has changed that they are made of. What is found is what
// `policyAt` finds (measure.ts), which looks at all there is.

import { isPolicy, speaksOf } from '../../controller/migration/policy.ts'
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
  /** All flows that policies are made of; undefined where some have changed since they were looked for. */
  #flows: readonly FlowSpec[] | undefined

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
    this.#flows ??= [...this.device.tables].map(({ spec }) => spec).filter(isPolicy)
    const among = this.#flows.filter((flow) => speaksOf(flow, port.number) || isRule(flow))
    const policy = policyAt(this.device, port.name, port.number, among)
    this.#entries.set(port.name, { port, config: port.config, bands, policy })
    return policy
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
