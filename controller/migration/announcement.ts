// A RARP request in the VM's name, as hypervisors send after a move: the physical network learns where its address is now.

import type { Action } from '../../protocols/control/messages.ts'
import { rarpFrame } from '../../protocols/packet/compose.ts'
import { switchName, type Vm } from '../../topologies/topology.ts'
import { output, pushTag } from '../apps/flow.ts'
import type { World } from '../learner.ts'
import { attachmentsOf } from '../network/attachments.ts'
import type { NetworkView } from '../network/view.ts'
import { UPLINK_PORT } from '../network/view.ts'
import type { TwoPlaces } from './two-places.ts'

export class Announcement {
  /** The fabric may have been told to send to the destination, and not yet otherwise. */
  isMade = false
  readonly #world: World
  readonly #places: TwoPlaces

  constructor(world: World, places: TwoPlaces) {
    this.#world = world
    this.#places = places
  }

  async make(): Promise<void> {
    this.isMade = true
    await this.#announce('target')
  }

  async takeBack(): Promise<void> {
    if (!this.isMade) return
    await this.#announce('home')
    this.isMade = false
  }

  /** The source was not there to be announced from: it is as soon as it has returned, if the VM is still there. */
  async takeBackOnReturn(source: string): Promise<void> {
    const { fleet } = this.#world
    const { name } = this.#places.vm
    await fleet.whenConnected(this.#places.switchesAt(source))
    const { topology, moves } = this.#world.intent()
    if (moves.has(name) || topology.vms.find((vm) => vm.name === name)?.host !== source) return
    await fleet.push(this.#places.switchesAt(source))
    await this.takeBack()
  }

  #announce(at: 'home' | 'target'): Promise<void> {
    return announce(this.#world, this.#places.vm, at)
  }
}

/** Announces a VM out of the uplink of one of its places, on each of its networks that leave hosts that way. */
export async function announce(
  { fleet, view }: Pick<World, 'fleet' | 'view'>,
  vm: Vm,
  at: 'home' | 'target',
): Promise<void> {
  const { topology, bindings, networks } = view()
  for (const attachment of vm.nics.flatMap(attachmentsOf)) {
    const place = bindings.get(attachment.nic.id)?.[at]
    const network = networks.get(attachment.network)
    const host = topology.hosts.find(({ name }) => name === place?.host)
    if (host === undefined || network === undefined || !network.onUplink) continue
    const { remote } = fleet.reconciler(switchName(host, host.bridges[0]!))
    await remote.packetOut(rarpFrame({ ethSrc: attachment.mac, pad: true }), throughUplink(network))
  }
}

const throughUplink = ({ network: { type, segment = 0 } }: NetworkView): Action[] =>
  type === 'vlan' ? [...pushTag(segment), output(UPLINK_PORT)] : [output(UPLINK_PORT)]
