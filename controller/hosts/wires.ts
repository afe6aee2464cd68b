// What vNICs are joined to where real frames come in and go out: for each place a wire, as runtime/wires writes it.

/** By vNIC and host: a VM that moves has another wire at its destination. Never altered. */
export type Wires = ReadonlyMap<string, Wire>

export interface Wire {
  readonly nic: string
  readonly host: string
  /** `tap:web1` */
  readonly wire: string
}

const key = (nic: string, host: string): string => `${nic}@${host}`

export const wireAt = (wires: Wires, nic: string, host: string): Wire | undefined => wires.get(key(nic, host))

export const withWire = (wires: Wires, wire: Wire): Wires => new Map(wires).set(key(wire.nic, wire.host), wire)

export function withoutWire(wires: Wires, nic: string, host: string): Wires {
  const rest = new Map(wires)
  rest.delete(key(nic, host))
  return rest
}
