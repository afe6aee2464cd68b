// The guests, as far as a network can tell: whether each is running and where, what waits for it while it is paused, and
// what it says before it can say it.

import type { FrameArena, FrameHandle } from '../frames.ts'

interface GuestState {
  host: string
  paused: boolean
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
  /** The guest is not on this host: nobody hears the frame. */
  absent(host: string, nic: string, frame: FrameHandle): void
}

export class Guests {
  readonly #guests = new Map<string, GuestState>()
  readonly #arena: FrameArena
  readonly #events: GuestEvents

  constructor(arena: FrameArena, events: GuestEvents) {
    this.#arena = arena
    this.#events = events
  }

  add(vm: string, host: string): void {
    if (!this.#guests.has(vm)) this.#guests.set(vm, { host, paused: false, toSend: [], toHear: [] })
  }

  remove(vm: string): void {
    for (const { frame } of this.#guests.get(vm)?.toHear ?? []) this.#arena.release(frame)
    this.#guests.delete(vm)
  }

  hostOf(vm: string): string | undefined {
    return this.#guests.get(vm)?.host
  }

  names(): string[] {
    return [...this.#guests.keys()]
  }

  /** The guest says something, now or when it runs again. */
  send(nic: string, frame: FrameHandle): void {
    const guest = this.#of(nic)
    if (guest.paused) guest.toSend.push({ nic, frame })
    else this.#events.send(guest.host, nic, frame)
  }

  /** A frame came out of the vNIC's port on `host`. A paused guest finds it in its ring when it runs again. */
  receive(host: string, nic: string, frame: FrameHandle): void {
    const guest = this.#guests.get(vmOf(nic))
    if (guest === undefined || (guest.host !== host && !guest.paused)) return this.#events.absent(host, nic, frame)
    if (guest.paused) guest.toHear.push({ nic, frame })
    else this.#events.hear(nic, frame)
  }

  pause(vm: string): void {
    this.#get(vm).paused = true
  }

  /** The guest goes on at `host`: it hears what waited for it, then says what it had to say. */
  resume(vm: string, host: string): void {
    const guest = this.#get(vm)
    guest.host = host
    guest.paused = false
    for (const { nic, frame } of guest.toHear.splice(0)) this.#events.hear(nic, frame)
    for (const { nic, frame } of guest.toSend.splice(0)) this.#events.send(host, nic, frame)
  }

  /** Identities of the frames that wait for a paused guest, or in one. */
  waiting(): number[] {
    return [...this.#guests.values()].flatMap(({ toHear, toSend }) =>
      [...toHear, ...toSend].map(({ frame }) => this.#arena.id[frame]!),
    )
  }

  #of(nic: string): GuestState {
    return this.#get(vmOf(nic))
  }

  #get(vm: string): GuestState {
    const guest = this.#guests.get(vm)
    if (guest === undefined) throw new Error(`no guest '${vm}'`)
    return guest
  }
}

/** `web1` of `web1:eth0`. */
const vmOf = (nic: string): string => nic.slice(0, nic.indexOf(':'))
