import type { Conversation } from '../../protocols/control/conversation.ts'
import type {
  BundledMessage,
  FlowUpdate,
  Message,
  MessageOf,
  MessageType,
  Role,
} from '../../protocols/control/messages.ts'
import { asRefusal, Refused } from '../../protocols/control/refused.ts'
import { FlowMonitors } from '../flow-monitor.ts'
import type { Switch } from '../switch.ts'
import { answer } from './answers.ts'
import { Bundles } from './handlers/bundles.ts'
import { applyChanges, ChangeRefused } from './handlers/changes.ts'
import { deliverFrames, forgetFrames, heldFrames } from './handlers/held-frames.ts'
import { flowStatistics } from './handlers/statistics.ts'
import { installVnicState, vnicState } from './handlers/vnic-state.ts'
import type { RoleHolder, Roles } from './roles.ts'
import type { Dialect, Subscription } from './subscription.ts'
import { FIRST_SUBSCRIPTION, hears } from './subscription.ts'

/** The version of the control protocol that this switch speaks. */
export const VERSION = 1

/** Bytes that a controller has not read, above which it loses packet-ins. Open vSwitch lets it lag behind by 100 of them. */
const PACKET_IN_BACKLOG = 1 << 20

/** Bytes that a controller has not read, above which its flow monitors pause: as in Open vSwitch (ofproto/connmgr.c). */
const MONITOR_BACKLOG = 128 << 10

/** What a controller may say that asks for nothing, and what answers no request of ours. */
const NOTICES: ReadonlySet<MessageType> = new Set<MessageType>(['error', 'echoReply', 'setPacketInFormat'])

/** What a secondary controller may not do (OpenFlow 1.3 §6.3.6): change anything, or send frames. */
const CHANGES: ReadonlySet<MessageType> = new Set<MessageType>([
  'flowMod',
  'groupMod',
  'meterMod',
  'portMod',
  'portFlagsMod',
  'tableMod',
  'packetOut',
  'bundleAdd',
  'bundleControl',
  'flushConnections',
  'deliverFrames',
  'forgetFrames',
  'installVnicState',
])

export interface SessionOptions {
  device: Switch
  conversation: Conversation
  roles: Roles
  dialect: Dialect
}

/**
 * The conversation with one controller. Every message is carried out, whole, in the turn in which it arrives, so that when a
 * barrier is answered all before it is in effect. One that can not be carried out is answered with an error, and changes
 * nothing.
 */
export class Session implements RoleHolder {
  role: Role = 'equal'
  readonly #device: Switch
  readonly #conversation: Conversation
  readonly #roles: Roles
  readonly #dialect: Dialect
  readonly #bundles: Bundles
  readonly #monitors: FlowMonitors
  #subscription: Subscription
  #controllerId = 0
  /** Of use to a switch that keeps frames (OpenFlow 1.3 §7.3.2); this one only remembers it. */
  #missSendLength = 128

  constructor({ device, conversation, roles, dialect }: SessionOptions) {
    this.#device = device
    this.#conversation = conversation
    this.#roles = roles
    this.#dialect = dialect
    this.#subscription = FIRST_SUBSCRIPTION[dialect]
    this.#bundles = new Bundles(device, this, dialect)
    this.#monitors = new FlowMonitors(device.tables, this, (updates) => this.#report(updates))
    conversation.patient = true
    roles.add(this)
    conversation.onMessage = (message, xid) => this.#receive(message, xid)
    conversation.onRefused = () => this.#bundles.missed()
    conversation.onDrain = () => this.#resumeMonitors()
    conversation.send({ type: 'hello', version: VERSION })
  }

  /** Tells the controller what it did not ask for, if it is for this one. False for a packet-in that it has lost by not reading. */
  tell(message: Message): boolean {
    if (message.type === 'packetIn' && (message.controllerId ?? 0) !== this.#controllerId) return true
    if (!hears(this.#subscription, this.role, message)) return true
    if (message.type === 'packetIn' && this.#conversation.backlog > PACKET_IN_BACKLOG) return false
    this.#conversation.send(message)
    return true
  }

  demoted(generationId: bigint): void {
    this.#conversation.send({ type: 'roleStatus', role: this.role, reason: 'primary_request', generationId })
  }

  /** The connection is gone. */
  end(): void {
    this.#roles.remove(this)
    this.#monitors.close()
  }

  #report(updates: FlowUpdate[]): void {
    this.#conversation.send({ type: 'flowMonitorReply', updates, more: false }, 0)
    if (this.#monitors.paused || this.#conversation.backlog <= MONITOR_BACKLOG) return
    this.#monitors.pause()
    this.#conversation.send({ type: 'flowMonitorPaused' }, 0)
  }

  #resumeMonitors(): void {
    if (!this.#monitors.paused) return
    const updates = this.#monitors.resume()
    if (updates.length > 0) this.#conversation.send({ type: 'flowMonitorReply', updates, more: false }, 0)
    this.#conversation.send({ type: 'flowMonitorResumed' }, 0)
  }

  #receive(message: Message, xid: number): void {
    try {
      this.#handle(message, xid)
    } catch (error) {
      this.#refuse(xid, asRefusal(error))
    }
  }

  #refuse(xid: number, { code, field, message }: Refused): void {
    this.#conversation.sendError({ code, field, message }, xid)
  }

  #handle(message: Message, xid: number): void {
    if (this.role === 'secondary' && CHANGES.has(message.type))
      throw new Refused('OFPBRC_IS_SECONDARY', '', `a secondary controller does not send ${message.type}`)
    const reply = (one: Message) => this.#conversation.send(one, xid)
    switch (message.type) {
      case 'hello':
        return this.#greet(message.version)
      case 'flowMod':
      case 'groupMod':
      case 'meterMod':
      case 'portMod':
      case 'portFlagsMod':
      case 'packetOut':
        return this.#change(message, xid)
      case 'bundleAdd':
        return this.#bundles.add(message, xid)
      case 'bundleControl':
        this.#bundles.control(message, (blamed, refusal) => this.#refuse(blamed, refusal))
        return void reply({ ...message, type: 'bundleControlReply' })
      case 'flowStatisticsRequest':
        return this.#conversation.reply(flowStatistics(this.#device, message.filter), xid)
      case 'flowMonitorRequest':
        return void reply({ type: 'flowMonitorReply', updates: this.#monitors.add(message.monitors), more: false })
      case 'flowMonitorCancel':
        return this.#monitors.cancel(message.id)
      case 'heldFramesRequest':
        return this.#conversation.reply(heldFrames(this.#device, message), xid)
      case 'deliverFrames':
        return deliverFrames(this.#device, message)
      case 'forgetFrames':
        return forgetFrames(this.#device, message)
      case 'vnicStateRequest':
        return this.#conversation.reply(vnicState(this.#device, message), xid)
      case 'installVnicState':
        return installVnicState(this.#device, message)
      default:
        return this.#handleSettings(message, reply)
    }
  }

  /** What is this controller's own: its role, what it hears, and how much of it it asked for. */
  #handleSettings(message: Message, reply: (message: Message) => void): void {
    switch (message.type) {
      case 'roleRequest':
        return reply(this.#roles.request(this, message))
      case 'configRequest':
        return reply({
          type: 'configReply',
          fragments: this.#device.fragments,
          missSendLength: this.#missSendLength,
        })
      case 'setConfig':
        return this.#configure(message)
      case 'setControllerId':
        this.#controllerId = message.controllerId
        return
      case 'setAsyncConfig':
        this.#subscription = { primary: message.primary, secondary: message.secondary }
        return
      case 'asyncConfigRequest':
        return reply({ type: 'asyncConfigReply', ...this.#subscription })
      default:
        return this.#answer(message, reply)
    }
  }

  /**
   * How fragments are seen is the switch's affair, and so every controller's that may change it. As in Open vSwitch a request to
   * reassemble them, which the configuration then shows was not met, is no mistake.
   */
  #configure({ fragments, missSendLength }: MessageOf<'setConfig'>): void {
    if (fragments !== 'reassemble' && this.role !== 'secondary') this.#device.fragments = fragments
    this.#missSendLength = missSendLength
  }

  #answer(message: Message, reply: (message: Message) => void): void {
    const answered = answer(this.#device, message)
    if (answered !== undefined) answered.forEach(reply)
    else if (!NOTICES.has(message.type))
      throw new Refused('OFPBRC_BAD_TYPE', '', `a switch is not sent ${message.type}`)
  }

  #greet(version: number): void {
    if (version === VERSION) return
    const problem = `this switch speaks version ${VERSION}, not ${version}`
    this.#refuse(0, new Refused('OFPHFC_INCOMPATIBLE', 'version', problem))
    this.#conversation.close()
  }

  #change(message: BundledMessage, xid: number): void {
    try {
      applyChanges(this.#device, [message], { owner: this, xid, dialect: this.#dialect })
    } catch (error) {
      throw error instanceof ChangeRefused ? error.refusal : error
    }
  }
}
