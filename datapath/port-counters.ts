// What has passed a port. Its vNIC may have had ports elsewhere before: for whoever asks, counting goes on from there.

import type { PortCounters as WideCounters } from '../protocols/control/messages.ts'
import { PORT_COUNTERS } from '../protocols/control/vnic-state.ts'

export type PortCounters = Record<(typeof PORT_COUNTERS)[number], number>

export const noCounters = (): PortCounters => ({
  receivedPackets: 0,
  receivedBytes: 0,
  receivedDropped: 0,
  sentPackets: 0,
  sentBytes: 0,
  sentDropped: 0,
})

const wide = (make: (name: keyof PortCounters) => bigint): WideCounters =>
  Object.fromEntries(PORT_COUNTERS.map((name) => [name, make(name)])) as Record<keyof PortCounters, bigint>

const NOTHING = wide(() => 0n)

/** What the ports of one vNIC have counted elsewhere. */
export class CarriedCounters {
  #elsewhere = NOTHING
  #told = NOTHING

  /** Together with what was counted `here`. */
  total(here: PortCounters): WideCounters {
    return wide((name) => BigInt(here[name]) + this.#elsewhere[name])
  }

  /** The same, for somebody who counts on from there. */
  export(here: PortCounters): WideCounters {
    this.#told = wide((name) => BigInt(here[name]))
    return this.total(here)
  }

  /** Counts on from what was counted elsewhere, which has in it what was told from here. The same again changes nothing. */
  import(counters: WideCounters): void {
    this.#elsewhere = wide((name) => counters[name] - this.#told[name])
  }
}
