// A bridge of Open vSwitch and a switch of ours that are sent the same bytes of OpenFlow and the same frames, and what each answers.

import type { Socket } from 'node:net'
import { createConnection } from 'node:net'
import { Agent } from '../../../datapath/control/agent.ts'
import type { Message } from '../../../protocols/control/messages.ts'
import { ReservedPort } from '../../../protocols/control/messages.ts'
import { ErrorType, errorWith } from '../../../protocols/control/error-codes.ts'
import type { Match } from '../../../protocols/match.ts'
import { decodeOpenFlow, encodeOpenFlow } from '../../../protocols/openflow/codec.ts'
import { OpenFlowConnection } from '../../../protocols/openflow/connection.ts'
import { MessageReader } from '../../../protocols/openflow/framing.ts'
import { HELLO, RawChannel } from '../../support/openflow-ends.ts'
import type { TestSwitch } from '../../support/test-switch.ts'
import { testSwitch } from '../../support/test-switch.ts'
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
    this.#wire.close()
    await this.#twin.stop()
  }

  /** Makes both as new, and greets them. */
  async reset(): Promise<void> {
    this.#wire.close()
    this.#wire = await BridgeWire.to(this.#twin.management)
    await this.#wire.ask(EMPTY.flatMap(bytesFor))
    await this.#twin.forget()
    await this.#twin.command('dpctl/flush-conntrack')
    this.#ours = new OurSide(this.#ports)
    await this.ask(GREETING.flatMap((message, index) => encodeOpenFlow({ xid: 1 + index, message })))
  }

  /** Sends both the same bytes: whole messages. */
  async ask(messages: readonly Uint8Array[]): Promise<Sides<Answer>> {
    const theirs = { messages: await this.#wire.ask(messages), copies: this.#twin.copies() }
    return { ours: this.#ours.ask(messages), theirs }
  }

  /** Lets the frame come in on both. */
  async receive(bytes: Uint8Array, port: number): Promise<Sides<Answer>> {
    const copies = await this.#twin.receive(bytes, port)
    const theirs = { messages: await this.#wire.ask([]), copies }
    return { ours: this.#ours.receive(bytes, port), theirs }
  }
}

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
  readonly #channel = new RawChannel()

  constructor(ports: readonly number[]) {
    const local = { number: ReservedPort.Local, name: 'local', type: 'local' } as const
    this.#switch = testSwitch([...ports.map((number) => ({ number })), local])
    this.#agent = new Agent(this.#switch.sw)
    this.#agent.converse(new OpenFlowConnection(this.#channel), 'openflow')
    this.#channel.onData(HELLO)
    this.#channel.sent.splice(0)
  }

  ask(messages: readonly Uint8Array[]): Answer {
    for (const message of messages) {
      this.#channel.onData(message)
      this.#publish()
    }
    return this.#answer(this.#switch.heard())
  }

  receive(bytes: Uint8Array, port: number): Answer {
    return this.#answer(this.#switch.receive(bytes, port))
  }

  #publish(): void {
    for (const message of this.#switch.messages.splice(0)) this.#agent.publish(message)
  }

  #answer(heard: string[]): Answer {
    this.#publish()
    const messages = this.#channel.sent.splice(0).filter((message) => message[1] !== FLOW_REMOVED)
    return { messages, copies: byPort(heard.filter((line) => !line.startsWith('drop'))) }
  }
}

/** Copies that left, in the order of the ports and then of leaving. */
export const byPort = (copies: readonly string[]): string[] =>
  copies.toSorted((a, b) => Number.parseInt(a) - Number.parseInt(b))

// ---- theirs ------------------------------------------------------------------------------------------------------

/** Open vSwitch tells of removed flows when it comes to it. */
const FLOW_REMOVED = 11
const BARRIER_REPLY = 21
/** Numbers that no test gives its own messages. */
const FIRST_BARRIER = 0xf0000000

/** A connection with the bridge as `ovs-ofctl` has it. */
class BridgeWire {
  readonly #socket: Socket
  readonly #reader = new MessageReader()
  #heard: Uint8Array[] = []
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
    if (this.#socket.destroyed) throw new Error('the bridge hung up')
    const xid = ++this.#barrier
    const done = new Promise<void>((resolve, reject) => void (this.#waiting = { xid, resolve, reject }))
    const barrier = encodeOpenFlow({ xid, message: { type: 'barrierRequest' } })
    this.#socket.write(Buffer.concat([...messages, ...barrier]))
    await done
    return this.#heard.splice(0)
  }

  #take(bytes: Buffer): void {
    for (const message of this.#reader.push(Uint8Array.from(bytes))) {
      if (message[1] === BARRIER_REPLY && Buffer.from(message).readUInt32BE(4) === this.#waiting?.xid) {
        this.#waiting.resolve()
        this.#waiting = undefined
      } else if (message[1] !== 0 && message[1] !== FLOW_REMOVED) this.#heard.push(message.slice())
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
