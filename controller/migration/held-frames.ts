// Frames for a moving VM, taken from the port that kept them and not yet delivered.

import { getMac, viewOf } from '../../protocols/bytes.ts'
import type { HeldFrame } from '../../protocols/control/messages.ts'
import type { Nic, Vm } from '../../topologies/topology.ts'
import { attachmentsOf } from '../network/attachments.ts'
import type { Fleet } from '../reconcile/fleet.ts'
import type { RemoteSwitch } from '../southbound/remote-switch.ts'

const SOURCE = 6

export class HeldFrames {
  /** Frames taken in all. */
  count = 0
  readonly #fleet: Fleet
  readonly #vm: Vm
  readonly #switchOf: (nic: Nic, host: string) => string
  /** By vNIC, in the order in which they are to be delivered. */
  readonly #frames = new Map<string, HeldFrame[]>()
  /** By vNIC: frames taken so far, to know the second copy of a flood that reached both places. */
  readonly #seen = new Map<string, Set<string>>()
  /** By vNIC: frames handed to a port, which may have to be taken back from there. */
  readonly #handed = new Map<string, Set<string>>()

  /** `switchOf` says on which switch of a host a vNIC has its port. */
  constructor(fleet: Fleet, vm: Vm, switchOf: (nic: Nic, host: string) => string) {
    this.#fleet = fleet
    this.#vm = vm
    this.#switchOf = switchOf
  }

  /** Takes what the VM's ports at `host` keep, to be delivered after what was taken before, in so far as copies do not tell otherwise. */
  async takeFrom(host: string): Promise<void> {
    for (const nic of this.#vm.nics) {
      const taken = await this.#remoteAt(host, nic).takeHeldFrames(nic.id)
      this.#keep(nic, taken)
    }
  }

  /** Hands all that was taken to the VM's ports at `host`, ahead of what these keep themselves. */
  async deliverTo(host: string): Promise<void> {
    for (const nic of this.#vm.nics) {
      const frames = this.#frames.get(nic.id) ?? []
      await this.#remoteAt(host, nic).deliverFrames(nic.id, frames)
      this.#handed.set(nic.id, new Set(frames.map(identityOf)))
      this.#frames.delete(nic.id)
    }
  }

  #remoteAt(host: string, nic: Nic): RemoteSwitch {
    return this.#fleet.reconciler(this.#switchOf(nic, host)).remote
  }

  #keep(nic: Nic, taken: readonly HeldFrame[]): void {
    const seen = this.#seen.get(nic.id) ?? new Set<string>()
    const own = new Set(attachmentsOf(nic).map(({ mac }) => mac))
    const handed = this.#handed.get(nic.id) ?? new Set<string>()
    const back = taken.filter((frame) => handed.delete(identityOf(frame)))
    const fresh = taken.filter((frame) => !seen.has(identityOf(frame)) && !own.has(sourceOf(frame)))
    this.#frames.set(nic.id, [...back, ...merged(this.#frames.get(nic.id) ?? [], taken, new Set(fresh))])
    this.count += fresh.length
    for (const frame of taken) seen.add(identityOf(frame))
    this.#seen.set(nic.id, seen)
  }
}

/** `fresh` of `taken` go ahead of the next frame that was kept at both places, or behind all. */
function merged(before: HeldFrame[], taken: readonly HeldFrame[], fresh: ReadonlySet<HeldFrame>): HeldFrame[] {
  const places = new Map(before.map((frame, index) => [identityOf(frame), index]))
  const ahead = before.map((): HeldFrame[] => [])
  let waiting: HeldFrame[] = []
  for (const frame of taken) {
    const place = places.get(identityOf(frame))
    if (fresh.has(frame)) waiting.push(frame)
    else if (place !== undefined) {
      ahead[place]!.push(...waiting)
      waiting = []
    }
  }
  return [...before.flatMap((frame, index) => [...ahead[index]!, frame]), ...waiting]
}

/** A trunk's guest may be sent one frame under several tags: they are not copies of each other. */
const identityOf = ({ id, bytes }: HeldFrame): string => `${id} ${Buffer.from(bytes).toString('base64')}`

const sourceOf = ({ bytes }: HeldFrame): bigint => getMac(viewOf(bytes), SOURCE)
