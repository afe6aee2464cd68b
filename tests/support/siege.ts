// A switch whose controllers say anything at all, between frames of every kind.

import type { Channel } from '../../runtime/transport.ts'
import { memoryChannelPair } from '../../runtime/transport.ts'
import type { Message } from '../../protocols/control/messages.ts'
import { ALL_TABLES } from '../../protocols/control/messages.ts'
import { applyChanges } from '../../datapath/control/handlers/changes.ts'
import { decodeEnvelope, encodeEnvelope } from '../../protocols/control/codec.ts'
import { frame as framed, FrameReader } from '../../protocols/control/framing.ts'
import { decodeOpenFlow, encodeOpenFlow } from '../../protocols/openflow/codec.ts'
import { OpenFlowConnection } from '../../protocols/openflow/connection.ts'
import { MessageReader } from '../../protocols/openflow/framing.ts'
import { Refused } from '../../protocols/control/refused.ts'
import { InvalidField } from '../../protocols/errors.ts'
import type { Dialect } from '../../datapath/control/subscription.ts'
import type { Random } from '../../runtime/random.ts'
import type { ControlledSwitch } from './controlled-switch.ts'
import { controlledSwitch } from './controlled-switch.ts'
import { damaged } from './damaged-bytes.ts'
import { damagedMessages } from './openflow-damage.ts'
import { soundly, WITHOUT_FORM } from './openflow-forms.ts'
import { LIVELY, livelyChange } from './lively-changes.ts'
import { chance, pick } from './random-flows.ts'
import { damagedFrame, randomBytes, randomFrame } from './random-frames.ts'
import { MESSAGE_TYPES, randomMessageOf } from './random-messages.ts'
import { flowMod, portConfig } from './test-switch.ts'

/** So few of both that there is no room soon: flows are refused, and answers give way to others. */
const MAX_FLOWS = 40
const MAX_MEGAFLOWS = 20
const PORTS = 6
/** Messages between two barriers. */
const BATCH = 20
/** Frames after each batch. */
const FRAMES = 4
/** Copies of the frames of a batch. */
const STORM = 5000
const BARRIER_XID = 0xfeedbeef

/** How a dialect looks on the wire. */
interface Wire {
  connect(device: ControlledSwitch, far: Channel): void
  hello(): Uint8Array[]
  /** Bytes of a message; none where the dialect does not have it. */
  encode(message: Message, xid: number): Uint8Array[]
  /** The same after an accident: another frame that ends where it says. */
  damaged(random: Random): Uint8Array
  reader(): (bytes: Uint8Array) => { message: Message; xid: number }[]
}

const SPOKEN = MESSAGE_TYPES.filter((type) => !WITHOUT_FORM.has(type))

const WIRES: Record<Dialect, (random: Random) => Wire> = {
  openflow: (random) => {
    const harm = damagedMessages(random, Infinity)
    const encode = (message: Message, xid: number) => encodeOpenFlow({ xid, message })
    return {
      connect: ({ agent }, far) => agent.converse(new OpenFlowConnection(far), 'openflow'),
      hello: () => encode({ type: 'hello', version: 4, versions: [4] }, 1),
      encode: (message, xid) => (WITHOUT_FORM.has(message.type) ? [] : encode(soundly(message), xid)),
      damaged: () => harm.next().value as Uint8Array,
      reader: () => {
        const reader = new MessageReader()
        return (bytes) => reader.push(bytes).map(decodeOpenFlow)
      },
    }
  },
  control: () => {
    const encode = (message: Message, xid: number) => [encodeEnvelope({ xid, message })]
    return {
      connect: ({ agent }, far) => void agent.connect(far),
      hello: () => encode({ type: 'hello', version: 1 }, 0).map(framed),
      encode: (message, xid) => encode(message, xid).map(framed),
      damaged: (random) => {
        const [whole] = encode(randomMessageOf(random, pick(random, MESSAGE_TYPES), LIVELY), random.uint32())
        const bytes = damaged(random, whole!)
        return framed(bytes.length === 0 ? Uint8Array.of(random.below(256)) : bytes)
      },
      reader: () => {
        const reader = new FrameReader()
        return (bytes) => reader.push(bytes).map(decodeEnvelope)
      },
    }
  },
}

export interface Outcome {
  sent: number
  /** Messages that came back, and of these errors. */
  answers: number
  errors: number
  /** Flows that a full table has refused. */
  refused: number
  /** Conversations that the switch ended. */
  closed: number
  /** Frames that came in, and copies that left or ended. */
  frames: number
  ends: number
}

export class Siege {
  readonly device: ControlledSwitch
  readonly outcome: Outcome = { sent: 0, answers: 0, errors: 0, refused: 0, closed: 0, frames: 0, ends: 0 }
  readonly #random: Random
  readonly #wire: Wire
  #channel: Channel | undefined
  #barriers = 0

  constructor(random: Random, dialect: Dialect) {
    this.#random = random
    this.#wire = WIRES[dialect](random)
    this.device = controlledSwitch({ maxFlows: MAX_FLOWS, cache: { megaflows: MAX_MEGAFLOWS } })
    for (let number = 1; number <= PORTS; number++) this.device.device.ports.add(portConfig({ number }))
  }

  /** Each batch of messages is followed by a barrier, which is answered unless the conversation has been ended. */
  async batch(): Promise<void> {
    const random = this.#random
    for (let left = BATCH; left > 0; left--) await this.#say()
    const channel = (this.#channel ??= this.#connect())
    // One whose length is a lie: nothing behind it can be read.
    const isOutOfStep = chance(random, 0.02)
    if (isOutOfStep) channel.send(randomBytes(random, 1 + random.below(30)))
    const before = this.#barriers
    for (const bytes of this.#wire.encode({ type: 'barrierRequest' }, BARRIER_XID)) channel.send(bytes)
    await this.#settle()
    if (this.#channel !== undefined && isOutOfStep) channel.close()
    else if (this.#channel !== undefined && this.#barriers === before) throw new Error('a barrier was not answered')
    const { ends } = this.outcome
    this.#frames()
    await this.#settle()
    if (chance(random, 0.01) || this.outcome.ends - ends > STORM) this.#startAfresh()
  }

  /** Ends all that goes on by itself, and gives back all frames that are kept. */
  async end(): Promise<void> {
    const { device } = this.device
    this.#channel?.close()
    await this.#settle()
    device.close()
    device.connections.close()
    device.ports.discardHeld('link_down')
  }

  /** Full tables would let nothing new in, and what multiplies frames would do nothing else from then on. */
  #startAfresh(): void {
    const { device } = this.device
    for (const { spec } of device.groups)
      applyChanges(device, [{ type: 'groupMod', command: 'delete', ...spec, buckets: [] }])
    applyChanges(device, [flowMod({ command: 'delete', table: ALL_TABLES })])
  }

  #connect(): Channel {
    const [near, far] = memoryChannelPair(this.device.clock, { latency: 1000, names: ['controller', 'switch'] })
    this.#wire.connect(this.device, far)
    const read = this.#wire.reader()
    near.onData = (bytes) => {
      for (const { message, xid } of read(bytes)) {
        this.outcome.answers++
        if (message.type === 'error') this.#refused(message.code)
        if (message.type === 'barrierReply' && xid === BARRIER_XID) this.#barriers++
      }
    }
    near.onClose = () => {
      this.#channel = undefined
      this.outcome.closed++
    }
    for (const bytes of this.#wire.hello()) near.send(bytes)
    return near
  }

  #refused(code: string): void {
    this.outcome.errors++
    if (code === 'OFPFMFC_TABLE_FULL') this.outcome.refused++
  }

  /** Half of what is said is damaged; half of the rest is of use to frames. */
  async #say(): Promise<void> {
    const random = this.#random
    const isDamaged = chance(random, 0.5)
    const channel = (this.#channel ??= this.#connect())
    for (const bytes of isDamaged ? [this.#wire.damaged(random)] : this.#sound()) channel.send(bytes)
    this.outcome.sent++
    if (isDamaged) await this.#settle()
  }

  #sound(): Uint8Array[] {
    const random = this.#random
    const message = chance(random, 0.5) ? livelyChange(random) : randomMessageOf(random, pick(random, SPOKEN), LIVELY)
    try {
      return this.#wire.encode(message, random.below(1000))
    } catch (error) {
      // A message by chance may hold what this wire has no form for.
      if (error instanceof Refused || error instanceof InvalidField || error instanceof RangeError) return []
      throw error
    }
  }

  #frames(): void {
    const { device, arena, sent, drops } = this.device
    const random = this.#random
    for (let left = FRAMES; left > 0; left--) {
      const bytes = chance(random, 0.5) ? randomFrame(random) : damagedFrame(random)
      device.receive([arena.allocateFrom(bytes)], 1, 1 + random.below(PORTS + 1))
      this.outcome.frames++
    }
    this.outcome.ends += sent.splice(0).length + drops.splice(0).length
  }

  #settle(): Promise<void> {
    const { clock } = this.device
    return clock.run(clock.now() + 5000)
  }
}
