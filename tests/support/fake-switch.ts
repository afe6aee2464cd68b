// A switch as the controller sees it, without a datapath: keeps what it is told, in order, and can be told to fail.

import { Connection } from '../../protocols/control/connection.ts'
import type {
  BundleCommand,
  BundledMessage,
  FlowSpec,
  FlowStatistics,
  HeldFrame,
  Message,
  MessageOf,
  MeterBand,
  PortConfig,
  PortDescription,
} from '../../protocols/control/messages.ts'
import { flowKey } from '../../controller/reconcile/switch-state.ts'
import type { Controller } from '../../controller/controller.ts'
import type { Channel } from '../../runtime/transport.ts'
import { memoryChannelPair } from '../../runtime/transport.ts'
import type { Clock } from '../../runtime/clock.ts'

export const LATENCY = 1000

const UPLINK: PortConfig = { number: 1, name: 'uplink', type: 'uplink', state: 'open' }

export class FakeSwitch {
  readonly name: string
  readonly clock: Clock
  ports = new Map<string, PortConfig>([[UPLINK.name, UPLINK]])
  flows = new Map<string, FlowSpec>()
  meters = new Map<number, MeterBand[]>()
  held = new Map<string, HeldFrame[]>()
  /** Of whoever claimed to be its primary last. */
  generation = -1n
  /** Frames handed over to ports. */
  delivered: HeldFrame[] = []
  packetsOut = 0
  /** Every change that took effect, oldest first; changes of one bundle as one entry. */
  history: BundledMessage[][] = []
  /** Messages received so far. */
  received = 0
  /** Hangs up instead of hearing the message of this number. */
  hangUpAt = Infinity
  /** Called for each message, before it is heard. */
  onReceived: (message: Message) => void = () => {}
  /** Never answers such a message. */
  ignores: (message: Message) => boolean = () => false
  /** Refuses a bundle that holds such a change. */
  refuses: (change: BundledMessage) => boolean = () => false
  /** Whether it carries out the next packet-out; it refuses where not. */
  onPacketOut: () => boolean = () => true
  /** Called for each change that takes effect. */
  onChange: (change: BundledMessage) => void = () => {}
  #connection: Connection | undefined
  #channel: Channel | undefined
  readonly #handed = new Set<string>()
  #lastKept = 0
  #bundles = new Map<number, { xid: number; change: BundledMessage }[]>()

  constructor(name: string, clock: Clock) {
    this.name = name
    this.clock = clock
  }

  get connected(): boolean {
    return this.#connection !== undefined && !this.#connection.closed
  }

  /** From now on the port keeps these, in place of what it kept: its own, where they are not those of another switch. */
  keep(port: string, frames: readonly (Pick<HeldFrame, 'id' | 'bytes'> & Partial<HeldFrame>)[]): void {
    const kept = frames.map((frame) => ({ origin: this.name, sequence: frame.sequence ?? ++this.#lastKept, ...frame }))
    this.held.set(port, kept)
  }

  /** Its process was killed: it has nothing of what it was told. */
  startAnew(): void {
    this.ports = new Map([[UPLINK.name, UPLINK]])
    this.flows.clear()
    this.meters.clear()
    this.held.clear()
    this.#handed.clear()
  }

  dial(controller: Controller): void {
    const [near, far] = memoryChannelPair(this.clock, { latency: LATENCY, names: [this.name, 'controller'] })
    controller.accept(far)
    this.speak(near)
  }

  /** Begins to speak with the controller at the other end. */
  speak(channel: Channel): void {
    const connection = new Connection(channel)
    this.#channel = channel
    this.#connection = connection
    this.#bundles.clear()
    connection.onMessage = (message, xid) => this.#receive(connection, message, xid)
    connection.send({ type: 'hello', version: 1 })
  }

  hangUp(): void {
    this.#connection?.close()
    this.#channel?.close()
  }

  say(message: Message): void {
    this.#connection?.send(message, 0)
  }

  #receive(connection: Connection, message: Message, xid: number): void {
    if (connection !== this.#connection) return
    if (++this.received === this.hangUpAt) return this.hangUp()
    this.onReceived(message)
    if (connection.closed || this.ignores(message)) return
    const reply = (answer: Message) => connection.send(answer, xid)
    switch (message.type) {
      case 'featuresRequest': {
        const ports = [...this.ports.values()].map(descriptionOf)
        const host = this.name.split('/')[0]!
        return void reply({ type: 'featuresReply', datapathId: 1n, name: this.name, host, tables: 254, ports })
      }
      case 'flowStatisticsRequest':
        return void reply({ type: 'flowStatisticsReply', flows: this.#counted(message.filter), more: false })
      case 'meterConfigRequest': {
        const meters = [...this.meters].map(([meter, bands]) => ({ meter, bands }))
        return void reply({ type: 'meterConfigReply', meters })
      }
      case 'roleRequest':
        if (message.generationId < this.generation)
          return connection.sendError({ code: 'OFPRRFC_STALE', message: 'there was a later one' }, xid)
        this.generation = message.generationId
        return void reply({ type: 'roleReply', role: message.role, generationId: message.generationId })
      case 'portStatisticsRequest':
        return void reply({ type: 'portStatisticsReply', ports: [] })
      case 'barrierRequest':
        return void reply({ type: 'barrierReply' })
      case 'bundleAdd':
        return void this.#bundles.get(message.bundle)!.push({ xid, change: message.message })
      case 'bundleControl':
        return this.#control(connection, message.bundle, message.command, xid)
      case 'heldFramesRequest': {
        const { port, after } = message
        const frames = (this.held.get(port) ?? []).filter((one) => one.origin !== this.name || one.sequence > after)
        return void reply({ type: 'heldFramesReply', port, frames, overflowed: 0, more: false })
      }
      case 'vnicStateRequest': {
        const { port } = message
        const nothing = { meters: [], addresses: [], connections: [], fragments: [] }
        return void reply({ type: 'vnicStateReply', port, ...nothing, more: false })
      }
      case 'deliverFrames':
        return this.#deliver(message)
      case 'forgetFrames':
        return this.#forget(message.port, message.upTo)
      case 'packetOut':
        if (this.onPacketOut()) this.packetsOut++
        else connection.sendError({ code: 'OFPBAC_BAD_OUT_PORT', field: 'actions', message: 'no' }, xid)
        return
      default:
    }
  }

  /** Those that the filter's match and cookie are for. */
  #counted({ match, cookie, cookieMask }: MessageOf<'flowStatisticsRequest'>['filter']): FlowStatistics[] {
    const isMeant = (flow: FlowSpec) =>
      (flow.cookie & cookieMask) === cookie &&
      match.every(({ field, value }) => flow.match.some((part) => part.field === field && part.value === value))
    const counters = { duration: 0n, idleAge: 0n, packets: 0n, bytes: 0n }
    return [...this.flows.values()].filter(isMeant).map((flow) => ({ ...flow, ...counters }))
  }

  #forget(port: string, upTo: number): void {
    const kept = this.held.get(port) ?? []
    this.held.set(
      port,
      kept.filter(({ sequence }) => sequence > upTo),
    )
  }

  /** As a switch does: what it has had is passed over, and its own are moved or forgotten. */
  #deliver({ port, frames, upTo }: MessageOf<'deliverFrames'>): void {
    const own = this.held.get(port) ?? []
    const has = (frame: HeldFrame) => own.some((one) => one.sequence === frame.sequence)
    const fresh = frames.filter((frame) => {
      const key = `${frame.origin} ${frame.sequence}`
      if (this.#handed.has(key) || (frame.origin === this.name && !has(frame))) return false
      this.#handed.add(key)
      return true
    })
    this.delivered.push(...fresh)
    this.#forget(port, upTo)
  }

  #control(connection: Connection, bundle: number, command: BundleCommand, xid: number): void {
    const changes = this.#bundles.get(bundle) ?? []
    if (command === 'open') this.#bundles.set(bundle, [])
    const blamed = command === 'commit' ? changes.find(({ change }) => this.refuses(change)) : undefined
    if (blamed) {
      connection.sendError({ code: 'OFPBAC_BAD_ARGUMENT', field: 'message.instructions', message: 'no' }, blamed.xid)
      return connection.sendError({ code: 'OFPBFC_MSG_FAILED', message: 'no' }, xid)
    }
    if (command === 'commit') this.#apply(changes.map(({ change }) => change))
    connection.send({ type: 'bundleControlReply', bundle, command }, xid)
  }

  #apply(changes: BundledMessage[]): void {
    this.history.push(changes)
    for (const change of changes) {
      this.#applyOne(change)
      this.onChange(change)
    }
  }

  #applyOne(change: BundledMessage): void {
    const remove = 'command' in change && change.command.startsWith('delete')
    switch (change.type) {
      case 'portMod':
        if (remove) this.ports.delete(change.port.name)
        else this.ports.set(change.port.name, change.port)
        return
      case 'meterMod':
        if (remove) this.meters.delete(change.meter)
        else this.meters.set(change.meter, change.bands)
        return
      case 'flowMod': {
        const { type: _t, command: _c, cookieMask: _m, outPort: _o, ...flow } = change
        if (remove) this.flows.delete(flowKey(flow))
        else this.flows.set(flowKey(flow), flow)
        return
      }
      default:
      // What else a bundle may hold, our controller does not send.
    }
  }
}

const descriptionOf = (port: PortConfig): PortDescription => ({
  ...port,
  mac: port.mac ?? BigInt(port.number),
  linkUp: true,
  flags: {},
})
