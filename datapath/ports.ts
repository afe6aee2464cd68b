import type { Clock } from '../runtime/clock.ts'
import type {
  PortConfig,
  PortDescription,
  PortFlags,
  PortState,
  PortStatistics,
  QueueStatistics,
} from '../protocols/control/messages.ts'
import { DEFAULT_HOLD, keepsFrames, letsIn, PORT_FLAGS, ReservedPort } from '../protocols/control/messages.ts'
import { Refused } from '../protocols/control/refused.ts'
import { shownBy } from './activation.ts'
import { Arrivals } from './arrivals.ts'
import type { DropReason } from './drops.ts'
import type { FrameArena, FrameHandle } from './frames.ts'
import { HoldQueue, type HoldRoom } from './hold-queue.ts'
import { refusal } from './passage.ts'
import { isLive, type Port } from './port.ts'
import { CarriedCounters, noCounters } from './port-counters.ts'
import type { PortQueues } from './queues.ts'
import { Shaping } from './shaping.ts'
import { TunnelTable } from './tunnels.ts'
import type { VlanPolicy } from './vlan-modes.ts'
import { vlanPolicy } from './vlan-modes.ts'

const HIGHEST_NUMBER = 0xfeff

/** What a change of ports brings about, told to the switch. */
export interface PortEvents {
  /** `before` is the configuration that a modified port had, `by` the controller that has had its flags changed. */
  changed(reason: 'add' | 'modify' | 'delete', port: Port, before?: PortConfig, by?: object): void
  /** Hands over a frame that was kept. */
  transmit(port: Port, frame: FrameHandle): void
  /** A frame that was kept will not leave. The receiver of this owns it. */
  discard(port: Port, frame: FrameHandle, reason: DropReason): void
  /** The port that a frame waited for in another's queues is gone. The receiver of this owns it. */
  lost(frame: FrameHandle): void
}

interface MutablePort extends Port {
  config: PortConfig
  vlan: VlanPolicy | undefined
  linkUp: boolean
  flags: PortFlags
  admitsAll: boolean
  passesAll: boolean
  /** Where its frames wait, where they do. */
  queues: PortQueues | undefined
}

export interface PortTableOptions {
  arena: FrameArena
  clock: Clock
  events: PortEvents
  /** Of the switch: ports without an address of their own get one made of it. */
  datapathId?: bigint
  /** Whether a port that is made now has a link; each has where absent. */
  hasLink?: (config: PortConfig) => boolean
  /** What its ports may keep, with others; there is no end of it where absent. */
  holdRoom?: HoldRoom | undefined
  /** Of the switch's frames. */
  arrivals?: Arrivals
}

/** The ports of one switch, and the frames that those in state `hold` keep. */
export class PortTable {
  /** Which tunnel port takes which outer headers. */
  readonly tunnels = new TunnelTable()
  /** Where frames wait that ports may not send yet. */
  readonly shaping: Shaping
  /** Where a port made now begins to number what it keeps: beyond all that one of its name may have given out. The clock where absent. */
  numberFrom: (() => number) | undefined
  readonly #arena: FrameArena
  readonly #clock: Clock
  readonly #events: PortEvents
  readonly #datapathId: bigint
  readonly #hasLink: (config: PortConfig) => boolean
  readonly #holdRoom: HoldRoom | undefined
  readonly #arrivals: Arrivals
  readonly #byNumber = new Map<number, MutablePort>()
  readonly #byName = new Map<string, MutablePort>()
  #ordered: MutablePort[] = []
  #lastNumber = 0

  constructor(options: PortTableOptions) {
    const { arena, clock, events, datapathId = 0n, hasLink = () => true, holdRoom, arrivals } = options
    this.#arena = arena
    this.#clock = clock
    this.#events = events
    this.#datapathId = datapathId
    this.#hasLink = hasLink
    this.#holdRoom = holdRoom
    this.#arrivals = arrivals ?? new Arrivals()
    this.shaping = new Shaping({ arena, clock, send: (port, frame) => this.#send(port, frame) })
  }

  get size(): number {
    return this.#ordered.length
  }

  byNumber(number: number): Port | undefined {
    return this.#byNumber.get(number)
  }

  byName(name: string): Port | undefined {
    return this.#byName.get(name)
  }

  /** In order of number. */
  [Symbol.iterator](): Iterator<Port> {
    return this.#ordered[Symbol.iterator]()
  }

  /**
   * Makes a port. Number 0 lets the table choose: the local port's own for `local`, else the next free one.
   * @throws Refused
   */
  add(config: PortConfig): Port {
    if (this.#byName.has(config.name)) throw new Refused('port_exists', 'port.name', `there is a port '${config.name}'`)
    const number = config.number === 0 ? this.#chooseNumber(config) : config.number
    this.#checkNumber(number, config)
    this.#checkTunnel(number, config)
    const port = this.#make({ ...config, number })
    this.#byNumber.set(number, port)
    this.#byName.set(config.name, port)
    this.#order()
    this.#shape(port)
    this.#changed('add', port)
    return port
  }

  /**
   * Gives the port of this name another configuration; number 0 leaves the number. Frames that it held leave in order when it
   * opens, and are dropped when it closes. One that is told again to wait for a guest that has shown itself there goes on letting it in.
   * @throws Refused
   */
  modify(config: PortConfig): Port {
    const port = this.#named(config.name)
    if (config.number !== 0 && config.number !== port.number)
      throw new Refused(
        'OFPBRC_BAD_PORT',
        'port.number',
        `port '${config.name}' is number ${port.number}, not ${config.number}`,
      )
    this.#checkTunnel(port.number, config)
    const before = port.config
    port.config = { ...config, ...shownIn(before, config), number: port.number }
    port.vlan = vlanPolicy(port.config)
    this.#shape(port)
    port.held.limits = config.hold ?? DEFAULT_HOLD
    const { state } = port.config
    if (state === 'hold' && !keepsFrames(before.state)) port.held.begin()
    if (state !== 'open' && before.state === 'open') this.#keepWaiting(port)
    this.#changed('modify', port, before)
    this.#settle(port)
    return port
  }

  /** The same with another state and all else as it was. */
  setState(name: string, state: PortState): Port {
    return this.modify({ ...this.#named(name).config, state })
  }

  /** A link that is down takes and gives no frames; a port in state `hold` keeps those that are to leave. */
  setLink(name: string, linkUp: boolean): void {
    const port = this.#named(name)
    if (port.linkUp === linkUp) return
    port.linkUp = linkUp
    this.#changed('modify', port, port.config)
  }

  /**
   * Forbids the port things, or allows them again; what `flags` leaves out stays. That the link has gone or come with it is news
   * even to `by`, who asked for it.
   * @throws Refused where there is no such port.
   */
  setFlags(number: number, flags: PortFlags, by?: object): void {
    const port = this.#byNumber.get(number)
    if (port === undefined) throw new Refused('OFPPMFC_BAD_PORT', 'port', `there is no port ${number}`)
    const known = port.flags
    if (PORT_FLAGS.every((flag) => flags[flag] === undefined || flags[flag] === (known[flag] ?? false))) return
    port.flags = { ...known, ...flags }
    const movesLink = port.linkUp && (port.flags.down === true) !== (known.down === true)
    this.#changed('modify', port, port.config, movesLink ? undefined : by)
  }

  /** Why the frame may not come in. By one that shows that the guest goes on here, a port that waits for it goes over to `keep`. */
  refusal(frame: FrameHandle, port: Port | undefined): DropReason | undefined {
    const reason = refusal(this.#arena, frame, port)
    if (reason !== 'inactive_binding' || port?.config.activation === undefined) return reason
    const shown = shownBy(this.#arena, frame, port.config.activation)
    if (shown === undefined || port.config.state !== 'hold') return reason
    this.modify({ ...port.config, state: 'keep', activation: [shown] })
    return refusal(this.#arena, frame, port)
  }

  /** Whether the queue of the port has room for the frame. */
  hasRoom(port: Port, frame: FrameHandle, queue: number): boolean {
    const { queues } = port as MutablePort
    return queues === undefined || this.shaping.admits(queues, port.number, frame, queue)
  }

  /** Lets the frame leave when its turn comes: at once where the port has no queues. */
  enqueue(port: Port, frame: FrameHandle, queue: number): void {
    const { queues } = port as MutablePort
    if (queues === undefined) this.#events.transmit(port, frame)
    else this.shaping.enqueue(queues, port.number, frame, queue)
  }

  /** The hardware address of the port. */
  macOf({ config, number }: Port): bigint {
    const LOCALLY_ADMINISTERED = 0x02n << 40n
    return config.mac ?? LOCALLY_ADMINISTERED | ((this.#datapathId & 0xffffffn) << 16n) | BigInt(number & 0xffff)
  }

  /** @throws Refused where there is none. */
  remove(name: string): void {
    const port = this.#named(name)
    this.#byName.delete(name)
    this.#byNumber.delete(port.number)
    this.#order()
    this.#discardHeld(port, 'unknown_port')
    for (const frame of this.shaping.remove(port.number)) this.#events.discard(port, frame, 'unknown_port')
    this.#changed('delete', port)
  }

  /** As in Open vSwitch, one that is switched off has no link. */
  describe(port: Port): PortDescription {
    const { linkUp, flags } = port
    return { ...port.config, mac: this.macOf(port), linkUp: linkUp && flags.down !== true, flags }
  }

  statistics(): PortStatistics[] {
    const now = this.#clock.now()
    return this.#ordered.map((port) => ({
      port: port.number,
      name: port.name,
      ...port.carried.total(port.counters),
      held: port.held.size,
      duration: BigInt(now - port.madeAt),
    }))
  }

  /** Of every queue of every port that has queues. */
  queueStatistics(): QueueStatistics[] {
    return this.#ordered.flatMap(({ number }) => this.shaping.statistics(number))
  }

  /** Keeps a frame that was to leave through a port in state `hold`; false where it has no room. */
  hold(port: Port, frame: FrameHandle): boolean {
    return port.held.keep(frame)
  }

  /** The frames that all ports keep. They stay the table's. */
  heldFrames(): FrameHandle[] {
    return [...this.#ordered.flatMap((port) => port.held.frames()), ...this.shaping.waiting()]
  }

  /** Lets what was handed to the port leave: at once where it is open. A closed port drops it. @throws Refused where there is none. */
  settle(name: string): void {
    this.#settle(this.#named(name))
  }

  /** Drops the frames that all ports keep, and those that wait in their queues. */
  discardHeld(reason: DropReason): void {
    for (const port of this.#ordered) {
      this.#discardHeld(port, reason)
      for (const frame of this.shaping.takeWaiting(port.number)) this.#events.discard(port, frame, reason)
    }
  }

  #make(config: PortConfig): MutablePort {
    const expired = (frame: FrameHandle) => this.#events.discard(port, frame, 'hold_overflow')
    const first = this.numberFrom?.()
    const port: MutablePort = {
      number: config.number,
      name: config.name,
      config,
      vlan: vlanPolicy(config),
      linkUp: this.#hasLink(config),
      flags: {},
      madeAt: this.#clock.now(),
      held: new HoldQueue({
        arena: this.#arena,
        clock: this.#clock,
        room: this.#holdRoom,
        arrivals: this.#arrivals,
        expired,
        ...(first !== undefined && { first }),
      }),
      admitsAll: false,
      passesAll: false,
      queues: undefined,
      counters: noCounters(),
      carried: new CarriedCounters(),
    }
    port.held.limits = config.hold ?? DEFAULT_HOLD
    return port
  }

  #shape(port: MutablePort): void {
    this.shaping.configure(port.config)
    for (const one of this.#ordered) {
      one.queues = this.shaping.queuesFor(one.config)
      one.passesAll = passesAll(one)
    }
  }

  /** Its turn has come, if its port is still there. */
  #send(number: number, frame: FrameHandle): void {
    const port = this.#byNumber.get(number)
    if (port !== undefined) this.#events.transmit(port, frame)
    else this.#events.lost(frame)
  }

  /** What waits in its queues came before all that it will hold. It leaves them for good: where it holds nothing, it ends. */
  #keepWaiting(port: MutablePort): void {
    for (const frame of this.shaping.takeWaiting(port.number))
      if (!port.held.keep(frame)) this.#events.discard(port, frame, 'hold_overflow')
  }

  #changed(reason: 'add' | 'modify' | 'delete', port: MutablePort, before?: PortConfig, by?: object): void {
    const takesFrames = port.linkUp && port.flags.down !== true && letsIn(port.config.state)
    port.admitsAll = takesFrames && reason !== 'delete' && port.flags.noReceive !== true
    port.passesAll = reason !== 'delete' && passesAll(port)
    const { tunnel } = port.config
    if (reason === 'delete' || tunnel === undefined) this.tunnels.remove(port.number)
    else this.tunnels.add(port.number, tunnel)
    this.#events.changed(reason, port, before, by)
  }

  #settle(port: MutablePort): void {
    if (keepsFrames(port.config.state)) return
    if (port.held.size === 0) return
    const frames = port.held.takeAll()
    if (port.config.state !== 'open') for (const frame of frames) this.#events.discard(port, frame, 'inactive_binding')
    else if (port.queues !== undefined) this.shaping.enqueueFirst(port.queues, port.number, frames)
    else for (const frame of frames) this.#events.transmit(port, frame)
  }

  #discardHeld(port: MutablePort, reason: DropReason): void {
    for (const frame of port.held.takeAll()) this.#events.discard(port, frame, reason)
  }

  #named(name: string): MutablePort {
    const port = this.#byName.get(name)
    if (port === undefined) throw new Refused('OFPBRC_BAD_PORT', 'port.name', `there is no port '${name}'`)
    return port
  }

  #checkNumber(number: number, config: PortConfig): void {
    const isLocal = number === ReservedPort.Local && config.type === 'local'
    if (!isLocal && !(Number.isInteger(number) && number >= 1 && number <= HIGHEST_NUMBER))
      throw new Refused(
        'OFPBRC_BAD_PORT',
        'port.number',
        `${number} is no port number; expected 1 to ${HIGHEST_NUMBER}`,
      )
    const owner = this.#byNumber.get(number)
    if (owner) throw new Refused('port_exists', 'port.number', `number ${number} is port '${owner.name}'`)
  }

  #checkTunnel(number: number, { type, name, tunnel }: PortConfig): void {
    if ((type === 'tunnel') !== (tunnel !== undefined))
      throw new Refused(
        'OFPBRC_BAD_PORT',
        'port.tunnel',
        `port '${name}' is of type ${type}; tunnel options go with type tunnel`,
      )
    if (tunnel && this.tunnels.conflicts(number, tunnel))
      throw new Refused('port_exists', 'port.tunnel', `port '${name}' has the endpoints and key of another port`)
  }

  /** Goes on from the last number given, so that one is not soon given again. */
  #chooseNumber(config: PortConfig): number {
    if (config.type === 'local') return ReservedPort.Local
    for (let tried = 0; tried < HIGHEST_NUMBER; tried++) {
      this.#lastNumber = (this.#lastNumber % HIGHEST_NUMBER) + 1
      if (!this.#byNumber.has(this.#lastNumber)) return this.#lastNumber
    }
    throw new Refused('OFPBRC_BAD_PORT', 'port.number', 'all port numbers are taken')
  }

  #order(): void {
    this.#ordered = [...this.#byNumber.values()].sort((a, b) => a.number - b.number)
  }
}

/** What stays of a port that waits for a guest it has seen: by what, and that it lets it in. */
function shownIn({ state, activation }: PortConfig, next: PortConfig): Partial<PortConfig> {
  const hasShown = activation?.some((shown) => next.activation?.includes(shown)) === true
  return hasShown && state === 'keep' && next.state === 'hold' ? { state, activation } : {}
}

const passesAll = (port: MutablePort): boolean =>
  isLive(port) && port.flags.noForward !== true && port.config.mtu === undefined && port.queues === undefined
