// What one host's process is to run: what concerns that host, and nothing else.

import { createHash } from 'node:crypto'
import { parseIpv4 } from '../../protocols/address.ts'
import type { HostConfig } from '../../protocols/control/messages.ts'
import { switchName } from '../../topologies/topology.ts'
import { hostsByName } from '../network/places.ts'
import type { View } from '../network/view.ts'
import type { Wires } from './wires.ts'
import { wireAt } from './wires.ts'

export function hostConfigOf(view: View, name: string, wires: Wires, generationId: bigint): HostConfig {
  const host = hostsByName(view.topology).get(name)
  const here = view.hosted.get(name) ?? []
  const own = here.map(({ nic }) => wireAt(wires, nic.id, name)).filter((wire) => wire !== undefined)
  return {
    type: 'hostConfig',
    generationId,
    bridges: (host?.bridges ?? []).map((bridge) => ({
      name: bridge.name,
      datapathId: datapathIdOf(switchName(host!, bridge)),
    })),
    ...(host?.vtep !== undefined && { vtep: parseIpv4(host.vtep) }),
    wires: own.map(({ nic, wire }) => ({ vnic: nic, wire })),
  }
}

/** The same for the same switch whoever asks and whenever: 48 bits of its name's hash, where Open vSwitch has a MAC address. */
const datapathIdOf = (name: string): bigint =>
  BigInt(`0x${createHash('sha256').update(name).digest('hex').slice(0, 12)}`)
