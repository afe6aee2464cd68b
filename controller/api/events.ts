// What happens, as server-sent events (WHATWG HTML §9.2). A reader that comes back with Last-Event-ID gets what it missed; where
// we do not remember all of that, it gets a `reset`, and knows that it has to ask for everything anew. One that reads too slowly is sent
// away, to come back in the same manner.

import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { Type } from 'typebox'
import type { Log } from '../../runtime/log.ts'
import type { Controller } from '../controller.ts'
import type { ControllerEvent } from '../model.ts'
import { withoutMapping } from '../../runtime/endpoint.ts'
import { actorOf } from './actor.ts'
import type { Api } from './api.ts'
import { Busy } from './errors.ts'
import { migrationJson } from './migrations.ts'

const REMEMBERED = 1000
const HEARTBEAT_MS = 15_000
/** Bytes that may wait for a reader. */
const LARGEST_BACKLOG = 4 << 20
/** Bytes that are remembered: a reader that comes back can have them all at once. */
const LARGEST_MEMORY = LARGEST_BACKLOG >> 2

interface NumberedEvent {
  number: number
  text: string
}

export interface FeedOptions {
  /** Most readers at a time. */
  readers: number
  log: Log
}

class EventFeed {
  /** Without gaps, oldest first. */
  readonly #recent: NumberedEvent[] = []
  /** Names and addresses of the readers, for people. */
  readonly #readers = new Map<ServerResponse, string>()
  readonly #options: FeedOptions
  /** The numbers of another run of the server mean nothing to us. */
  readonly #run = randomBytes(6).toString('hex')
  #remembered = 0
  #last = 0

  constructor(options: FeedOptions) {
    this.#options = options
  }

  publish(event: ControllerEvent): void {
    const { type, ...data } =
      event.type === 'migration' ? { ...event, migration: migrationJson(event.migration) } : event
    const number = ++this.#last
    const text = this.#textOf(number, type, data)
    this.#remember({ number, text })
    this.#toAll(text)
  }

  /** @throws Busy where there are as many as there may be */
  checkRoom(): void {
    const { readers } = this.#options
    if (this.#readers.size >= readers) throw new Busy(`${readers} read the events already, and no more may`)
  }

  /** Sends the reader what came after event `seen`, where it names one, and all that comes from now on. */
  add(reader: ServerResponse, who: string, seen: string | undefined): void {
    // Gone before it was its turn: nothing would tell us of it again.
    if (reader.destroyed) return
    reader.write('retry: 1000\n\n')
    if (seen !== undefined) reader.write(this.#missedSince(seen))
    this.#readers.set(reader, who)
    reader.on('close', () => this.#readers.delete(reader))
  }

  heartbeat(): void {
    this.#toAll(': heartbeat\n\n')
  }

  close(): void {
    for (const reader of this.#readers.keys()) reader.end()
  }

  #textOf(number: number, type: string, data: object): string {
    return `id: ${this.#run}-${number}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`
  }

  #remember(event: NumberedEvent): void {
    this.#recent.push(event)
    this.#remembered += event.text.length
    while (this.#recent.length > REMEMBERED || this.#remembered > LARGEST_MEMORY)
      this.#remembered -= this.#recent.shift()!.text.length
  }

  #missedSince(seen: string): string {
    const [run, number] = seen.split('-')
    const from = Number(number)
    if (run !== this.#run) return this.#reset('the server has been started anew')
    if (!(from <= this.#last)) return this.#reset('there is no event of this id')
    const missed = this.#recent.filter((event) => event.number > from)
    if (missed.length < this.#last - from) return this.#reset('the events since are not remembered any more')
    return missed.map(({ text }) => text).join('')
  }

  #reset(reason: string): string {
    return this.#textOf(this.#last, 'reset', { reason })
  }

  #toAll(text: string): void {
    for (const [reader, who] of this.#readers) {
      if (reader.writableLength <= LARGEST_BACKLOG) reader.write(text)
      else {
        this.#options.log.warn({}, `${who} does not read its events: ${reader.writableLength} bytes wait; hung up`)
        this.#readers.delete(reader)
        reader.destroy()
      }
    }
  }
}

export function eventRoutes(api: Api, controller: Controller, options: FeedOptions): void {
  const feed = new EventFeed(options)
  const unsubscribe = controller.subscribe((event) => feed.publish(event))
  const heart = setInterval(() => feed.heartbeat(), HEARTBEAT_MS).unref()
  api.addHook('preClose', async () => {
    unsubscribe()
    clearInterval(heart)
    feed.close()
  })
  api.get(
    '/events',
    {
      schema: {
        tags: ['events'],
        summary: 'What happens from now on, as server-sent events',
        description:
          'Types: switch, host, topology, migration, relocation, flow, learned; the data is JSON. With Last-Event-ID, what came after that event comes first; where the server does not remember all of it, an event of type reset comes instead, and all that was read before has to be read anew.',
        headers: Type.Object({ 'last-event-id': Type.Optional(Type.String()) }),
        response: {
          200: { description: 'An endless stream.', content: { 'text/event-stream': { schema: Type.String() } } },
        },
      },
    },
    async (request, reply) => {
      feed.checkRoom()
      reply.hijack()
      const plain = { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-request-id': request.id }
      reply.raw.writeHead(200, plain)
      feed.add(reply.raw, `${actorOf(request)} at ${withoutMapping(request.ip)}`, request.headers['last-event-id'])
    },
  )
}
