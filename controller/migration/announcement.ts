// A RARP request in the VM's name, as hypervisors send after a move: the physical network learns where its address is now. It is said
// again a few times, since it may be lost, for as long as the VM is there.

import type { Action } from '../../protocols/control/messages.ts'
import { rarpFrame } from '../../protocols/packet/compose.ts'
import { MILLISECOND, type Nanoseconds, sleep } from '../../runtime/clock.ts'
import { switchName, type Vm } from '../../topologies/topology.ts'
import { output, pushTag } from '../apps/flow.ts'
import { uplinkPort } from '../apps/uplink.ts'
import type { World } from '../learner.ts'
import { attachmentsOf } from '../network/attachments.ts'
import { placeAnnounced } from '../network/bindings.ts'
import type { NetworkView } from '../network/view.ts'
import { UPLINK_PORT } from '../network/view.ts'
import type { TwoPlaces } from './two-places.ts'

/** What QEMU does where nobody says otherwise (`announce-rounds`, `announce-initial`, `announce-step`). */
const ROUNDS = 5
const INITIAL = 50 * MILLISECOND
const STEP = 100 * MILLISECOND

/** From one to the next. */
const SPANS: readonly Nanoseconds[] = Array.from({ length: ROUNDS - 1 }, (_, round) => INITIAL + round * STEP)

type AnnouncingWorld = Pick<World, 'fleet' | 'view' | 'clock' | 'writes'>

export class Announcement {
  /** The fabric may have been told to send to the destination, and not yet otherwise. */
  isMade = false
  readonly #world: World
  readonly #places: TwoPlaces

  constructor(world: World, places: TwoPlaces) {
    this.#world = world
    this.#places = places
  }

  /** Whether it may leave the host ahead of frames that wait in other queues of its uplink than it goes through, or of its link. */
  mayOvertake(name: string): boolean {
    const { topology, networks, switches } = this.#world.view()
    const host = topology.hosts.find((one) => one.name === name)
    const attachments = this.#places.vm.nics.flatMap(attachmentsOf)
    if (host === undefined || !attachments.some(({ network }) => networks.get(network)?.onUplink)) return false
    const at = switches.get(switchName(host, host.bridges[0]!))
    const hasClasses = at !== undefined && uplinkPort(at).some(({ queues = [] }) => queues.length > 0)
    const links = topology.fabric?.links.filter(({ endpoints }) => endpoints.includes(name)) ?? []
    return hasClasses || links.some(({ queues = [] }) => queues.length > 0)
  }

  async make(to: string): Promise<void> {
    this.isMade = true
    await announce(this.#world, this.#places.vm, to)
  }

  async takeBack(from: string): Promise<void> {
    if (!this.isMade) return
    await announce(this.#world, this.#places.vm, from)
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
    await this.takeBack(source)
  }
}

/**
 * Announces a VM out of the uplink of the host where it is, on each of its networks that leave hosts that way; now, and a few times more.
 * @throws SwitchAway
 */
export async function announce(world: AnnouncingWorld, vm: Vm, host: string): Promise<void> {
  if (await announceOnce(world, vm, host)) void announceAgain(world, vm, host)
}

/** The same; resolves when it has been said for the last time. @throws SwitchAway */
export async function announceToTheEnd(world: AnnouncingWorld, vm: Vm, host: string): Promise<void> {
  if (await announceOnce(world, vm, host)) await announceAgain(world, vm, host)
}

async function announceAgain(world: AnnouncingWorld, { name }: Vm, host: string): Promise<void> {
  for (const span of SPANS) {
    await sleep(world.clock, span)
    const vm = world.view().topology.vms.find((one) => one.name === name)
    if (world.writes.isClosed || vm === undefined || !isReachedAt(world, vm, host)) return
    // One that is not there has nothing to say.
    await announceOnce(world, vm, host).catch(() => {})
  }
}

/** Whether there was anything to say. */
async function announceOnce({ fleet, view }: AnnouncingWorld, vm: Vm, name: string): Promise<boolean> {
  const { topology, networks } = view()
  const host = topology.hosts.find((one) => one.name === name)
  let isSaid = false
  if (host === undefined) return isSaid
  for (const attachment of vm.nics.flatMap(attachmentsOf)) {
    const network = networks.get(attachment.network)
    if (network === undefined || !network.onUplink) continue
    const { remote } = fleet.reconciler(switchName(host, host.bridges[0]!))
    await remote.packetOut(rarpFrame({ ethSrc: attachment.mac, pad: true }), throughUplink(network))
    isSaid = true
  }
  return isSaid
}

/** Whether others are to send there what is for it. */
function isReachedAt({ view }: AnnouncingWorld, vm: Vm, host: string): boolean {
  const { bindings } = view()
  return vm.nics.every(({ id }) => {
    const binding = bindings.get(id)
    return binding !== undefined && placeAnnounced(binding).host === host
  })
}

const throughUplink = ({ network: { type, segment = 0 } }: NetworkView): Action[] =>
  type === 'vlan' ? [...pushTag(segment), output(UPLINK_PORT)] : [output(UPLINK_PORT)]
