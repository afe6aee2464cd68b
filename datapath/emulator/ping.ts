// Traffic without a capture: guests that ask for each other's address, say hello, and answer. Only frames of these
// conversations are answered; replayed traffic never is.

import { SECOND, type Clock, type Nanoseconds } from '../../runtime/clock.ts'
import type { Nic } from '../../topologies/topology.ts'
import { addressQuestion, answerFrom, answerTo, echoPair, echoRequest, type EchoPair } from './echo.ts'

export interface PingerOptions {
  clock: Clock
  /** A fresh identity for a frame. */
  nextId(): number
  /** The guest sends the frame; it will be followed under `id`. */
  send(nic: string, id: number, bytes: Uint8Array): void
}

export interface PingResult {
  from: string
  to: string
  sent: number
  received: number
  /** Why replies are missing, as far as anybody knows. */
  why?: string
}

/** How long an echo request, or the question for the address, may go unanswered. */
const TIMEOUT = SECOND

interface Conversation {
  pair: EchoPair
  identifier: number
  sequence: number
  /** Set while a question is unanswered. */
  answered: ((mac: bigint) => void) | undefined
  /** Names and places of the drops that frames of this conversation met. */
  drops: Set<string>
  /** Identities of its frames. */
  frames: number[]
}

export class Pinger {
  readonly #options: PingerOptions
  /** By frame identity: the conversation it belongs to. */
  readonly #frames = new Map<number, Conversation>()
  #lastIdentifier = 0

  constructor(options: PingerOptions) {
    this.#options = options
  }

  /** Whether the frame was made here. */
  owns(id: number): boolean {
    return this.#frames.has(id)
  }

  /** Asks for the target's MAC address, then sends `count` echo requests, `interval` apart. */
  async ping(from: Nic, to: Nic, { count, interval }: { count: number; interval: Nanoseconds }): Promise<PingResult> {
    const pair = echoPair(from, to)
    const result: PingResult = { from: from.id, to: to.id, sent: count, received: 0 }
    if (pair === undefined) return { ...result, why: 'they have no addresses of one family' }
    const identifier = (this.#lastIdentifier = (this.#lastIdentifier + 1) & 0xffff)
    const conversation: Conversation = {
      pair,
      identifier,
      sequence: 0,
      answered: undefined,
      drops: new Set(),
      frames: [],
    }
    let mac: bigint | undefined
    while (conversation.sequence < count) {
      const start = this.#options.clock.now()
      conversation.sequence++
      mac ??= await this.#ask(conversation, addressQuestion(pair))
      if (mac !== undefined && (await this.#echo(conversation, mac))) result.received++
      if (conversation.sequence < count) await this.#until(start + interval)
    }
    this.#forgetLater(conversation)
    return result.received === count ? result : { ...result, why: explanation(conversation, mac) }
  }

  /** A frame made here was heard: its receiver answers, or takes the answer. */
  hear(nic: string, id: number, bytes: Uint8Array): void {
    const conversation = this.#frames.get(id)!
    const { pair, answered, sequence } = conversation
    if (nic === pair.to.id) {
      const answer = answerTo(pair, bytes)
      if (answer !== undefined) this.#send(conversation, nic, answer)
    } else if (nic === pair.from.id && answered !== undefined) {
      const mac = answerFrom(bytes, sequence)
      if (mac !== undefined) answered(mac)
    }
  }

  dropped(id: number, reason: string, place: string): void {
    this.#frames.get(id)!.drops.add(`${reason} at ${place}`)
  }

  async #echo(conversation: Conversation, mac: bigint): Promise<boolean> {
    const { pair, identifier, sequence } = conversation
    return (await this.#ask(conversation, echoRequest(pair, mac, identifier, sequence))) !== undefined
  }

  /** Sends a question and waits for the MAC address of whoever answers; undefined where nobody does in time. */
  #ask(conversation: Conversation, question: Uint8Array): Promise<bigint | undefined> {
    const { clock } = this.#options
    return new Promise((resolve) => {
      const timer = clock.scheduleAsync(clock.now() + TIMEOUT, () => {
        conversation.answered = undefined
        resolve(undefined)
      })
      conversation.answered = (mac) => {
        conversation.answered = undefined
        timer.cancel()
        clock.scheduleAsync(clock.now(), () => resolve(mac))
      }
      this.#send(conversation, conversation.pair.from.id, question)
    })
  }

  #send(conversation: Conversation, nic: string, bytes: Uint8Array): void {
    const id = this.#options.nextId()
    this.#frames.set(id, conversation)
    conversation.frames.push(id)
    this.#options.send(nic, id, bytes)
  }

  /** Frames of the conversation may still be on their way for a while. */
  #forgetLater({ frames }: Conversation): void {
    const { clock } = this.#options
    clock.schedule(clock.now() + TIMEOUT, () => {
      for (const id of frames) this.#frames.delete(id)
    })
  }

  #until(instant: Nanoseconds): Promise<void> {
    return new Promise((resolve) => {
      this.#options.clock.scheduleAsync(instant, resolve)
    })
  }
}

function explanation({ drops, pair }: Conversation, mac: bigint | undefined): string {
  const met = drops.size === 0 ? '' : `; frames were dropped: ${[...drops].slice(0, 4).join(', ')}`
  return (mac === undefined ? `nobody answered for the address of ${pair.to.id}` : 'no echo reply') + met
}
