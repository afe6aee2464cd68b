// START HERE. One switch alone, as ovs-vswitchd would run it: ports on wires to the world, controllers that it dials, others that dial
// it, and a port that answers questions.

import type { FlowMod, Message, PortConfig } from '../../protocols/control/messages.ts'
import { ReservedPort } from '../../protocols/control/messages.ts'
import { OpenFlowConnection } from '../../protocols/openflow/connection.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'
import { SECOND } from '../../runtime/clock.ts'
import type { Endpoint } from '../../runtime/endpoint.ts'
import { formatEndpoint } from '../../runtime/endpoint.ts'
import type { Random } from '../../runtime/random.ts'
import type { Stopwatch } from '../../runtime/stopwatch.ts'
import type { Listener, Tls } from '../../runtime/sockets.ts'
import { listen } from '../../runtime/sockets.ts'
import type { Channel } from '../../runtime/transport.ts'
import { openWire } from '../../runtime/wires/open.ts'
import { formatWire } from '../../runtime/wires/parse.ts'
import type { Wire, WireSpec } from '../../runtime/wires/wire.ts'
import { Agent } from '../control/agent.ts'
import { applyChanges } from '../control/handlers/changes.ts'
import type { FrameHandle } from '../frames.ts'
import { FrameArena, MAX_FRAME_LENGTH } from '../frames.ts'
import type { Port } from '../port.ts'
import { Switch } from '../switch.ts'
import { commandsOf } from './commands.ts'
import { gatewayWarning } from './gateway-warning.ts'
import { greet } from './listener.ts'
import { converseProbed, PROBE_INTERVAL } from '../../protocols/control/probe.ts'
import { Reconnect } from '../control/reconnect.ts'
import { Snoops } from './snoop.ts'
import type { UnixctlCommand } from './unixctl.ts'
import { serveUnixctl } from './unixctl.ts'

/** Open vSwitch's fail_mode (ovs-vswitchd.conf.db(5)). */
export type FailMode = 'secure' | 'standalone'

export type Dial = (endpoint: Endpoint, tls: Tls | undefined, signal: AbortSignal) => Promise<Channel>

/** A port, and where its frames come from and go to. */
export interface WiredPort {
  config: Omit<PortConfig, 'type' | 'state'>
  wire: WireSpec
}

export interface VswitchdOptions {
  name: string
  datapathId: bigint
  clock: Clock
  random: Random
  ports: readonly WiredPort[]
  controllers: readonly Endpoint[]
  listeners: readonly Endpoint[]
  /** Where those come in who listen in on a controller. */
  snoopListeners: readonly Endpoint[]
  tls?: Tls
  failMode: FailMode
  /** Times the stages of some frames. */
  stopwatch?: Stopwatch
  /** How controllers are reached. */
  dial: Dial
  /** Called once the ports are there, before the first frame and the first controller. */
  prepare: (device: Switch) => void
  /** A line for people, when something happens. */
  log: (line: string) => void
}

/** How long a standalone switch waits for its controllers: three probes (ovs-vswitchd.conf.db(5), fail_mode). */
const STANDALONE_AFTER = 3 * PROBE_INTERVAL

export class Vswitchd {
  readonly device: Switch
  readonly #options: VswitchdOptions
  readonly #arena = new FrameArena()
  readonly #agent: Agent
  readonly #wires = new Map<number, Wire>()
  readonly #listeners: Listener[] = []
  readonly #channels = new Set<Channel>()
  readonly #snoops: Snoops
  readonly #commands: ReadonlyMap<string, UnixctlCommand>
  #controllers: Reconnect[] = []
  /** Runs while all controllers are away. */
  #patience: Timer | undefined
  /** The flow that stands in for the controllers is there. */
  #alone = false
  #stopped = false

  private constructor(options: VswitchdOptions) {
    const { name, datapathId, clock, random, stopwatch } = options
    this.#options = options
    this.device = new Switch({
      name,
      host: name,
      datapathId,
      arena: this.#arena,
      clock,
      random,
      ...(stopwatch && { stopwatch }),
      events: {
        transmit: (port, frame) => this.#transmit(port, frame),
        drop: () => {},
        message: (message, by) => this.#publish(message, by),
      },
    })
    this.device.tables.listen((changes) => {
      const warning = gatewayWarning(changes)
      if (warning !== undefined) options.log(warning)
    })
    this.#agent = new Agent(this.device)
    this.#snoops = new Snoops((controller) => this.#agent.roleOf(controller))
    this.#commands = commandsOf(this.device)
  }

  /** Runs the switch. Rejects where a socket can not be had, with nothing left open. */
  static async start(options: VswitchdOptions): Promise<Vswitchd> {
    const daemon = new Vswitchd(options)
    try {
      await daemon.#open()
      return daemon
    } catch (error) {
      await daemon.stop()
      throw error
    }
  }

  /** Where it listens, port numbers chosen. */
  get listeners(): readonly Endpoint[] {
    return this.#listeners.map(({ endpoint }) => endpoint)
  }

  /** The wire at the port. */
  wireOf({ number }: Port): Wire | undefined {
    return this.#wires.get(number)
  }

  /** Controllers that it dialled and has. */
  get connected(): number {
    return this.#controllers.filter(({ connected }) => connected).length
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#patience?.cancel()
    for (const controller of this.#controllers) controller.close()
    for (const channel of this.#channels) channel.close()
    this.device.close()
    await Promise.all([...this.#listeners, ...this.#wires.values()].map((one) => one.close()))
  }

  async #open(): Promise<void> {
    const { name, ports, listeners, snoopListeners, controllers, failMode, prepare } = this.#options
    this.device.ports.add({ number: ReservedPort.Local, name, type: 'local', state: 'open' })
    const added = ports.map(({ config }) => this.device.ports.add({ ...config, type: 'dgram', state: 'open' }))
    prepare(this.device)
    for (const [index, { wire }] of ports.entries()) await this.#attach(added[index], wire)
    for (const endpoint of listeners) await this.#listen(endpoint, (channel) => this.#accept(channel))
    for (const endpoint of snoopListeners) await this.#listen(endpoint, (channel) => this.#acceptSnooper(channel))
    this.device.standalone = failMode === 'standalone' && controllers.length === 0
    this.#controllers = controllers.map((endpoint) => this.#reconnect(endpoint))
    if (controllers.length > 0) this.#watchFailMode()
  }

  /** The port has a link for as long as somebody is at the other end of its wire. */
  async #attach({ number, name }: Port, spec: WireSpec): Promise<void> {
    const { log } = this.#options
    const opening = openWire(spec, (bytes) => this.#receive(bytes, number), { log, warn: log })
    const wire = await at(formatWire(spec), opening)
    this.#wires.set(number, wire)
    const follow = () => this.device.ports.setLink(name, wire.connected)
    wire.onLink = follow
    follow()
  }

  async #listen(endpoint: Endpoint, accept: (channel: Channel) => void): Promise<void> {
    const listener = listen(endpoint, this.#options.tls, accept, { log: this.#options.log })
    this.#listeners.push(await at(formatEndpoint(endpoint), listener))
  }

  #receive(bytes: Uint8Array, port: number): void {
    if (this.#stopped || bytes.length > MAX_FRAME_LENGTH) return
    this.device.receive([this.#arena.allocateFrom(bytes)], 1, port)
  }

  /** Nobody reads the local port: what goes there has arrived. What the wire does not take has not been sent. */
  #transmit({ number, counters }: Port, frame: FrameHandle): void {
    const bytes = this.#arena.read(frame)
    if (this.#wires.get(number)?.send(bytes) === false) {
      counters.sentPackets--
      counters.sentBytes -= bytes.length
      counters.sentDropped++
    }
    this.#arena.release(frame)
  }

  /** Says so the first time that a packet-in is lost, and whenever twice as many are. */
  #publish(message: Message, by?: object): void {
    const before = this.#agent.lostPacketIns
    this.#agent.publish(message, by)
    const lost = this.#agent.lostPacketIns
    if (Math.clz32(lost) < Math.clz32(before))
      this.#options.log(`${lost} packet-ins lost: a controller does not read them`)
  }

  #reconnect(endpoint: Endpoint): Reconnect {
    const { clock, tls, dial, log } = this.#options
    return new Reconnect({
      clock,
      name: formatEndpoint(endpoint),
      dial: (signal) => dial(endpoint, tls, signal),
      converse: (channel, agreed) => {
        const controller = this.#converse(channel)
        controller.onAgreed = agreed
        this.#snoops.add(controller)
        return controller
      },
      changed: () => this.#watchFailMode(),
      log,
    })
  }

  #converse(channel: Channel): OpenFlowConnection {
    const conversation = new OpenFlowConnection(channel)
    this.#agent.converse(conversation, 'openflow')
    return conversation
  }

  #accept(channel: Channel): void {
    const watched = (take: (channel: Channel) => void) => (one: Channel) => {
      take(one)
      this.#watch(one)
    }
    const { clock } = this.#options
    greet(channel, clock, {
      openflow: watched((one) => void converseProbed(one, clock, (inner) => this.#converse(inner))),
      control: watched((one) => void converseProbed(one, clock, (inner) => this.#agent.connect(inner))),
      unixctl: watched((one) => serveUnixctl(one, this.#commands)),
    })
    this.#watch(channel)
  }

  #acceptSnooper(channel: Channel): void {
    this.#snoops.serve(channel)
    this.#watch(channel)
  }

  /** Remembers the channel until it closes. */
  #watch(channel: Channel): void {
    this.#channels.add(channel)
    const before = channel.onClose
    channel.onClose = () => {
      this.#channels.delete(channel)
      before()
    }
  }

  /** Forwards normally once all controllers have been away for long enough; as soon as one is back, no more. */
  #watchFailMode(): void {
    const { clock, failMode } = this.#options
    if (failMode !== 'standalone' || this.#stopped) return
    if (this.connected > 0) {
      this.#patience?.cancel()
      this.#patience = undefined
      this.#forwardAlone(false)
    } else this.#patience ??= clock.schedule(clock.now() + STANDALONE_AFTER, () => this.#forwardAlone(true))
  }

  #forwardAlone(alone: boolean): void {
    if (this.#alone === alone || this.#stopped) return
    this.#alone = alone
    applyChanges(this.device, [{ ...ALONE, command: alone ? 'add' : 'delete-strict' }])
    const { log } = this.#options
    if (alone) log(`no controller for ${STANDALONE_AFTER / SECOND} s: forwarding as a learning switch`)
    else log('a controller is there: only its flows forward again')
  }
}

/** Above the flows that controllers make, table-miss flows among them: Open vSwitch's FAIL_OPEN_PRIORITY (ofproto/fail-open.h). */
const ALONE: FlowMod = {
  type: 'flowMod',
  command: 'add',
  table: 0,
  priority: 0xf0f0,
  match: [],
  cookie: 0n,
  cookieMask: 0n,
  idleTimeout: 0,
  hardTimeout: 0,
  flags: {},
  instructions: { apply: [{ type: 'output', port: ReservedPort.Normal }], clear: false, write: [] },
}

/** What the system refuses is told with the place where it did so, as of a file. */
async function at<T>(place: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (error instanceof Error && 'code' in error && !('path' in error)) Object.assign(error, { path: place })
    throw error
  }
}
