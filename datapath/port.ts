// One port of a switch. The table of them is in ports.ts.

import type { Nanoseconds } from '../runtime/clock.ts'
import type { PortConfig, PortFlags } from '../protocols/control/messages.ts'
import type { HoldQueue } from './hold-queue.ts'
import type { CarriedCounters, PortCounters } from './port-counters.ts'
import type { VlanPolicy } from './vlan-modes.ts'

/** A port as its switch has it. */
export interface Port {
  readonly number: number
  readonly name: string
  readonly config: PortConfig
  /** What NORMAL does with VLANs here; undefined for a vNIC that was not told, which carries nothing. */
  readonly vlan: VlanPolicy | undefined
  readonly linkUp: boolean
  /** What a controller has forbidden it. */
  readonly flags: PortFlags
  readonly counters: PortCounters
  /** What the vNIC's ports elsewhere have counted. */
  readonly carried: CarriedCounters
  readonly madeAt: Nanoseconds
  /** What it keeps in state `hold` or `keep`. */
  readonly held: HoldQueue
  /** Every Ethernet frame may come in. */
  readonly admitsAll: boolean
  /** Every frame leaves at once. */
  readonly passesAll: boolean
}

/** Whether frames can pass: what fast failover goes by. */
export const isLive = ({ linkUp, flags, config }: Port): boolean =>
  linkUp && flags.down !== true && config.state === 'open'
