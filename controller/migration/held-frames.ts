// Frames for a moving VM, kept by the ports at both its places, brought into one order and handed to one of them.
//
// They are read and not taken: whoever keeps them goes on to, until they are somewhere else for good. So they may be read again
// after a restart, or handed back, and a port that is handed a frame twice knows it.

import { getMac, viewOf } from '../../protocols/bytes.ts'
import type { HeldFrame } from '../../protocols/control/messages.ts'
import type { Nic } from '../../topologies/topology.ts'
import { attachmentsOf } from '../network/attachments.ts'
import type { RemoteSwitch } from '../southbound/remote-switch.ts'
import type { Mark } from './mark.ts'
import { isSaidAgain } from './said-again.ts'
import type { TwoPlaces } from './two-places.ts'

const SOURCE = 6

/** Of one vNIC. */
class Collected {
  /** In the order in which they are to be delivered. */
  frames: HeldFrame[] = []
  /** Of each switch: the last that it kept of its own. */
  readonly last = new Map<string, number>()
  /** Of each switch: the last of `frames` that it kept, itself or as a copy. What it keeps later goes behind. */
  readonly #tails = new Map<string, HeldFrame>()
  readonly #known = new Set<string>()
  /** By what a frame is: those of which no second copy has come yet, as a flood that reached both places brings. */
  readonly #single = new Map<string, HeldFrame[]>()
  readonly #own: ReadonlySet<bigint>
  /** The physical network does not know where the vNIC is: what is for it alone has come to both places. */
  #isFlooded = false

  constructor(nic: Nic) {
    this.#own = new Set(attachmentsOf(nic).map(({ mac }) => mac))
  }

  /** Takes in what the switch keeps; gives how many of them are news. */
  add(at: string, kept: readonly HeldFrame[]): number {
    const anchors = new Map<HeldFrame, HeldFrame>()
    const fresh: HeldFrame[] = []
    for (const frame of kept) {
      if (frame.origin === at) this.last.set(at, Math.max(this.last.get(at) ?? 0, frame.sequence))
      if (this.#isKnown(frame) || this.#own.has(sourceOf(frame))) continue
      const copy = this.#copyOf(frame)
      if (copy === undefined) fresh.push(frame)
      // Nothing has to stand before or behind what may be another of the same words.
      else if (frame.id !== 0n || !isSaidAgain(frame.bytes)) anchors.set(frame, copy)
      if (copy !== undefined && this.#own.has(destinationOf(frame))) this.#isFlooded = true
    }
    const { frames, tail } = merged(this.frames, kept, new Set(fresh), anchors, this.#tails.get(at))
    this.frames = frames
    if (tail !== undefined) this.#tails.set(at, tail)
    for (const frame of fresh) this.#note(frame)
    return fresh.length
  }

  /** As `add`, where the other place keeps nothing any more: of what comes to both it has had its copy. */
  addLate(at: string, kept: readonly HeldFrame[]): number {
    if (!this.#isFlooded) return this.add(at, kept)
    for (const { origin, sequence } of kept)
      if (origin === at) this.last.set(at, Math.max(this.last.get(at) ?? 0, sequence))
    return 0
  }

  /** The same frame of the same switch. */
  #isKnown(frame: HeldFrame): boolean {
    const key = keyOf(frame)
    if (this.#known.has(key)) return true
    this.#known.add(key)
    return false
  }

  /** A frame kept at the other place that is this very one: of two that look alike there, the first. */
  #copyOf(frame: HeldFrame): HeldFrame | undefined {
    const alike = this.#single.get(contentOf(frame)) ?? []
    const place = alike.findIndex(({ origin }) => origin !== frame.origin)
    return place < 0 ? undefined : alike.splice(place, 1)[0]
  }

  #note(frame: HeldFrame): void {
    const content = contentOf(frame)
    const alike = this.#single.get(content)
    if (alike === undefined) this.#single.set(content, [frame])
    else alike.push(frame)
  }
}

type Places = Pick<TwoPlaces, 'vm' | 'remoteAt' | 'switchNameAt'>

export class HeldFrames {
  /** Frames that were kept, copies left out. */
  count = 0
  /** By switch and vNIC: frames that its port had no room for. */
  readonly #overflowed = new Map<string, number>()
  readonly #places: Places
  readonly #collected: Map<string, Collected>
  /** By switch and vNIC: the frames that it has been handed. Later ones may have their places among them. */
  readonly #handed = new Map<string, Set<HeldFrame>>()

  constructor(places: Places) {
    this.#places = places
    this.#collected = new Map(places.vm.nics.map((nic) => [nic.id, new Collected(nic)]))
  }

  /**
   * Reads what the VM's ports at `host` keep, to be delivered after what was read before, in so far as copies do not tell
   * otherwise. With a mark, only what stood there before it.
   */
  async takeFrom(host: string, before?: Mark): Promise<void> {
    for (const nic of this.#places.vm.nics) {
      const remote = this.#places.remoteAt(host, nic)
      const collected = this.#collected.get(nic.id)!
      const kept = await this.#read(remote, nic, collected)
      this.count += collected.add(
        remote.name,
        before === undefined ? kept : upTo(kept, remote.name, before[nic.id] ?? 0),
      )
    }
  }

  /** Reads what came to the ports at `host` after the VM had gone on elsewhere. */
  async takeLate(host: string): Promise<void> {
    for (const nic of this.#places.vm.nics) {
      const remote = this.#places.remoteAt(host, nic)
      const collected = this.#collected.get(nic.id)!
      const kept = await this.#read(remote, nic, collected)
      this.count += collected.addLate(remote.name, kept)
    }
  }

  /** Frames that the ports dropped, as far as they were asked. */
  get overflowed(): number {
    return [...this.#overflowed.values()].reduce((sum, count) => sum + count, 0)
  }

  /** Asks the ports at `host` for that alone. */
  async countAt(host: string): Promise<void> {
    for (const nic of this.#places.vm.nics)
      await this.#read(this.#places.remoteAt(host, nic), nic, this.#collected.get(nic.id)!)
  }

  async #read(remote: RemoteSwitch, nic: Nic, { last }: Collected): Promise<readonly HeldFrame[]> {
    const { frames, overflowed } = await remote.heldFrames(nic.id, last.get(remote.name))
    this.#overflowed.set(`${remote.name} ${nic.id}`, overflowed)
    return frames
  }

  /** Behind all that was read at `host`: what is kept there from now on stands behind it, also for one who reads it all again. */
  markAt(host: string): Mark {
    return Object.fromEntries(
      this.#places.vm.nics.map((nic) => {
        return [nic.id, this.#collected.get(nic.id)!.last.get(this.#places.switchNameAt(host, nic)) ?? 0]
      }),
    )
  }

  /** What the ports at `host` kept up to there is not read. */
  passOver(host: string, mark: Mark): void {
    for (const nic of this.#places.vm.nics)
      this.#collected.get(nic.id)!.last.set(this.#places.switchNameAt(host, nic), mark[nic.id] ?? 0)
  }

  /** Hands all that was read to the VM's ports at `host`, ahead of what these keep themselves beyond that. */
  async deliverTo(host: string): Promise<void> {
    for (const nic of this.#places.vm.nics) {
      const remote = this.#places.remoteAt(host, nic)
      const { frames, last } = this.#collected.get(nic.id)!
      const key = `${remote.name} ${nic.id}`
      const handed = this.#handed.get(key)
      const left = handed === undefined ? frames : frames.filter((frame) => !handed.has(frame))
      await remote.deliverFrames(nic.id, left, last.get(remote.name) ?? 0)
      this.#handed.set(key, new Set(frames))
    }
  }

  /** What was read at `host` is somewhere else for good. */
  async forgetAt(host: string): Promise<void> {
    for (const nic of this.#places.vm.nics) {
      const remote = this.#places.remoteAt(host, nic)
      await remote.forgetFrames(nic.id, this.#collected.get(nic.id)!.last.get(remote.name) ?? 0)
    }
  }
}

/**
 * `fresh` of `kept` go ahead of the next frame of `before` that is among `kept`, itself or as a copy, or behind all. One that would
 * put them ahead of what their switch kept earlier, up to `tail`, does not count: floods may have crossed.
 */
function merged(
  before: HeldFrame[],
  kept: readonly HeldFrame[],
  fresh: ReadonlySet<HeldFrame>,
  anchors: ReadonlyMap<HeldFrame, HeldFrame>,
  tail: HeldFrame | undefined,
): { frames: HeldFrame[]; tail: HeldFrame | undefined } {
  const places = new Map(before.map((frame, index) => [keyOf(frame), index]))
  const ahead = new Map<number, HeldFrame[]>()
  let last = tail === undefined ? -1 : places.get(keyOf(tail))!
  let waiting: HeldFrame[] = []
  for (const frame of kept) {
    const place = places.get(keyOf(anchors.get(frame) ?? frame))
    if (fresh.has(frame)) waiting.push(frame)
    else if (place !== undefined && place > last) {
      last = place
      if (waiting.length > 0) ahead.set(place, waiting)
      waiting = []
    }
  }
  const ordered = ahead.size === 0 ? before : before.flatMap((frame, index) => [...(ahead.get(index) ?? []), frame])
  return { frames: [...ordered, ...waiting], tail: waiting.at(-1) ?? before[last] }
}

/** What the port had been handed already stands where it stands. */
function upTo(kept: readonly HeldFrame[], at: string, last: number): readonly HeldFrame[] {
  const end = kept.findIndex(({ origin, sequence }) => origin === at && sequence > last)
  return end < 0 ? kept : kept.slice(0, end)
}

const keyOf = ({ origin, sequence }: HeldFrame): string => `${origin} ${sequence}`

/** A trunk's guest may be sent one frame under several tags: they are not copies of each other. Where there are identities, they tell. */
const contentOf = ({ id, bytes }: HeldFrame): string =>
  id === 0n
    ? Buffer.from(bytes).toString('latin1')
    : `${id} ${bytes.length} ${Buffer.from(bytes.subarray(0, HEADERS)).toString('latin1')}`

/** Addresses and tags. */
const HEADERS = 22

const destinationOf = ({ bytes }: HeldFrame): bigint => getMac(viewOf(bytes), 0)

const sourceOf = ({ bytes }: HeldFrame): bigint => getMac(viewOf(bytes), SOURCE)
