// A RARP request in the VM's name, as hypervisors send after a move: the physical network learns where its address is now.

import type { Action } from '../../protocols/control/messages.ts'
import { rarpFrame } from '../../protocols/packet/compose.ts'
import { switchName, type Vm } from '../../topologies/topology.ts'
import { output, pushTag } from '../apps/flow.ts'
import { attachmentsOf } from '../network/attachments.ts'
import type { NetworkView, View } from '../network/view.ts'
import { UPLINK_PORT } from '../network/view.ts'
import type { Fleet } from '../reconcile/fleet.ts'

/** Announces a VM out of the uplink of one of its places, on each of its networks that leave hosts that way. */
export async function announce(fleet: Fleet, view: View, vm: Vm, at: 'home' | 'target'): Promise<void> {
  for (const attachment of vm.nics.flatMap(attachmentsOf)) {
    const place = view.bindings.get(attachment.nic.id)?.[at]
    const network = view.networks.get(attachment.network)
    const host = view.topology.hosts.find(({ name }) => name === place?.host)
    if (host === undefined || network === undefined || !network.onUplink) continue
    const { remote } = fleet.reconciler(switchName(host, host.bridges[0]!))
    await remote.packetOut(rarpFrame({ ethSrc: attachment.mac, pad: true }), throughUplink(network))
  }
}

const throughUplink = ({ network: { type, segment = 0 } }: NetworkView): Action[] =>
  type === 'vlan' ? [...pushTag(segment), output(UPLINK_PORT)] : [output(UPLINK_PORT)]
