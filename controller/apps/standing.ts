// How a switch stands to a network, as far as that decides which of its flows it shares with others: switches that stand alike share all.

import type { Binding } from '../network/bindings.ts'
import { networksOf } from '../network/places.ts'
import type { SwitchView } from '../network/view.ts'
import { once } from '../../runtime/once.ts'

export interface Standing {
  readonly integration: boolean
  /** It has the end of the tunnels. */
  readonly tunnels: boolean
  /** There is a port through which the network could hear of addresses. */
  readonly opens: boolean
}

/** The same object for all that stand alike. */
export function standingOf(at: SwitchView, network: string): Standing {
  const tunnels = at.integration && at.host.vtep !== undefined
  const opens = openNetworks(at.bindings).has(network)
  return STANDINGS[(at.integration ? 1 : 0) + (tunnels ? 2 : 0) + (opens ? 4 : 0)]!
}

const STANDINGS = Array.from({ length: 8 }, (_, bits): Standing => ({
  integration: (bits & 1) !== 0,
  tunnels: (bits & 2) !== 0,
  opens: (bits & 4) !== 0,
}))

const openNetworks = once((bindings: SwitchView['bindings']) => networksOf(bindings.filter(speaksUnknown)))

/** It may wear MAC addresses that the topology does not know whose they are. */
export const speaksUnknown = ({ nic: { policy } }: Binding): boolean =>
  !policy.portSecurity || (policy.allowedAddressPairs ?? []).some(({ mac }) => mac !== undefined)
