// Addresses that the topology does not know and traffic has shown. Immutable: every change gives a new table, or the same
// where nothing changed.

/** Behind a vNIC, or outside: somewhere on the physical network, seen at the uplinks of `switches`. */
export type Location =
  | { readonly kind: 'vnic'; readonly nic: string; readonly attachment: number }
  | { readonly kind: 'outside'; readonly switches: readonly string[] }

export interface LearnedAddress {
  readonly network: string
  readonly mac: bigint
  readonly location: Location
}

/** Addresses of one network that are remembered at most; more are forwarded, and flooded, unlearned. */
const MOST = 4096

export class LearnedAddresses {
  readonly #byNetwork: ReadonlyMap<string, ReadonlyMap<bigint, LearnedAddress>>

  constructor(byNetwork: ReadonlyMap<string, ReadonlyMap<bigint, LearnedAddress>> = new Map()) {
    this.#byNetwork = byNetwork
  }

  of(network: string): LearnedAddress[] {
    return [...(this.#byNetwork.get(network)?.values() ?? [])]
  }

  at(network: string, mac: bigint): Location | undefined {
    return this.#byNetwork.get(network)?.get(mac)?.location
  }

  /** Of all networks. */
  all(): LearnedAddress[] {
    return [...this.#byNetwork.values()].flatMap((addresses) => [...addresses.values()])
  }

  /** A vNIC's frame counts for more than one from outside: the same frame is seen at the uplinks of all other hosts. */
  learn(network: string, mac: bigint, location: Location): LearnedAddresses {
    const before = this.#byNetwork.get(network)?.get(mac)?.location
    const merged = before === undefined ? location : mergeLocations(before, location)
    if (merged === before) return this
    if (before === undefined && (this.#byNetwork.get(network)?.size ?? 0) >= MOST) return this
    return this.#with(network, mac, { network, mac, location: merged })
  }

  /** The address is no longer used through `nic`, or no longer seen at the uplink of `switchName`. */
  forget(network: string, mac: bigint, seenAt: { nic: string } | { switch: string }): LearnedAddresses {
    const before = this.#byNetwork.get(network)?.get(mac)
    if (before === undefined) return this
    const { location } = before
    if (location.kind === 'vnic')
      return 'nic' in seenAt && location.nic === seenAt.nic ? this.#with(network, mac, undefined) : this
    if (!('switch' in seenAt) || !location.switches.includes(seenAt.switch)) return this
    const switches = location.switches.filter((name) => name !== seenAt.switch)
    const left = switches.length === 0 ? undefined : { network, mac, location: { kind: 'outside' as const, switches } }
    return this.#with(network, mac, left)
  }

  #with(network: string, mac: bigint, address: LearnedAddress | undefined): LearnedAddresses {
    const addresses = new Map(this.#byNetwork.get(network))
    if (address === undefined) addresses.delete(mac)
    else addresses.set(mac, address)
    return new LearnedAddresses(new Map(this.#byNetwork).set(network, addresses))
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
