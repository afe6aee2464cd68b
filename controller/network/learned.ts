// Addresses that the topology does not know and traffic has shown. Immutable: every change gives a new table, or the same
// where nothing changed.

import { PersistentMap } from '../persistent-map.ts'

/** Behind a vNIC, or outside: somewhere on the physical network, seen at the uplinks of `switches`. */
export type Location =
  | { readonly kind: 'vnic'; readonly nic: string; readonly attachment: number }
  | { readonly kind: 'outside'; readonly switches: readonly string[] }

export interface LearnedAddress {
  readonly network: string
  readonly mac: bigint
  readonly location: Location
}

/** By MAC address, as a number. */
export type LearnedInNetwork = PersistentMap<number, LearnedAddress>

/** Addresses of one network that are remembered at most; more are forwarded, and flooded, unlearned. */
const MOST = 4096

export class LearnedAddresses {
  readonly byNetwork: PersistentMap<string, LearnedInNetwork>

  constructor(byNetwork: PersistentMap<string, LearnedInNetwork> = PersistentMap.empty()) {
    this.byNetwork = byNetwork
  }

  of(network: string): LearnedInNetwork {
    return this.byNetwork.get(network) ?? PersistentMap.empty()
  }

  at(network: string, mac: bigint): Location | undefined {
    return this.of(network).get(Number(mac))?.location
  }

  /** A vNIC's frame counts for more than one from outside: the same frame is seen at the uplinks of all other hosts. */
  learn(network: string, mac: bigint, location: Location): LearnedAddresses {
    const before = this.at(network, mac)
    const merged = before === undefined ? location : mergeLocations(before, location)
    if (merged === before) return this
    if (before === undefined && this.of(network).size >= MOST) return this
    return this.#with(network, mac, { network, mac, location: merged })
  }

  /** The address is no longer used through `nic`, or no longer seen at the uplink of `switchName`. */
  forget(network: string, mac: bigint, seenAt: { nic: string } | { switch: string }): LearnedAddresses {
    const location = this.at(network, mac)
    if (location === undefined) return this
    if (location.kind === 'vnic')
      return 'nic' in seenAt && location.nic === seenAt.nic ? this.#with(network, mac, undefined) : this
    if (!('switch' in seenAt) || !location.switches.includes(seenAt.switch)) return this
    const switches = location.switches.filter((name) => name !== seenAt.switch)
    const left = switches.length === 0 ? undefined : { network, mac, location: { kind: 'outside' as const, switches } }
    return this.#with(network, mac, left)
  }

  #with(network: string, mac: bigint, address: LearnedAddress | undefined): LearnedAddresses {
    const before = this.of(network)
    const after = address === undefined ? before.delete(Number(mac)) : before.set(Number(mac), address)
    return new LearnedAddresses(this.byNetwork.set(network, after))
  }
}

function mergeLocations(before: Location, now: Location): Location {
  if (now.kind === 'vnic') {
    const same = before.kind === 'vnic' && before.nic === now.nic && before.attachment === now.attachment
    return same ? before : now
  }
  if (before.kind === 'vnic') return before
  const fresh = now.switches.filter((name) => !before.switches.includes(name))
  return fresh.length === 0 ? before : { kind: 'outside', switches: [...before.switches, ...fresh] }
}
