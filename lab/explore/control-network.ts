// The connections between switches and controller, each in order and reliable until it breaks, as TCP is. What is on the way can be
// made slow, be cut in two, or be lost with its connection.

import type { Clock, Nanoseconds, Timer } from '../../runtime/clock.ts'
import { MICROSECOND, MILLISECOND } from '../../runtime/clock.ts'
import { PILE, type Channel } from '../../runtime/transport.ts'
import { bytesAsText } from './control-text.ts'
import type { Happenings } from './happenings.ts'
import type { Direction, Perturbation } from './schedule.ts'

const LATENCY = 50 * MICROSECOND
/** After so long a switch that was hung up on dials again. */
const REDIAL = MILLISECOND

type Of<K extends Perturbation['kind']> = Extract<Perturbation, { kind: K }>

export interface ControlNetworkOptions {
  clock: Clock
  happenings: Happenings
}

/** Bytes on their way. */
interface Passage {
  bytes: Uint8Array
  due: Nanoseconds
  /** The rest of what came before. */
  isRest: boolean
}

/** What is said one way on one connection. */
class Stream {
  readonly label: string
  readonly direction: Direction
  readonly #network: ControlNetwork
  readonly #switch: string
  /** Where it comes out. */
  readonly #to: End
  readonly #from: End
  #waiting: Passage[] = []
  #timer: Timer | undefined
  #lastDue: Nanoseconds = 0
  /** What is sent from now on is lost. */
  broken = false

  constructor(network: ControlNetwork, name: string, direction: Direction, from: End, to: End) {
    this.#network = network
    this.#switch = name
    this.direction = direction
    this.#from = from
    this.#to = to
    this.label = direction === 'down' ? `to ${name}` : `from ${name}`
  }

  get #now(): Nanoseconds {
    return this.#network.options.clock.now()
  }

  send(bytes: Uint8Array): void {
    if (this.broken) return
    this.#lastDue = Math.max(this.#lastDue, this.#now + this.#network.latencyOf(this.#switch, this.direction))
    this.#waiting.push({ bytes: new Uint8Array(bytes), due: this.#lastDue, isRest: false })
    this.#from.backlog += bytes.length
    this.schedule()
  }

  /** Of all that is on its way only the first share will arrive. @returns the instant of the last arrival */
  breakOff(share: number): Nanoseconds {
    this.broken = true
    const total = this.#waiting.reduce((sum, { bytes }) => sum + bytes.length, 0)
    let left = Math.floor(total * share)
    const kept: Passage[] = []
    for (const one of this.#waiting) {
      const size = Math.min(left, one.bytes.length)
      left -= size
      if (size > 0) kept.push({ ...one, bytes: one.bytes.subarray(0, size) })
    }
    this.#waiting = kept
    return kept.at(-1)?.due ?? this.#now
  }

  /** All that is on its way, and all that is still said, is lost. */
  silence(): void {
    if (!this.broken || this.#waiting.length > 0) this.breakOff(0)
    this.#timer?.cancel()
    this.#timer = undefined
  }

  schedule(): void {
    const next = this.#waiting[0]
    if (this.#timer !== undefined || next === undefined || this.#to.paused || this.#to.isFrozen) return
    const { clock } = this.#network.options
    this.#timer = clock.scheduleAsync(Math.max(next.due, clock.now()), () => this.#arrive())
  }

  #arrive(): void {
    this.#timer = undefined
    const next = this.#waiting[0]
    if (next === undefined || this.#to.paused || this.#to.isFrozen) return
    const { happenings } = this.#network.options
    if (!next.isRest) happenings.event(() => `${this.label}: ${bytesAsText(next.bytes)}`)
    // The event may have broken the connection.
    const first = this.#waiting.shift()
    if (first === undefined) return
    const split = this.#network.takeSplit(this.#switch, this.direction)
    this.#hand(split === undefined ? first : this.#splitOff(first, split))
    this.schedule()
  }

  #splitOff(all: Passage, { share, later }: Of<'split'>): Passage {
    const size = Math.floor(all.bytes.length * share)
    const due = all.due + later
    this.#lastDue = Math.max(this.#lastDue, due)
    this.#waiting.unshift({ ...all, bytes: all.bytes.subarray(size), due, isRest: true })
    return { ...all, bytes: all.bytes.subarray(0, size) }
  }

  #hand({ bytes }: Passage): void {
    const piledUp = this.#from.backlog >= PILE
    this.#from.backlog -= bytes.length
    if (!this.#to.open) return
    this.#to.onData(bytes)
    if (piledUp && this.#from.backlog === 0) this.#from.onDrain()
    if (this.direction === 'down') this.#network.onSwitchTold(this.#switch)
  }
}

class End implements Channel {
  readonly peer: string
  backlog = 0
  open = true
  paused = false
  /** Whoever is there does nothing for a while. */
  isFrozen = false
  onData: (bytes: Uint8Array) => void = () => {}
  onDrain: () => void = () => {}
  onClose: () => void = () => {}
  out!: Stream;
  in!: Stream
  readonly #clock: Clock
  readonly #closing: () => void
  #hasEnded = false

  constructor(peer: string, clock: Clock, closing: () => void) {
    this.peer = peer
    this.#clock = clock
    this.#closing = closing
  }

  send(bytes: Uint8Array): void {
    if (this.open) this.out.send(bytes)
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
    this.in.schedule()
  }

  later(work: () => void): void {
    this.#clock.scheduleAsync(this.#clock.now(), work)
  }

  close(): void {
    if (!this.open) return
    this.open = false
    this.#closing()
  }

  freeze(): void {
    this.isFrozen = true
  }

  goOn(): void {
    if (!this.isFrozen) return
    this.isFrozen = false
    this.in.schedule()
    if (this.#hasEnded) this.notice()
  }

  /** It finds out that the other end is gone. */
  notice(): void {
    this.#hasEnded = true
    if (!this.open || this.isFrozen) return
    this.open = false
    this.onClose()
  }
}

export class ControlNetwork {
  readonly options: ControlNetworkOptions
  /** Called when the switch has dealt with what has come. */
  onSwitchTold: (switchName: string) => void = () => {}
  /** Called when the switch, which has lost its connection, is to dial again. */
  onRedial: (switchName: string) => void = () => {}
  /** By switch, those that have not ended: a connection that broke, and the one after it. */
  readonly #connections = new Map<string, Connection[]>()
  readonly #slow: Of<'slow'>[] = []
  readonly #splits: Of<'split'>[] = []

  constructor(options: ControlNetworkOptions) {
    this.options = options
  }

  /** A new connection of this switch to a process: its end, then the controller's. */
  join(name: string, owner: Owner): [Channel, Channel] {
    const connection = new Connection(this, name, owner)
    this.#connections.set(name, [...(this.#connections.get(name) ?? []), connection])
    return [connection.atSwitch, connection.atController]
  }

  /** A connection has ended at the switch. */
  ended(name: string, connection: Connection, away: Nanoseconds): void {
    const others = (this.#connections.get(name) ?? []).filter((one) => one !== connection)
    this.#connections.set(name, others)
    const { clock } = this.options
    clock.scheduleAsync(clock.now() + away, () => this.onRedial(name))
  }

  /** Nobody takes the connection that was made last. */
  refuse(name: string): void {
    this.#connections.get(name)?.at(-1)?.controllerGone(0)
  }

  slow(how: Of<'slow'>): void {
    const { clock } = this.options
    this.#slow.push(how)
    clock.schedule(clock.now() + how.lasts, () => this.#slow.splice(this.#slow.indexOf(how), 1))
  }

  split(how: Of<'split'>): void {
    this.#splits.push(how)
  }

  cut({ switch: name, down, up, noticed, away }: Of<'cut'>): void {
    for (const connection of this.#connections.get(name) ?? []) connection.cut({ down, up }, noticed, away)
  }

  /** The switches of a host are gone: nothing of what they have said or were told arrives. */
  hostGone(names: readonly string[], away: Nanoseconds): void {
    for (const name of names) this.cut({ ...GONE, switch: name, away })
  }

  /** Whether the switch has a connection to this process, or to one that is gone, as far as it knows. */
  has(name: string, owner: Owner): boolean {
    return (this.#connections.get(name) ?? []).some((one) => one.owner === owner || !one.owner.alive)
  }

  /** A controller's process is gone, and all its connections with it. Switches find out once what is on its way has come. */
  controllerGone(owner: Owner, share: number): void {
    for (const connection of this.#connectionsOf(owner)) connection.controllerGone(share)
  }

  /** The process does nothing for a while: neither does it hear anything. */
  freeze(owner: Owner): void {
    for (const { atController } of this.#connectionsOf(owner)) atController.freeze()
  }

  goOn(owner: Owner): void {
    for (const { atController } of this.#connectionsOf(owner)) atController.goOn()
  }

  #connectionsOf(owner: Owner): Connection[] {
    return [...this.#connections.values()].flat().filter((one) => one.owner === owner)
  }

  latencyOf(name: string, direction: Direction): Nanoseconds {
    if (this.#slow.length === 0) return LATENCY
    const slowed = this.#slow.filter((one) => one.switch === name && one.direction === direction)
    return Math.max(LATENCY, ...slowed.map(({ latency }) => latency))
  }

  takeSplit(name: string, direction: Direction): Of<'split'> | undefined {
    if (this.#splits.length === 0) return undefined
    const place = this.#splits.findIndex((one) => one.switch === name && one.direction === direction)
    return place < 0 ? undefined : this.#splits.splice(place, 1)[0]
  }
}

const GONE: Of<'cut'> = {
  kind: 'cut',
  at: { time: 0 },
  switch: '',
  down: 0,
  up: 0,
  noticed: { switch: 0, controller: MILLISECOND },
  away: REDIAL,
}

/** A controller's process. */
interface Owner {
  readonly alive: boolean
}

class Connection {
  readonly owner: Owner
  readonly atSwitch: End
  readonly atController: End
  readonly #network: ControlNetwork
  readonly #name: string
  readonly #down: Stream
  readonly #up: Stream
  #isCut = false
  #away: Nanoseconds = REDIAL
  #hasEnded = false

  constructor(network: ControlNetwork, name: string, owner: Owner) {
    this.#network = network
    this.owner = owner
    this.#name = name
    this.atSwitch = new End('controller', network.options.clock, () => this.#closedBySwitch())
    this.atController = new End(name, network.options.clock, () => this.#closedByController())
    this.#down = new Stream(network, name, 'down', this.atController, this.atSwitch)
    this.#up = new Stream(network, name, 'up', this.atSwitch, this.atController)
    this.atSwitch.out = this.atController.in = this.#up
    this.atSwitch.in = this.atController.out = this.#down
  }

  cut(shares: { down: number; up: number }, noticed: Of<'cut'>['noticed'], away: Nanoseconds): void {
    if (this.#isCut) return
    this.#isCut = true
    this.#away = away
    const { clock } = this.#network.options
    const atSwitch = this.#down.breakOff(shares.down)
    const atController = this.#up.breakOff(shares.up)
    clock.scheduleAsync(Math.max(atSwitch, clock.now() + noticed.switch), () => this.#end(this.atSwitch))
    clock.scheduleAsync(Math.max(atController, clock.now() + noticed.controller), () => this.atController.notice())
  }

  controllerGone(share: number): void {
    this.atController.open = false
    if (this.#isCut) return this.#up.silence()
    this.#isCut = true
    this.#up.silence()
    const { clock } = this.#network.options
    const last = this.#down.breakOff(share)
    clock.scheduleAsync(Math.max(last, clock.now() + LATENCY), () => this.#end(this.atSwitch))
  }

  /** As TCP does: what was said before still arrives. */
  #closedBySwitch(): void {
    this.#down.silence()
    this.#noteEnd()
    this.#tellLater(this.#up, this.atController)
  }

  #closedByController(): void {
    this.#up.silence()
    this.#tellLater(this.#down, this.atSwitch)
  }

  #tellLater(stream: Stream, end: End): void {
    if (this.#isCut) return
    this.#isCut = true
    const { clock } = this.#network.options
    const last = stream.breakOff(1)
    clock.scheduleAsync(Math.max(last, clock.now() + LATENCY), () => this.#end(end))
  }

  #end(end: End): void {
    end.notice()
    if (end === this.atSwitch) this.#noteEnd()
  }

  #noteEnd(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#network.ended(this.#name, this, this.#away)
  }
}
