// The guests, as far as a network can tell: whether each is running and where, what waits for it while it is paused, and
// what it says before it can say it.

import type { DropReason } from '../drops.ts'
import type { FrameArena, FrameHandle } from '../frames.ts'

interface GuestState {
  host: string
  paused: boolean
  /** Where `transfer` has sent it; undefined once it runs again. */
  destination?: string | undefined
  /** Frames to send once it runs again, oldest first: nic id and frame. */
  toSend: Waiting[]
  /** Frames in its receive rings; they move with its memory. */
  toHear: Waiting[]
}

interface Waiting {
  nic: string
  frame: FrameHandle
}

export interface GuestEvents {
  /** A running guest sends: the frame goes in at the vNIC's port on `host`. */
  send(host: string, nic: string, frame: FrameHandle): void
  /** A running guest hears the frame and is done with it. */
  hear(nic: string, frame: FrameHandle): void
  /** Nobody hears the frame that came out of the vNIC's port on `host`. The receiver of this owns it. */
  unheard(host: string, frame: FrameHandle, reason: DropReason): void
  /** The frame will not be said, its guest being gone. `place` is where it was, or its vNIC where it never was. */
  unsaid(place: string, nic: string, frame: FrameHandle, reason: DropReason): void
}

export class Guests {
  /** Goes up with everything that may change what becomes of frames. */
  changes = 0
  readonly #guests = new Map<string, GuestState>()
  /** By vNIC: what was found in `#guests` since a guest came or went last. */
  readonly #owners = new Map<string, GuestState | undefined>()
  readonly #arena: FrameArena
  readonly #events: GuestEvents

  constructor(arena: FrameArena, events: GuestEvents) {
    this.#arena = arena
    this.#events = events
  }

  add(vm: string, host: string): void {
    if (this.#guests.has(vm)) return
    this.changes++
    this.#guests.set(vm, { host, paused: false, toSend: [], toHear: [] })
    this.#owners.clear()
  }

  /** What the guest had still to hear or say ends with it. */
  remove(vm: string): void {
    const guest = this.#guests.get(vm)
    this.changes++
    this.#guests.delete(vm)
    this.#owners.clear()
    if (guest !== undefined) this.#empty(guest, 'inactive_binding')
  }

  /** The host loses its power: what its guests had still to hear or say ends. */
  failHost(host: string): void {
    for (const guest of this.#guests.values()) if (guest.host === host) this.#empty(guest, 'link_down')
  }

  /**
   * Pauses a guest that is to run at `host` from its next `resume` on, until when its frames wait with it. False where it
   * is there already.
   */
  transfer(vm: string, host: string): boolean {
    const guest = this.#get(vm)
    if (guest.destination === undefined && guest.host === host) return false
    this.changes++
    guest.paused = true
    guest.destination = host
    return true
  }

  /** It has been sent somewhere, and does not run yet. */
  isOnItsWay(vm: string): boolean {
    return this.#guests.get(vm)?.destination !== undefined
  }

  hostOf(vm: string): string | undefined {
    return this.#guests.get(vm)?.host
  }

  names(): string[] {
    return [...this.#guests.keys()]
  }

  /** The guest says something, now or when it runs again. */
  send(nic: string, frame: FrameHandle): void {
    const guest = this.#ownerOf(nic)
    if (guest === undefined) this.#events.unsaid(nic, nic, frame, 'inactive_binding')
    else if (guest.paused) guest.toSend.push({ nic, frame })
    else this.#events.send(guest.host, nic, frame)
  }

  /** A frame came out of the vNIC's port on `host`. A paused guest finds it in its ring when it runs again. */
  receive(host: string, nic: string, frame: FrameHandle): void {
    const guest = this.#ownerOf(nic)
    if (guest === undefined || (guest.host !== host && !guest.paused))
      return this.#events.unheard(host, frame, 'inactive_binding')
    if (guest.paused) guest.toHear.push({ nic, frame })
    else this.#events.hear(nic, frame)
  }

  pause(vm: string): void {
    this.changes++
    this.#get(vm).paused = true
  }

  /** The guest goes on at `host`: it hears what waited for it, then says what it had to say. One that is gone stays gone. */
  resume(vm: string, host: string): void {
    const guest = this.#guests.get(vm)
    if (guest === undefined) return
    this.changes++
    guest.host = host
    guest.paused = false
    guest.destination = undefined
    for (const { nic, frame } of guest.toHear.splice(0)) this.#events.hear(nic, frame)
    for (const { nic, frame } of guest.toSend.splice(0)) this.#events.send(host, nic, frame)
  }

  /** Identities of the frames that wait for a paused guest, or in one. */
  waiting(): number[] {
    return [...this.#guests.values()].flatMap(({ toHear, toSend }) =>
      [...toHear, ...toSend].map(({ frame }) => this.#arena.id[frame]!),
    )
  }

  #empty({ host, toHear, toSend }: GuestState, reason: DropReason): void {
    for (const { frame } of toHear.splice(0)) this.#events.unheard(host, frame, reason)
    for (const { nic, frame } of toSend.splice(0)) this.#events.unsaid(host, nic, frame, reason)
  }

  #ownerOf(nic: string): GuestState | undefined {
    let guest = this.#owners.get(nic)
    if (guest === undefined) this.#owners.set(nic, (guest = this.#guests.get(vmOf(nic))))
    return guest
  }

  #get(vm: string): GuestState {
    const guest = this.#guests.get(vm)
    if (guest === undefined) throw new Error(`no guest '${vm}'`)
    return guest
  }
}

/** `web1` of `web1:eth0`. */
const vmOf = (nic: string): string => nic.slice(0, nic.indexOf(':'))
