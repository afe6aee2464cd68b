// Where a frame enters that is to be followed.

import type { EmulatedNetwork } from '../../datapath/emulator/network.ts'
import type { Switch } from '../../datapath/switch.ts'
import { InvalidField } from '../../protocols/errors.ts'
import { findNic } from '../../topologies/lookup.ts'
import type { Nic, Topology } from '../../topologies/topology.ts'

export interface EntryPlace {
  device: Switch
  /** That of the vNIC; 0 where a switch was named. */
  port: number
  nic?: Nic
}

/**
 * The vNIC or switch of this name.
 * @throws InvalidField there is none
 */
export function entryAt(network: EmulatedNetwork, topology: Topology, name: string): EntryPlace {
  const device = network.switch(name)
  if (device !== undefined) return { device, port: 0 }
  if (name.includes('/') && !topology.vms.some(({ tenant }) => name.startsWith(`${tenant}/`)))
    throw new InvalidField('at', `no switch '${name}'`, [...network.switches().keys()].join(', '))
  const nic = findNic(topology, name)
  for (const { switch: at } of network.switches().values()) {
    const port = at.ports.byName(nic.id)
    if (port !== undefined) return { device: at, port: port.number, nic }
  }
  throw new InvalidField('at', `${nic.id} has no port now`, 'a vNIC of a VM that runs')
}
