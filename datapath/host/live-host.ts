// START HERE: one host as a process of its own. Its bridges are those of the emulator (host.ts); in the place of links and guests
// there are sockets (live-datapath.ts): one for all tunnels (underlay.ts), a wire for the uplink, one for each vNIC (vnic-wires.ts).
//
// It dials its controllers. To each it says which host it is (host-session.ts) and is told what to run; then every bridge dials
// them for itself. While all are away, everything goes on as it was last told.

import { formatIpv4 } from '../../protocols/address.ts'
import type { Connection } from '../../protocols/control/connection.ts'
import type { HostConfig, HostStatus } from '../../protocols/control/messages.ts'
import { Refused } from '../../protocols/control/refused.ts'
import type { Timer } from '../../runtime/clock.ts'
import { MILLISECOND, SECOND } from '../../runtime/clock.ts'
import type { Endpoint } from '../../runtime/endpoint.ts'
import { formatEndpoint } from '../../runtime/endpoint.ts'
import type { Tls } from '../../runtime/sockets.ts'
import type { Channel } from '../../runtime/transport.ts'
import { openWire } from '../../runtime/wires/open.ts'
import type { WireSpec } from '../../runtime/wires/wire.ts'
import { Reconnect } from '../control/reconnect.ts'
import { beginHostSession } from './host-session.ts'
import type { LiveDatapathOptions } from './live-datapath.ts'
import { LiveDatapath } from './live-datapath.ts'
import { VnicWires } from './vnic-wires.ts'
import { textOf } from '../../runtime/error-text.ts'

export interface LiveHostOptions extends Omit<LiveDatapathOptions, 'wireOf'> {
  /** Of the topology: `h1`. */
  name: string
  controllers: readonly Endpoint[]
  tls?: Tls
  dial: (endpoint: Endpoint, tls: Tls | undefined, signal: AbortSignal) => Promise<Channel>
  /** Where the frames of VLAN networks leave for other hosts. */
  uplink?: WireSpec
  /** Called when the host has been made what a controller said. */
  configured: (status: HostStatus, bridges: readonly string[]) => void
  /** Told what is wrong; `log` where absent. */
  warn?: (line: string) => void
}

/** Controllers come back within moments, or their hosts wait for a person. */
const BACKOFF = { first: 100 * MILLISECOND, longest: 400 * MILLISECOND }
/** While another one is there, nobody waits for it. */
const UNHURRIED = 2 * SECOND
/** After how long a socket that could not be had is tried again. */
const AGAIN = 2 * SECOND

export class LiveHost {
  readonly #options: LiveHostOptions
  readonly #datapath: LiveDatapath
  readonly #wires: VnicWires
  readonly #sessions = new Set<Connection>()
  readonly #controllers: Reconnect[] = []
  #bridges: Reconnect[] = []
  #config: HostConfig = { type: 'hostConfig', generationId: 0n, bridges: [], wires: [] }
  #problem = ''
  #again: Timer | undefined
  /** The last of what controllers asked for; one is done after the other. */
  #work: Promise<unknown> = Promise.resolve()

  private constructor(options: LiveHostOptions) {
    const { clock, log } = options
    this.#options = options
    this.#wires = new VnicWires({
      clock,
      received: (vnic, bytes) => this.#datapath.fromVnic(vnic, bytes),
      changed: (vnic) => {
        this.#datapath.followLink(vnic)
        this.#tell()
      },
      log,
      warn: options.warn ?? log,
    })
    this.#datapath = new LiveDatapath({ ...options, wireOf: (vnic) => this.#wires.get(vnic) })
  }

  /** Runs the host. Rejects where its uplink can not be had. */
  static async start(options: LiveHostOptions): Promise<LiveHost> {
    const host = new LiveHost(options)
    const { uplink, controllers, log, warn = log } = options
    const datapath = host.#datapath
    if (uplink !== undefined)
      datapath.uplink = await openWire(uplink, (bytes) => datapath.fromUplink(bytes), { log, warn })
    for (const endpoint of controllers) host.#controllers.push(host.#dial(endpoint))
    return host
  }

  async stop(): Promise<void> {
    for (const connection of [...this.#controllers, ...this.#bridges]) connection.close()
    await this.#work
    this.#again?.cancel()
    for (const bridge of this.#bridges) bridge.close()
    await this.#datapath.rebuild(undefined)
    await Promise.all([this.#wires.close(), this.#datapath.uplink?.close()])
  }

  #dial(endpoint: Endpoint): Reconnect {
    const { name, log, warn = log } = this.#options
    const configure = (config: HostConfig) => this.#inTurn(() => this.#configure(config))
    return this.#reconnect(endpoint, { log, warn }, (channel, agreed) => {
      const session = beginHostSession({ channel, name, agreed, configure, log: warn })
      this.#sessions.add(session)
      session.onClose = () => this.#sessions.delete(session)
      return session
    })
  }

  #reconnect(
    endpoint: Endpoint,
    voices: { log: (line: string) => void; warn?: (line: string) => void },
    converse: (channel: Channel, agreed: () => void) => Connection,
  ): Reconnect {
    const { clock, tls, dial } = this.#options
    return new Reconnect({
      clock,
      name: formatEndpoint(endpoint),
      dial: (signal) => dial(endpoint, tls, signal),
      converse,
      changed: () => {},
      backoff: () => (this.#controllers.some((one) => one.connected) ? { ...BACKOFF, longest: UNHURRIED } : BACKOFF),
      ...voices,
    })
  }

  /** Rejects with Refused where a newer controller has spoken. */
  async #configure(config: HostConfig): Promise<HostStatus> {
    const { generationId } = this.#config
    if (config.generationId < generationId) {
      const problem = `a controller of generation ${generationId} is in charge, not one of ${config.generationId}`
      throw new Refused('OFPRRFC_STALE', 'generationId', problem)
    }
    const isOther = anatomyOf(config) !== anatomyOf(this.#config)
    this.#config = config
    if (isOther) await this.#rebuild()
    await this.#wires.set(config.wires)
    const { name, configured, log, warn = log } = this.#options
    if (config.bridges.length === 0) warn(`the controller has no host '${name}'; waiting until its topology does`)
    configured(this.#status, [...this.#datapath.bridges.keys()])
    return this.#status
  }

  /** Bridges begin anew where they, or the tunnel endpoint, are others than before. */
  async #rebuild(): Promise<void> {
    const { name, controllers } = this.#options
    const { bridges, vtep } = this.#config
    for (const bridge of this.#bridges.splice(0)) bridge.close()
    const spec = { name, bridges, ...(vtep !== undefined && { vtep }) }
    await this.#datapath.rebuild(bridges.length > 0 ? spec : undefined)
    await this.#openUnderlay()
    for (const { agent } of this.#datapath.bridges.values())
      for (const endpoint of controllers)
        this.#bridges.push(
          this.#reconnect(endpoint, { log: () => {} }, (channel, agreed) => {
            agreed()
            return agent.connect(channel)
          }),
        )
  }

  /** Without its address on this machine there are no tunnels, and all else is there; it is tried again. */
  async #openUnderlay(): Promise<void> {
    const { clock, vxlan, log, warn = log } = this.#options
    const { vtep } = this.#config
    this.#again?.cancel()
    const before = this.#problem
    this.#problem = ''
    if (vtep === undefined || this.#datapath.bridges.size === 0) return
    try {
      await this.#datapath.openUnderlay(vtep)
    } catch (error) {
      const place = `${vxlan.address ?? formatIpv4(vtep)}:${vxlan.port}`
      this.#problem = `no VXLAN at ${place}: ${textOf(error)}`
      if (this.#problem !== before) warn(this.#problem)
      this.#again = clock.scheduleAsync(clock.now() + AGAIN, () => void this.#inTurn(() => this.#openUnderlay()))
    }
    if (this.#problem !== before) this.#tell()
  }

  get #status(): HostStatus {
    return { type: 'hostStatus', wires: this.#wires.status(), problem: this.#problem }
  }

  #tell(): void {
    for (const session of this.#sessions) session.send(this.#status)
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#work.then(work, work)
    this.#work = done.catch(() => {})
    return done
  }
}

/** What bridges are made of: all but their flows and the wires. */
const anatomyOf = ({ bridges, vtep }: HostConfig): string =>
  [vtep, ...bridges.map(({ name, datapathId }) => `${name} ${datapathId}`)].join()
