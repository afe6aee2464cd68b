import type { Connection } from '../../protocols/control/connection.ts'
import type { BundledMessage, Message } from '../../protocols/control/messages.ts'
import type { Switch } from '../switch.ts'
import { Bundles } from './handlers/bundles.ts'
import { applyChanges, ChangeRefused } from './handlers/changes.ts'
import { features } from './handlers/features.ts'
import { deliverFrames, heldFrames } from './handlers/held-frames.ts'
import { packetOut } from './handlers/packet-out.ts'
import { flowStatistics, portStatistics } from './handlers/statistics.ts'
import { asRefusal, Refused } from '../../protocols/control/refused.ts'

/** The version of the control protocol that this switch speaks. */
export const VERSION = 1

/** What a controller may say that asks for nothing, and what answers no request of ours. */
const NOTICES: ReadonlySet<Message['type']> = new Set<Message['type']>(['error', 'echoReply'])

/**
 * The conversation with one controller. Every message is carried out, whole, in the turn in which it arrives, so that when a
 * barrier is answered all before it is in effect. One that can not be carried out is answered with an error, and changes
 * nothing.
 */
export class Session {
  readonly #device: Switch
  readonly #connection: Connection
  readonly #bundles: Bundles

  constructor(device: Switch, connection: Connection) {
    this.#device = device
    this.#connection = connection
    this.#bundles = new Bundles(device)
    connection.onMessage = (message, xid) => this.#receive(message, xid)
    connection.onRefused = () => this.#bundles.missed()
    connection.send({ type: 'hello', version: VERSION })
  }

  /** Tells the controller what it did not ask for. */
  tell(message: Message): void {
    this.#connection.send(message)
  }

  #receive(message: Message, xid: number): void {
    try {
      this.#handle(message, xid)
    } catch (error) {
      this.#refuse(xid, asRefusal(error))
    }
  }

  #refuse(xid: number, { code, field, message }: Refused): void {
    this.#connection.sendError({ code, field, message }, xid)
  }

  #handle(message: Message, xid: number): void {
    const reply = (answer: Message) => this.#connection.send(answer, xid)
    switch (message.type) {
      case 'hello':
        return this.#greet(message.version)
      case 'echoRequest':
        return void reply({ type: 'echoReply', data: message.data })
      case 'featuresRequest':
        return void reply(features(this.#device))
      case 'flowMod':
      case 'meterMod':
      case 'portMod':
        return this.#change(message)
      case 'barrierRequest':
        return void reply({ type: 'barrierReply' })
      case 'bundleAdd':
        return this.#bundles.add(message, xid)
      case 'bundleControl':
        this.#bundles.control(message, (blamed, refusal) => this.#refuse(blamed, refusal))
        return void reply({ type: 'bundleControlReply', bundle: message.bundle, command: message.command })
      case 'packetOut':
        return packetOut(this.#device, message)
      case 'flowStatisticsRequest':
        return flowStatistics(this.#device, message.filter).forEach(reply)
      case 'portStatisticsRequest':
        return void reply(portStatistics(this.#device))
      case 'heldFramesRequest':
        return heldFrames(this.#device, message.port).forEach(reply)
      case 'deliverFrames':
        return deliverFrames(this.#device, message)
      default:
        if (!NOTICES.has(message.type)) throw new Refused('bad_request', '', `a switch is not sent ${message.type}`)
    }
  }

  #greet(version: number): void {
    if (version === VERSION) return
    const problem = `this switch speaks version ${VERSION}, not ${version}`
    this.#refuse(0, new Refused('unsupported', 'version', problem))
    this.#connection.close()
  }

  #change(message: BundledMessage): void {
    try {
      applyChanges(this.#device, [message])
    } catch (error) {
      throw error instanceof ChangeRefused ? error.refusal : error
    }
  }
}
