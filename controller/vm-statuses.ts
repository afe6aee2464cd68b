// What is told of VMs: where they are now, and what their ports are confirmed to be.

import type { Hosts } from './hosts/hosts.ts'
import type { VmStatus } from './model.ts'
import { placeSeenFrom } from './network/bindings.ts'
import type { View } from './network/view.ts'
import type { Fleet } from './reconcile/fleet.ts'

export const vmStatuses = (
  { intent: { topology, moves, formerHosts }, bindings }: View,
  fleet: Fleet,
  hosts: Pick<Hosts, 'whyDown'>,
): VmStatus[] =>
  topology.vms.map((vm) => ({
    name: vm.name,
    host: vm.host,
    ...standing(moves.has(vm.name), formerHosts.get(vm.name)),
    nics: vm.nics.map(({ id, network, mac, addresses }) => {
      const place = placeSeenFrom(bindings.get(id)!, '')
      const port = fleet.reconciler(place.switch).confirmed.ports.get(id)
      const problem = hosts.whyDown(place.host, id)
      return {
        id,
        ...(network === undefined ? {} : { network }),
        mac,
        addresses,
        switch: place.switch,
        port: place.port,
        state: port?.state ?? 'closed',
        ...(problem !== undefined && { problem }),
      }
    }),
  }))

function standing(isMoving: boolean, formerHosts: readonly string[] | undefined): Pick<VmStatus, 'state' | 'waitsFor'> {
  if (isMoving) return { state: 'migrating' }
  return formerHosts === undefined ? { state: 'running' } : { state: 'waiting', waitsFor: formerHosts }
}
