// START HERE. A switch: frames come in at a port, and leave through others, go up to the controller, or end under a name.
//
//   receive -> flow-key.ts      what look-ups see of a frame
//           -> pipeline.ts      what becomes of it, table by table (flow-tables.ts, normal.ts)
//           -> run-actions.ts   done to its bytes (rewrite.ts, tunnels.ts, meters.ts)
//           -> a port (ports.ts) that lets it out, holds it, or is closed

import type { Clock } from '../runtime/clock.ts'
import type { Action, Message, PortConfig } from '../protocols/control/messages.ts'
import { FIELDS, KEY_WORDS, Word } from '../protocols/fields.ts'
import type { Match } from '../protocols/match.ts'
import type { DropReason } from './drops.ts'
import { DROP_REASONS } from './drops.ts'
import type { Flow } from './flow.ts'
import { statisticsOf } from './flow.ts'
import type { FlowKey } from './flow-key.ts'
import { ETHERNET_HEADER_SIZE, extractKey, readField } from './flow-key.ts'
import { FlowTables } from './flow-tables.ts'
import type { FrameArena, FrameHandle } from './frames.ts'
import { MacTable } from './mac-table.ts'
import { MeterTable } from './meters.ts'
import { payloadLength } from './payload-length.ts'
import { translate, translateActions } from './pipeline.ts'
import type { Translation } from './pipeline-translation.ts'
import type { Port } from './ports.ts'
import { PortTable } from './ports.ts'
import type { ActionSink, ControllerAction, Output, TunnelOutput } from './run-actions.ts'
import { runActions } from './run-actions.ts'
import { NotReceived, encapsulate, outer } from './tunnels.ts'
import { VXLAN_PORT } from '../protocols/packet/vxlan.ts'

const DEFAULT_TTL = 64

/** How often one frame may come back by way of patch ports, nested and in all: the pipeline's own limits (pipeline.ts). */
const MAX_RETURNS_NESTED = 64
const MAX_RETURNS = 4096

export interface SwitchOptions {
  name: string
  host: string
  datapathId: bigint
  arena: FrameArena
  clock: Clock
  events: SwitchEvents
  /** Flows that fit, in all tables; 1,000,000 where absent. */
  maxFlows?: number
}

/** What the world outside hears of a switch. */
export interface SwitchEvents {
  /** A frame leaves through the port. The receiver owns it. */
  transmit(port: Port, frame: FrameHandle): void
  /** A copy of a frame ends here. The switch releases it afterwards. */
  drop(frame: FrameHandle, reason: DropReason, at: DropPlace): void
  /** Called when a copy is about to leave through the port, or is held there: which flow sent it, and which flows it met on its way. */
  output?(frame: FrameHandle, port: Port, flow: Flow | undefined, hits: readonly Flow[]): void
  /** For the controllers: packetIn, flowRemoved, portStatus. */
  message(message: Message): void
}

export interface DropPlace {
  switch: Switch
  port?: Port
  flow?: Flow
}

export class Switch {
  readonly name: string
  readonly host: string
  readonly datapathId: bigint
  readonly arena: FrameArena
  readonly clock: Clock
  readonly ports: PortTable
  readonly tables: FlowTables
  readonly meters = new MeterTable()
  readonly macTable = new MacTable()
  /** Copies of frames that ended here, by reason. */
  readonly drops = Object.fromEntries(Object.keys(DROP_REASONS).map((reason) => [reason, 0])) as Record<
    DropReason,
    number
  >

  readonly #events: SwitchEvents
  readonly #key: FlowKey = new Uint32Array(KEY_WORDS)
  readonly #sink: ActionSink
  /** Frames on their way through this switch now, each come back by the one before, and how many came back in all. */
  #nesting = 0
  #returns = 0

  constructor({ name, host, datapathId, arena, clock, events, maxFlows = 1_000_000 }: SwitchOptions) {
    this.name = name
    this.host = host
    this.datapathId = datapathId
    this.arena = arena
    this.clock = clock
    this.#events = events
    this.ports = new PortTable(arena, {
      changed: (reason, port, before) => this.#portChanged(reason, port, before),
      transmit: (port, frame) => this.#transmit(frame, port),
      discard: (port, frame, reason) => this.#dropAtPort(frame, reason, port),
    })
    this.tables = new FlowTables({
      clock,
      maxFlows,
      meterExists: (meter) => this.meters.has(meter),
      removed: (flow, reason) => this.#flowRemoved(flow, reason),
    })
    this.#sink = {
      leave: (frame, output, hits) => this.#leave(frame, output, hits),
      end: (frame, reason, flow) => this.#drop(frame, reason, undefined, flow),
      toController: (frame, action) => this.#packetIn(frame, action),
    }
  }

  /** Frames that come in at a port. They are the switch's from here on; each copy leaves or is dropped exactly once. */
  receive(frames: ArrayLike<FrameHandle>, count: number, port: number): void {
    const ingress = this.ports.byNumber(port)
    for (let index = 0; index < count; index++) this.#receiveOne(frames[index], port, ingress)
  }

  /** VXLAN frames from the host's own network stack: they come in at the tunnel ports that take them. */
  receiveTunnelled(frames: ArrayLike<FrameHandle>, count: number): void {
    for (let index = 0; index < count; index++) this.#receiveFromTunnel(frames[index])
  }

  /** A frame that the controller sends, as though it had come in at `inPort`. Takes ownership. */
  inject(frame: FrameHandle, inPort: number, actions: readonly Action[]): void {
    if (this.arena.length[frame] < ETHERNET_HEADER_SIZE) return this.#drop(frame, 'malformed')
    extractKey(this.arena, frame, inPort, this.#key)
    this.#carryOut(frame, translateActions(this, this.#key, actions, this.clock.now()))
  }

  /** Stops what it does of its own accord: no flow expires any more. */
  close(): void {
    this.tables.close()
  }

  #receiveOne(frame: FrameHandle, number: number, port: Port | undefined): void {
    if (!this.#admit(frame, port)) return
    extractKey(this.arena, frame, number, this.#key)
    this.#forward(frame)
  }

  #receiveFromTunnel(frame: FrameHandle): void {
    const number = this.ports.tunnels.receive(this.arena, frame)
    if (number < 0) return this.#drop(frame, number === NotReceived.Unknown ? 'unknown_tunnel' : 'invalid_tunnel')
    if (!this.#admit(frame, this.ports.byNumber(number))) return
    extractKey(this.arena, frame, number, this.#key)
    this.#key[Word.tunnelId + 1] = outer.vni
    this.#key[Word.tunnelSource] = outer.source
    this.#key[Word.tunnelDestination] = outer.destination
    this.#forward(frame)
  }

  /** Counts the frame; false where it may not come in and was dropped. */
  #admit(frame: FrameHandle, port: Port | undefined): boolean {
    const reason = this.#refusal(frame, port)
    if (port) countReceived(port, this.arena.length[frame], reason !== undefined)
    if (reason !== undefined) this.#drop(frame, reason, port)
    return reason === undefined
  }

  #refusal(frame: FrameHandle, port: Port | undefined): DropReason | undefined {
    if (port === undefined) return 'unknown_port'
    if (port.config.state !== 'open') return 'inactive_binding'
    if (!port.linkUp) return 'link_down'
    return this.arena.length[frame] < ETHERNET_HEADER_SIZE ? 'malformed' : undefined
  }

  /** Patch ports hand a frame on at once, so where bridges are joined in a ring it comes back before this has ended. */
  #forward(frame: FrameHandle): void {
    if (this.#nesting === 0) this.#returns = 0
    else if (this.#nesting > MAX_RETURNS_NESTED) return this.#drop(frame, 'recursion_too_deep')
    else if (++this.#returns > MAX_RETURNS) return this.#drop(frame, 'too_many_resubmit')
    this.#nesting++
    try {
      this.#carryOut(frame, translate(this, this.#key, this.clock.now()))
    } finally {
      this.#nesting--
    }
  }

  #carryOut(frame: FrameHandle, { actions, hits, learned }: Translation): void {
    const now = this.clock.now()
    const length = this.arena.length[frame]
    for (const flow of hits) {
      flow.packets++
      flow.bytes += length
      flow.usedAt = now
    }
    for (const { vlan, mac, port } of learned) this.macTable.learn(vlan, mac, port, now)
    runActions(frame, actions, hits, { arena: this.arena, meters: this.meters, clock: this.clock, sink: this.#sink })
  }

  #leave(frame: FrameHandle, output: Output, hits: readonly Flow[]): void {
    const port = this.ports.byNumber(output.port)
    if (port === undefined) return this.#drop(frame, 'unknown_port', undefined, output.flow)
    const reason = this.#obstacle(frame, port, output)
    if (reason !== undefined) return this.#dropAtPort(frame, reason, port, output.flow)
    const holds = port.config.state === 'hold'
    if (holds && !this.ports.hold(port, frame)) return this.#dropAtPort(frame, 'hold_overflow', port, output.flow)
    this.#events.output?.(frame, port, output.flow, hits)
    if (!holds) this.#transmit(frame, port)
  }

  /** Why the frame can not leave through the port; where it can, it has its outer headers. */
  #obstacle(frame: FrameHandle, port: Port, output: Output): DropReason | undefined {
    if (port.config.state === 'closed') return 'inactive_binding'
    if (!port.linkUp) return 'link_down'
    if (port.config.mtu !== undefined && payloadLength(this.arena, frame) > port.config.mtu) return 'mtu_exceeded'
    const fits = output.type === 'output' || this.#encapsulate(frame, port, output)
    return fits ? undefined : 'mtu_exceeded'
  }

  #encapsulate(frame: FrameHandle, port: Port, output: TunnelOutput): boolean {
    const { tunnel } = port.config
    return encapsulate(this.arena, frame, {
      localIp: output.source === 0 ? (tunnel?.localIp ?? 0) : output.source,
      remoteIp: output.destination,
      vni: Number(output.tunnelId & 0xffffffn),
      destinationPort: tunnel?.destinationPort ?? VXLAN_PORT,
      ttl: tunnel?.ttl ?? DEFAULT_TTL,
      tos: tunnel?.tos ?? 0,
    })
  }

  #transmit(frame: FrameHandle, port: Port): void {
    port.counters.sentPackets++
    port.counters.sentBytes += this.arena.length[frame]
    this.#events.transmit(port, frame)
  }

  #dropAtPort(frame: FrameHandle, reason: DropReason, port: Port, flow?: Flow): void {
    port.counters.sentDropped++
    this.#drop(frame, reason, port, flow)
  }

  #drop(frame: FrameHandle, reason: DropReason, port?: Port, flow?: Flow): void {
    this.drops[reason]++
    this.#events.drop(frame, reason, { switch: this, ...(port && { port }), ...(flow && { flow }) })
    this.arena.release(frame)
  }

  #packetIn(frame: FrameHandle, { reason, maxLength, table, cookie, key }: ControllerAction): void {
    const bytes = this.arena.read(frame)
    this.#events.message({
      type: 'packetIn',
      reason,
      table,
      cookie,
      inPort: key[Word.inPort],
      totalLength: bytes.length,
      match: metadataMatch(key),
      frame: bytes.slice(0, maxLength),
    })
  }

  #flowRemoved(flow: Flow, reason: 'idle_timeout' | 'hard_timeout' | 'delete'): void {
    if (!flow.spec.flags.sendFlowRemoved) return
    this.#events.message({ type: 'flowRemoved', reason, flow: statisticsOf(flow, this.clock.now()) })
  }

  /** What was learned of a port holds no longer when the port goes, closes or moves to another VLAN. */
  #portChanged(reason: 'add' | 'modify' | 'delete', port: Port, before: PortConfig | undefined): void {
    const closed = port.config.state === 'closed' && before?.state !== 'closed'
    if (reason === 'delete' || closed || (before && movesVlan(before, port.config))) this.macTable.flush(port.number)
    this.#events.message({ type: 'portStatus', reason, port: this.ports.describe(port) })
  }
}

function countReceived({ counters }: Port, length: number, refused: boolean): void {
  counters.receivedPackets++
  counters.receivedBytes += length
  if (refused) counters.receivedDropped++
}

const movesVlan = (before: PortConfig, after: PortConfig) =>
  before.tag !== after.tag || before.vlanMode !== after.vlanMode || before.trunks?.join() !== after.trunks?.join()

/** The pipeline's own fields of a packet-in: in_port, and of the others those that are not 0. */
function metadataMatch(key: FlowKey): Match {
  return FIELDS.filter((field) => field.word < Word.ethernetDestination)
    .map((field) => ({ field: field.name, value: readField(key, field) }))
    .filter(({ field, value }) => field === 'in_port' || value !== 0n)
}
