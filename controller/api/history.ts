// Who did what, and copies of everything.

import { createReadStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Type } from 'typebox'
import type { Forgotten, JournalEntry } from '../../runtime/store.ts'
import type { Controller } from '../controller.ts'
import { Conflict } from '../model.ts'
import type { State } from '../state/state.ts'
import type { Api } from './api.ts'
import { WrongInput } from './errors.ts'
import { closed, count, optional, text, whole } from './schemas.ts'

const MOST = 1000
const DEFAULT = 100

const Entry = closed({
  number: whole(1, Number.MAX_SAFE_INTEGER, 'Each has the next one.'),
  at: text('When, as 2026-11-21T18:00:00.000Z.'),
  by: text('Who: the name of a token, `local` where none is asked for, or a switch.'),
  operation: text('What.'),
  arguments: Type.Unknown({ description: 'What with.' }),
  result: optional(text('`ok`, or what went wrong; absent for as long as it is under way.')),
})

const History = closed({
  entries: Type.Array(Entry, { description: 'Newest first.' }),
  whole: optional(
    closed(
      {
        after: whole(1, Number.MAX_SAFE_INTEGER, 'Number of the last entry that is not kept.'),
        since: text('Its time.'),
      },
      { description: 'Older entries are not kept any more (--journal-keep): after this it is whole.' },
    ),
  ),
  next: optional(count('There are more: ask for those before this number.')),
})
export type History = Type.Static<typeof History>

const Query = closed({
  since: optional(text('Nothing from before this time, as 2026-11-21T18:00:00Z.')),
  before: optional(whole(1, Number.MAX_SAFE_INTEGER, 'Only entries of numbers below this one.')),
  limit: optional(whole(1, MOST, `At most so many: the newest. Default: ${DEFAULT}.`)),
})

export function historyRoutes(api: Api, controller: Controller): void {
  api.get(
    '/history',
    {
      schema: {
        tags: ['state'],
        summary: 'Every change, and every one that was refused: who, when, what, and what became of it',
        querystring: Query,
        response: { 200: History },
      },
    },
    async ({ query: { since, before, limit = DEFAULT } }) => {
      const query = { ...(since !== undefined && { since: timeOf(since) }), ...(before !== undefined && { before }) }
      // One more than is asked for tells whether there are more.
      const state = stateOf(controller)
      const found = await state.journal({ ...query, limit: limit + 1 })
      const entries = found.slice(0, limit).map(written)
      const forgotten = await state.forgotten()
      return {
        entries,
        ...(forgotten && { whole: wholeAfter(forgotten) }),
        ...(found.length > limit && { next: entries.at(-1)!.number }),
      }
    },
  )
  api.post(
    '/backup',
    {
      schema: {
        tags: ['state'],
        summary: 'A copy of all that the controller keeps, as a file with which another can start',
        response: {
          200: {
            description: 'A file for --state.',
            content: { 'application/vnd.sqlite3': { schema: Type.String() } },
          },
        },
      },
    },
    async (_request, reply) => {
      const folder = await mkdtemp(join(tmpdir(), 'signalbox-backup-'))
      const file = join(folder, 'state.db')
      reply.raw.on('close', () => void rm(folder, { recursive: true, force: true }))
      await stateOf(controller).backup(file)
      return reply.type('application/vnd.sqlite3').send(createReadStream(file) as unknown as string)
    },
  )
}

function stateOf({ state }: Controller): State {
  if (state === undefined) throw new Conflict('this controller keeps nothing: it was started without --state FILE')
  return state
}

export const written = ({ at, ...entry }: JournalEntry): Type.Static<typeof Entry> => ({
  ...entry,
  at: new Date(at).toISOString(),
})

export const wholeAfter = ({ through, at }: Forgotten) => ({ after: through, since: new Date(at).toISOString() })

function timeOf(since: string): number {
  const time = Date.parse(since)
  if (!Number.isNaN(time)) return time
  throw new WrongInput('No such time', [
    { detail: `since: '${since}' is no time; expected one as 2026-11-21T18:00:00Z` },
  ])
}
