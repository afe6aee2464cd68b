// One switch at the far end of a connection: what is asked of it, as promises.

import type { HeldFrame } from '../../protocols/control/messages.ts'
import type {
  Action,
  BundledMessage,
  FlowFilter,
  FlowStatistics,
  Message,
  MessageOf,
  PortDescription,
  MeterSpec,
  PortStatistics,
  VnicState,
} from '../../protocols/control/messages.ts'
import { ALL_TABLES, ReservedPort } from '../../protocols/control/messages.ts'
import type { Connection } from '../../protocols/control/connection.ts'
import { ConnectionClosed, ControlError } from '../../protocols/control/connection.ts'
import type { Clock } from '../../runtime/clock.ts'
import { Conflict, SwitchRefused } from '../model.ts'
import { answered } from './patience.ts'
import { noCounts } from './switch-counts.ts'

/** The switch is not connected, or went while it was asked. */
export class SwitchAway extends Conflict {
  constructor(name: string) {
    super(`${name} is not connected`)
    this.name = 'SwitchAway'
  }
}

export const EVERY_FLOW: FlowFilter = { table: ALL_TABLES, match: [], cookie: 0n, cookieMask: 0n }

/** Connections in one message: well below what a message may hold. */
const AT_ONCE = 10_000

/** Bytes of frames in one message: the same. */
const PORTION = 1 << 20

type Change = MessageOf<'packetIn' | 'portStatus' | 'flowRemoved'>
type Refusal = MessageOf<'error'>

export class RemoteSwitch {
  readonly features: MessageOf<'featuresReply'>
  /** Counts on, where somebody keeps them over connections. */
  counts = noCounts()
  /** What the switch says of its own accord. */
  onNotice: (message: Change) => void = () => {}
  /** Another controller, of a later start, is the switch's primary now. */
  onDemoted: () => void = () => {}
  onClose: () => void = () => {}
  readonly #connection: Connection
  readonly #clock: Clock
  readonly #ports: Map<string, PortDescription>
  #lastBundle = 0
  /** Errors to messages that await no reply, by the message's xid. */
  #refusals = new Map<number, Refusal>()

  /** `early`: what it has said behind its features. */
  constructor(
    connection: Connection,
    clock: Clock,
    features: MessageOf<'featuresReply'>,
    early: readonly Message[] = [],
  ) {
    this.#connection = connection
    this.#clock = clock
    this.features = features
    this.#ports = new Map(features.ports.map((port) => [port.name, port]))
    for (const message of early) this.#receive(message, 0)
    connection.onMessage = (message, xid) => this.#receive(message, xid)
    connection.onClose = () => this.onClose()
  }

  get name(): string {
    return this.features.name
  }

  get closed(): boolean {
    return this.#connection.closed
  }

  close(): void {
    this.#connection.close()
  }

  /** Closes, and says why, for the log of the other end. */
  dismiss(why: string): void {
    this.#connection.sendError({ code: 'OFPHFC_EPERM', message: why }, 0)
    this.#connection.close()
  }

  /**
   * Makes all changes at once or none; resolves when they are in effect.
   * @throws SwitchRefused with the switch's own error, SwitchAway
   */
  async commit(changes: readonly BundledMessage[]): Promise<void> {
    if (changes.length === 0) return
    const bundle = ++this.#lastBundle
    this.#refusals.clear()
    const connection = this.#connection
    for (const { type } of changes) if (type === 'flowMod') this.counts.flowMessages++
    const { xids, done } = connection.batch(() => {
      const opened = connection.request({ type: 'bundleControl', bundle, command: 'open' })
      const sent = changes.map((message) => connection.send({ type: 'bundleAdd', bundle, message }))
      const committed = connection.request({ type: 'bundleControl', bundle, command: 'commit' })
      return { xids: sent, done: Promise.all([opened, committed]) }
    })
    try {
      await answered(this.#clock, connection, done)
    } catch (error) {
      const blamed = xids.map((xid) => this.#refusals.get(xid)).find((refusal) => refusal !== undefined)
      throw this.#explain(blamed ? new ControlError(blamed.code, withoutPrefix(blamed.field), blamed.message) : error)
    }
  }

  /**
   * Becomes the switch's primary, before which those of earlier starts make way (OpenFlow 1.3 §6.3.6).
   * @throws SwitchRefused OFPRRFC_STALE where it has one of a later start
   */
  async claim(generationId: bigint): Promise<void> {
    await this.#ask(this.#connection.request({ type: 'roleRequest', role: 'primary', generationId }))
  }

  async flows(filter: FlowFilter = EVERY_FLOW): Promise<FlowStatistics[]> {
    const parts = await this.#ask(this.#connection.requestAll({ type: 'flowStatisticsRequest', filter }))
    return parts.flatMap((part) => part.flows)
  }

  async meters(): Promise<MeterSpec[]> {
    return (await this.#ask(this.#connection.request({ type: 'meterConfigRequest' }))).meters
  }

  async portStatistics(): Promise<PortStatistics[]> {
    return (await this.#ask(this.#connection.request({ type: 'portStatisticsRequest' }))).ports
  }

  /**
   * What the port keeps now: of its own, frames after `after`. It keeps them, and those that come meanwhile, behind them. And how
   * many it has dropped as `hold_overflow` since it began.
   */
  async heldFrames(port: string, after = 0): Promise<{ frames: HeldFrame[]; overflowed: number }> {
    const parts = await this.#ask(this.#connection.requestAll({ type: 'heldFramesRequest', port, after }))
    return { frames: parts.flatMap((part) => part.frames), overflowed: parts.at(-1)?.overflowed ?? 0 }
  }

  /** Hands frames to a port, ahead of those it keeps of its own beyond `upTo`. */
  async deliverFrames(port: string, frames: readonly HeldFrame[], upTo: number): Promise<void> {
    for (const { items, more } of portions(frames))
      await this.#order({ type: 'deliverFrames', port, frames: items, upTo: more ? 0 : upTo })
  }

  /** What the port was handed, and of its own what came up to this frame, is somewhere else. */
  async forgetFrames(port: string, upTo: number): Promise<void> {
    await this.#order({ type: 'forgetFrames', port, upTo })
  }

  /** What the port's vNIC has gathered at the switch: the connections of `zone` where given, the levels of these meters, and more. */
  async vnicState(port: string, meters: number[], zone?: number): Promise<VnicState> {
    const request = { type: 'vnicStateRequest', port, meters, ...(zone !== undefined && { zone }) } as const
    const [first, ...others] = await this.#ask(this.#connection.requestAll(request))
    const { type: _type, more: _more, ...state } = first!
    const all = [first!, ...others]
    return {
      ...state,
      connections: all.flatMap(({ connections }) => connections),
      fragments: all.flatMap(({ fragments }) => fragments),
    }
  }

  /** Joins what the vNIC has gathered elsewhere to what it has here; connections become those of `zone`. */
  async installVnicState({ connections, fragments, ...state }: VnicState, zone?: number): Promise<void> {
    const into = { type: 'installVnicState', ...(zone !== undefined && { zone }) } as const
    const none = { port: state.port, meters: [], addresses: [], connections: [], fragments: [] }
    await this.#order({ ...into, ...none, ...state, connections: connections.slice(0, AT_ONCE) })
    for (let at = AT_ONCE; at < connections.length; at += AT_ONCE)
      await this.#order({ ...into, ...none, connections: connections.slice(at, at + AT_ONCE) })
    if (fragments.length === 0) return
    for (const { items } of portions(fragments)) await this.#order({ ...into, ...none, fragments: items })
  }

  /** Ends the connections of these zones. */
  async flushConnections(...zones: readonly number[]): Promise<void> {
    await this.#order(...zones.map((zone): Message => ({ type: 'flushConnections', filter: { zone } })))
  }

  async packetOut(frame: Uint8Array, actions: Action[]): Promise<void> {
    await this.#order({ type: 'packetOut', inPort: ReservedPort.Controller, actions, frame })
  }

  /** Sends what is answered only where it is refused, and one barrier behind all of it. */
  async #order(...messages: readonly Message[]): Promise<void> {
    if (messages.length === 0) return
    const xids = messages.map((message) => this.#connection.send(message))
    await this.#ask(this.#connection.request({ type: 'barrierRequest' }))
    const refusal = xids.map((xid) => this.#refusals.get(xid)).find((one) => one !== undefined)
    if (refusal) throw this.#explain(new ControlError(refusal.code, refusal.field, refusal.message))
  }

  async #ask<T>(reply: Promise<T>): Promise<T> {
    try {
      return await answered(this.#clock, this.#connection, reply)
    } catch (error) {
      throw this.#explain(error)
    }
  }

  /** As it last told: of its features, and since. Another controller may have changed them before this one was in charge. */
  get ports(): Iterable<PortDescription> {
    return this.#ports.values()
  }

  #explain(error: unknown): unknown {
    if (error instanceof ConnectionClosed) return new SwitchAway(this.name)
    if (!(error instanceof ControlError)) return error
    this.counts.errors++
    return new SwitchRefused(this.name, error.code, error.field, error.message)
  }

  #receive(message: Message, xid: number): void {
    switch (message.type) {
      case 'error':
        this.#refusals.set(xid, message)
        return
      case 'echoRequest':
        this.#connection.send({ type: 'echoReply', data: message.data }, xid)
        return
      case 'roleStatus':
        if (message.role === 'secondary') this.onDemoted()
        return
      case 'packetIn':
        this.counts.packetIns++
        this.onNotice(message)
        return
      case 'portStatus':
        if (message.reason === 'delete') this.#ports.delete(message.port.name)
        else this.#ports.set(message.port.name, message.port)
        this.onNotice(message)
        return
      case 'flowRemoved':
        this.onNotice(message)
        return
      default:
      // Replies have found their requests by now, and what only controllers say is nothing to a controller.
    }
  }
}

/** One at least. */
function* portions<F extends { bytes: Uint8Array }>(frames: readonly F[]): Generator<{ items: F[]; more: boolean }> {
  let items: F[] = []
  let size = 0
  for (const frame of frames) {
    if (size > PORTION) {
      yield { items, more: true }
      items = []
      size = 0
    }
    items.push(frame)
    size += frame.bytes.length
  }
  yield { items, more: false }
}

/** The blamed message came inside a bundle; its sender knows it without. */
const withoutPrefix = (field: string) => field.replace(/^message\./, '')
