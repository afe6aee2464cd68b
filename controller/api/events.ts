// What happens, as server-sent events (WHATWG HTML §9.2). A reader that comes back with Last-Event-ID gets what it missed, as
// far back as we remember; one that reads too slowly is sent away, to come back in the same manner.

import type { ServerResponse } from 'node:http'
import { Type } from 'typebox'
import type { Controller } from '../controller.ts'
import type { ControllerEvent } from '../model.ts'
import type { Api } from './api.ts'
import { migrationJson } from './migrations.ts'

const REMEMBERED = 1000
const HEARTBEAT_MS = 15_000
/** Bytes that may wait for a reader. */
const LARGEST_BACKLOG = 1 << 20

interface NumberedEvent {
  id: number
  text: string
}

class EventFeed {
  readonly #recent: NumberedEvent[] = []
  readonly #readers = new Set<ServerResponse>()
  #last = 0

  publish(event: ControllerEvent): void {
    const { type, ...data } =
      event.type === 'migration' ? { ...event, migration: migrationJson(event.migration) } : event
    const id = ++this.#last
    const text = `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`
    this.#recent.push({ id, text })
    if (this.#recent.length > REMEMBERED) this.#recent.shift()
    this.#toAll(text)
  }

  /** Sends the reader what came after event `seen`, where it names one, and all that comes from now on. */
  add(reader: ServerResponse, seen: number | undefined): void {
    reader.write('retry: 1000\n\n')
    if (seen !== undefined) for (const { text } of this.#after(seen)) reader.write(text)
    this.#readers.add(reader)
    reader.on('close', () => this.#readers.delete(reader))
  }

  heartbeat(): void {
    this.#toAll(': heartbeat\n\n')
  }

  close(): void {
    for (const reader of this.#readers) reader.end()
  }

  /** A number from ahead of us is of an earlier run of the server: then all that we remember is news. */
  #after(seen: number): NumberedEvent[] {
    return seen > this.#last ? this.#recent : this.#recent.filter(({ id }) => id > seen)
  }

  #toAll(text: string): void {
    for (const reader of this.#readers) {
      if (reader.writableLength > LARGEST_BACKLOG) reader.destroy()
      else reader.write(text)
    }
  }
}

export function eventRoutes(api: Api, controller: Controller): void {
  const feed = new EventFeed()
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
          'Types: switch, topology, migration, flow, learned; the data is JSON. With Last-Event-ID, what came after that event comes first, as far back as the server remembers.',
        headers: Type.Object({ 'last-event-id': Type.Optional(Type.Integer({ minimum: 0 })) }),
        response: {
          200: { description: 'An endless stream.', content: { 'text/event-stream': { schema: Type.String() } } },
        },
      },
    },
    async ({ headers }, reply) => {
      reply.hijack()
      reply.raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
      feed.add(reply.raw, headers['last-event-id'])
    },
  )
}
