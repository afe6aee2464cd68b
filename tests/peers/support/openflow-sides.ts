// A bridge of Open vSwitch and a switch of ours that are sent the same bytes of OpenFlow and the same frames, and what each answers.

import type { Socket } from 'node:net'
import { createConnection } from 'node:net'
import { Agent } from '../../../datapath/control/agent.ts'
import { conntrackCommands } from '../../../datapath/vswitchd/conntrack-commands.ts'
import type { GroupMod, Message } from '../../../protocols/control/messages.ts'
import { ReservedPort } from '../../../protocols/control/messages.ts'
import { ErrorType, errorWith } from '../../../protocols/control/error-codes.ts'
import type { Match } from '../../../protocols/match.ts'
import { decodeOpenFlow, encodeOpenFlow } from '../../../protocols/openflow/codec.ts'
import { OpenFlowConnection } from '../../../protocols/openflow/connection.ts'
import { MessageReader } from '../../../protocols/openflow/framing.ts'
import type { Nanoseconds } from '../../../runtime/clock.ts'
import { MILLISECOND } from '../../../runtime/clock.ts'
import { HELLO, RawChannel } from '../../support/openflow-ends.ts'
import type { TestSwitch } from '../../support/test-switch.ts'
import { portConfig, testSwitch } from '../../support/test-switch.ts'
import { OvsTwin } from './ovs-twin.ts'

/** What a switch has said in answer to something: messages, and copies of frames that left (`2: 0102…`). */
export interface Answer {
  messages: Uint8Array[]
  copies: string[]
}

export interface Sides<T> {
  ours: T
  theirs: T
}

/** One of several controllers: what it hears until both have done what it asks. */
export interface Controller {
  /** Sends both the same bytes: whole messages. */
  ask(messages: readonly Uint8Array[]): Promise<Sides<Uint8Array[]>>
  /** Sends each bytes of its own. */
  askEach(messages: Sides<readonly Uint8Array[]>): Promise<Sides<Uint8Array[]>>
  /** Flows that either has told it to be gone since this was last asked. */
  removals(): Promise<Sides<Uint8Array[]>>
}

/** The whole frame of a table miss, and packet-ins with all that the pipeline knows. */
const GREETING: readonly Message[] = [
  { type: 'setPacketInFormat', format: 'nxt_packet_in2' },
  { type: 'setConfig', fragments: 'normal', missSendLength: 0xffff },
]

export class OpenFlowSides {
  #twin: OvsTwin
  readonly #ports: readonly number[]
  #wire: BridgeWire
  #ours: OurSide
  #joined: BridgeWire[] = []

  private constructor(twin: OvsTwin, ports: readonly number[], wire: BridgeWire) {
    this.#twin = twin
    this.#ports = ports
    this.#wire = wire
    this.#ours = new OurSide(ports)
  }

  /** Ports 1 to `ports` and LOCAL; on neither side does time pass of itself. */
  static async start(ports: number): Promise<OpenFlowSides> {
    const twin = await stoppedTwin(ports)
    const numbers = Array.from({ length: ports }, (_, index) => index + 1)
    return new OpenFlowSides(twin, numbers, await BridgeWire.to(twin.management))
  }

  /** Another Open vSwitch in the place of one that has died. */
  async restart(): Promise<void> {
    await this.stop()
    this.#twin = await stoppedTwin(this.#ports.length)
    this.#wire = await BridgeWire.to(this.#twin.management)
  }

  async stop(): Promise<void> {
    this.#hangUp()
    await this.#twin.stop()
  }

  /** Makes both as new, and greets them. */
  async reset(): Promise<void> {
    this.#hangUp()
    this.#wire = await BridgeWire.to(this.#twin.management)
    await this.#wire.ask(EMPTY.flatMap(bytesFor))
    await this.#twin.forget()
    await this.#twin.command('dpctl/flush-conntrack')
    this.#ours = new OurSide(this.#ports)
    await this.ask(GREETING.flatMap((message, index) => encodeOpenFlow({ xid: 1 + index, message })))
  }

  #hangUp(): void {
    for (const wire of [this.#wire, ...this.#joined.splice(0)]) wire.close()
  }

  /** Sends both the same bytes: whole messages. */
  ask(messages: readonly Uint8Array[]): Promise<Sides<Answer>> {
    return this.askEach({ ours: messages, theirs: messages })
  }

  /** Sends each bytes of its own. */
  async askEach(messages: Sides<readonly Uint8Array[]>): Promise<Sides<Answer>> {
    const theirs = { messages: await this.#wire.ask(messages.theirs), copies: this.#twin.copies() }
    return { ours: this.#ours.ask(messages.ours), theirs }
  }

  /** Gives both groups in words: Open vSwitch 3.1 takes selection methods on OpenFlow 1.5 only. */
  async changeGroups(groups: readonly GroupMod[]): Promise<void> {
    await this.#twin.changeGroups(groups)
    const refused = this.#ours.ask(groups.flatMap(bytesFor)).messages
    if (refused.length > 0) throw new Error(`refused: ${refused.map(told).join(', ')}`)
  }

  /** The link of a port goes up or down on both; what they say of it is not kept. */
  async setLink(port: number, up: boolean): Promise<void> {
    await this.moveLink(port, up)
    await this.ask([])
  }

  /** The link of a port goes up or down on both. */
  async moveLink(port: number, up: boolean): Promise<void> {
    await this.#twin.setLink(port, up)
    this.#ours.setLink(port, up)
  }

  /** Another port for both, beyond those that they began with. */
  async addPort(port: number): Promise<void> {
    await this.#twin.addPort(port)
    this.#ours.addPort(port)
  }

  /** Takes one away again that was added. */
  async removePort(port: number): Promise<void> {
    await this.#twin.removePort(port)
    this.#ours.removePort(port)
  }

  /** From now on the table has room for so many flows; in place of refusing more it lets others go. None: for any number. */
  async limitTable(table: number, flows: number | undefined): Promise<void> {
    await this.#twin.limitTable(table, flows)
    this.#ours.limitTable(table, flows)
  }

  /** Another controller of both, until they are made as new; it wants to hear what the first does. */
  async join(): Promise<Controller> {
    const wire = await BridgeWire.to(this.#twin.management)
    this.#joined.push(wire)
    const ours = this.#ours.join()
    const askEach: Controller['askEach'] = async (messages) => ({
      ours: ours.ask(messages.ours),
      theirs: await wire.ask(messages.theirs),
    })
    const controller: Controller = {
      ask: (messages) => askEach({ ours: messages, theirs: messages }),
      askEach,
      removals: () => this.#removalsOf(wire, ours.takeRemovals()),
    }
    await controller.ask(GREETING.flatMap(bytesFor))
    return controller
  }

  /** Lets time pass on both; from half a second up, flows whose time is up go. */
  async pass(milliseconds: number): Promise<void> {
    await this.elapse(milliseconds)
    if (milliseconds >= SWEEP) await this.look()
  }

  /** Both look for flows whose time is up, as Open vSwitch also does of itself: a frame or a change may have made one so at this instant. */
  async look(): Promise<void> {
    await this.#ours.elapse(0)
    await this.#twin.command('revalidator/wait')
  }

  /** Flows that either has told to be gone since this was last asked. Open vSwitch tells in a while, and in any order. */
  removals(): Promise<Sides<Uint8Array[]>> {
    return this.#removalsOf(this.#wire, this.#ours.takeRemovals())
  }

  async #removalsOf(wire: BridgeWire, ours: Uint8Array[]): Promise<Sides<Uint8Array[]>> {
    for (let looks = 0; wire.removals.length < ours.length && looks < PATIENCE; looks++) {
      if (looks > 0) await new Promise((resolve) => setTimeout(resolve, POLL))
      await wire.rest()
    }
    return { ours, theirs: wire.removals.splice(0) }
  }

  /** Lets the frame come in on both. */
  receive(bytes: Uint8Array, port: number): Promise<Sides<Answer>> {
    return this.receiveEach({ ours: bytes, theirs: bytes }, port)
  }

  /** Lets a frame of its own come in on each. */
  async receiveEach(bytes: Sides<Uint8Array>, port: number): Promise<Sides<Answer>> {
    await this.#twin.hand(bytes.theirs, port)
    const theirs = { messages: await this.#wire.ask([]), copies: this.#twin.copies() }
    return { ours: this.#ours.receive(bytes.ours, port), theirs }
  }

  /** Gives both a command about connections, as `ovs-appctl` does. */
  async command(name: string, ...words: string[]): Promise<Sides<string>> {
    return { theirs: await this.#twin.command(name, ...words), ours: this.#ours.command(name, words) }
  }

  /** Lets time pass on both, in milliseconds. */
  async elapse(milliseconds: number): Promise<void> {
    await this.#twin.command('time/warp', String(milliseconds))
    await this.#ours.elapse(milliseconds * MILLISECOND)
  }
}

/** Milliseconds: where less passes at a time, no case has a flow whose time could be up. */
const SWEEP = 500
/** How often, and after how many milliseconds, it is asked whether it has something to tell of a flow that is gone. */
const PATIENCE = 400
const POLL = 5

async function stoppedTwin(ports: number): Promise<OvsTwin> {
  const twin = await OvsTwin.start({ ports, caches: false })
  await twin.command('time/stop')
  return twin
}

/** Whether Open vSwitch has ended in the middle of something. */
export const isDeath = (error: unknown): boolean =>
  error instanceof Error && /ECONN|ENOENT|EPIPE|hung up/.test(error.message)

const ALL_GROUPS = 0xfffffffc
const ALL_METERS = 0xffffffff
const ANY = { cookie: 0n, cookieMask: 0n, idleTimeout: 0, hardTimeout: 0, priority: 0, flags: {}, match: [] }

const EMPTY: readonly Message[] = [
  { type: 'flowMod', command: 'delete', table: 255, ...ANY, instructions: { apply: [], clear: false, write: [] } },
  { type: 'groupMod', command: 'delete', group: ALL_GROUPS, groupType: 'all', buckets: [] },
  { type: 'meterMod', command: 'delete', meter: ALL_METERS, bands: [] },
]

const bytesFor = (message: Message) => encodeOpenFlow({ xid: 1, message })

// ---- ours --------------------------------------------------------------------------------------------------------

class OurSide {
  readonly #switch: TestSwitch
  readonly #agent: Agent
  readonly #channel: RawChannel

  constructor(ports: readonly number[]) {
    const local = { number: ReservedPort.Local, name: 'local', type: 'local' } as const
    this.#switch = testSwitch([...ports.map((number) => ({ number })), local])
    this.#agent = new Agent(this.#switch.sw)
    this.#channel = this.#dial()
  }

  #dial(): RawChannel {
    const channel = new RawChannel()
    this.#agent.converse(new OpenFlowConnection(channel), 'openflow')
    channel.onData(HELLO)
    channel.sent.splice(0)
    return channel
  }

  /** Another controller: gives what it has heard after it has asked something. */
  join() {
    const channel = this.#dial()
    return {
      ask: (messages: readonly Uint8Array[]) => {
        for (const message of messages) {
          channel.onData(message)
          channel.goOn()
          this.#publish()
        }
        return taken(channel, (message) => !isRemoval(message))
      },
      takeRemovals: () => taken(channel, isRemoval),
    }
  }

  ask(messages: readonly Uint8Array[]): Answer {
    for (const message of messages) {
      this.#channel.onData(message)
      this.#channel.goOn()
      this.#publish()
    }
    return this.#answer(this.#switch.heard())
  }

  setLink(port: number, up: boolean): void {
    this.#switch.sw.ports.setLink(`p${port}`, up)
    this.#publish()
  }

  addPort(number: number): void {
    this.#switch.sw.ports.add(portConfig({ number }))
    this.#publish()
  }

  removePort(number: number): void {
    this.#switch.sw.ports.remove(`p${number}`)
    this.#publish()
  }

  limitTable(table: number, flows: number | undefined): void {
    this.#switch.sw.tables.configure({ table, eviction: flows !== undefined, maxFlows: flows ?? ANY_NUMBER })
    this.#publish()
  }

  receive(bytes: Uint8Array, port: number): Answer {
    return this.#answer(this.#switch.receive(bytes, port))
  }

  command(name: string, words: readonly string[]): string {
    const command = conntrackCommands(this.#switch.sw)[name]
    if (command === undefined) throw new Error(`${name}: no command about connections`)
    return command.run(words)
  }

  elapse(time: Nanoseconds): Promise<void> {
    const { clock } = this.#switch
    return clock.run(clock.now() + time)
  }

  #publish(): void {
    const { messages, askedBy } = this.#switch
    for (const message of messages.splice(0)) this.#agent.publish(message, askedBy.get(message))
    askedBy.clear()
  }

  /** Flows that it has told to be gone since this was last asked. */
  takeRemovals(): Uint8Array[] {
    this.#publish()
    return taken(this.#channel, isRemoval)
  }

  #answer(heard: string[]): Answer {
    this.#publish()
    return {
      messages: taken(this.#channel, (message) => !isRemoval(message)),
      copies: byPort(heard.filter((line) => !line.startsWith('drop'))),
    }
  }
}

/** Takes what was sent over the channel and is wanted. */
function taken(channel: RawChannel, wanted: (message: Uint8Array) => boolean): Uint8Array[] {
  const sent = channel.sent.splice(0)
  channel.sent.push(...sent.filter((message) => !wanted(message)))
  return sent.filter(wanted)
}

const ANY_NUMBER = 1_000_000

/** Copies that left, in the order of the ports and then of leaving. */
export const byPort = (copies: readonly string[]): string[] =>
  copies.toSorted((a, b) => Number.parseInt(a) - Number.parseInt(b))

// ---- theirs ------------------------------------------------------------------------------------------------------

const FLOW_REMOVED = 11
const isRemoval = (message: Uint8Array) => message[1] === FLOW_REMOVED
const BARRIER_REPLY = 21
const ECHO_REQUEST = 2
const ECHO_REPLY = 3
/** Numbers that no test gives its own messages. */
const FIRST_BARRIER = 0xf0000000

const echoReply = (request: Uint8Array) => Uint8Array.from(request, (byte, at) => (at === 1 ? ECHO_REPLY : byte))

/** A connection with the bridge as `ovs-ofctl` has it. */
class BridgeWire {
  readonly #socket: Socket
  readonly #reader = new MessageReader()
  #heard: Uint8Array[] = []
  /** What it told of flows that are gone, and nobody has asked for. */
  readonly removals: Uint8Array[] = []
  #barrier = FIRST_BARRIER
  #waiting: { xid: number; resolve: () => void; reject: (error: Error) => void } | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (bytes) => this.#take(bytes))
    socket.on('error', (error) => this.#waiting?.reject(error))
    socket.on('close', () => this.#waiting?.reject(new Error('the bridge hung up')))
  }

  static async to(path: string): Promise<BridgeWire> {
    const socket = createConnection(path)
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    const wire = new BridgeWire(socket)
    await wire.ask([HELLO])
    return wire
  }

  close(): void {
    this.#socket.destroy()
  }

  /** Everything that it says until it has done what `messages` ask. */
  async ask(messages: readonly Uint8Array[]): Promise<Uint8Array[]> {
    await this.rest(messages)
    return this.#heard.splice(0)
  }

  /** Waits until it has done what `messages` ask; what it says is kept for who asks next. */
  async rest(messages: readonly Uint8Array[] = []): Promise<void> {
    if (this.#socket.destroyed) throw new Error('the bridge hung up')
    const xid = ++this.#barrier
    const done = new Promise<void>((resolve, reject) => void (this.#waiting = { xid, resolve, reject }))
    const barrier = encodeOpenFlow({ xid, message: { type: 'barrierRequest' } })
    this.#socket.write(Buffer.concat([...messages, ...barrier]))
    await done
  }

  #take(bytes: Buffer): void {
    for (const message of this.#reader.push(Uint8Array.from(bytes))) {
      if (message[1] === BARRIER_REPLY && Buffer.from(message).readUInt32BE(4) === this.#waiting?.xid) {
        this.#waiting.resolve()
        this.#waiting = undefined
      } else if (message[1] === ECHO_REQUEST) this.#socket.write(echoReply(message))
      else if (message[1] !== 0) (isRemoval(message) ? this.removals : this.#heard).push(message.slice())
    }
  }
}

// ---- as text -----------------------------------------------------------------------------------------------------

const ERROR = 1
const XID = 4
const HEADER_SIZE = 8

/** A message for people to compare: errors by their code and what they answer, all else decoded. */
export function told(bytes: Uint8Array): string {
  const view = Buffer.from(bytes)
  if (bytes[1] === ERROR) return `${view.readUInt32BE(XID)}: error ${errorName(view)}`
  const { xid, message } = decodeOpenFlow(bytes)
  return `${xid}: ${text(message.type === 'packetIn' ? { ...message, match: inAnyOrder(message.match) } : message)}`
}

function errorName(message: Buffer): string {
  const [type, code] = [message.readUInt16BE(HEADER_SIZE), message.readUInt16BE(HEADER_SIZE + 2)]
  if (type === ErrorType.Experimenter) return `${code} of 0x${message.readUInt32BE(HEADER_SIZE + 4).toString(16)}`
  return errorWith(type, code) ?? `${type}, ${code}`
}

/** Sorted, and without masks that leave nothing out: of ct_state there are 8 bits. */
const inAnyOrder = (match: Match): Match =>
  match.map(({ field, value }) => ({ field, value })).sort((a, b) => a.field.localeCompare(b.field))

export const text = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === 'bigint') return `0x${part.toString(16)}`
    return part instanceof Uint8Array ? Buffer.from(part).toString('hex') : part
  })
