import { existsSync } from 'node:fs'
import { InvalidArgumentError, type Command } from 'commander'
import type { History } from '../controller/api/history.ts'
import type { JournalQuery, Store } from '../runtime/store.ts'
import { ApiClient, clientCommand, print, type ClientFlags } from './client.ts'
import { inColumns } from './columns.ts'

type Entry = History['entries'][number]

interface Flags extends ClientFlags {
  state?: string
  since?: Date
  limit: number
}

interface Found {
  /** Oldest first. */
  entries: Entry[]
  whole: History['whole'] | undefined
}

/** What one request asks for at most. */
const PAGE = 1000
/** Characters of what a change was made with that are shown in the table. */
const WIDTH = 100

export const historyCommand = (): Command =>
  clientCommand('history')
    .summary('who changed what, when, and what became of it')
    .description('Reads the journal of a running controller, or with --state that of one that does not run.')
    .option('--state <file>', 'the state of a controller that does not run')
    .option('--since <time>', 'nothing from before: 2026-11-21T18:00, or how long ago: 90s, 30m, 12h, 7d', timeOf)
    .option('--limit <number>', 'at most so many: the newest', countOf, 50)
    .action(async (flags: Flags) => {
      const { entries, whole } = flags.state === undefined ? await fromApi(flags) : await fromFile(flags.state, flags)
      print(flags, entries, table(entries))
      const reachesBack =
        entries.length < flags.limit && !(flags.since && whole && Date.parse(whole.since) < +flags.since)
      if (whole !== undefined && reachesBack)
        process.stderr.write(`older entries are not kept: it is whole after number ${whole.after}, of ${whole.since}\n`)
    })

export const backupCommand = (): Command =>
  clientCommand('backup')
    .summary('copy all that a controller keeps into a new file, also while it runs')
    .argument('<file>', 'the copy; `--state` takes it')
    .option('--state <file>', 'the state of a controller that does not run')
    .action(async (file: string, flags: Flags) => {
      if (flags.state === undefined) await new ApiClient(flags).save('POST', '/backup', file)
      else await withStore(flags.state, (store) => store.backup(file))
      print(flags, { file }, `${file} is a copy; start a controller with --state ${file} to go on from there`)
    })

async function fromApi(flags: Flags): Promise<Found> {
  const client = new ApiClient(flags)
  const entries: Entry[] = []
  let before: number | undefined
  let whole: History['whole']
  do {
    const query = {
      limit: `${Math.min(PAGE, flags.limit - entries.length)}`,
      ...(flags.since && { since: flags.since.toISOString() }),
      ...(before !== undefined && { before: `${before}` }),
    }
    const page = await client.json<History>('GET', '/history', { query })
    entries.push(...page.entries)
    before = page.next
    whole = page.whole
  } while (before !== undefined && entries.length < flags.limit)
  return { entries: entries.reverse(), whole }
}

async function fromFile(file: string, { since, limit }: Flags): Promise<Found> {
  const query: JournalQuery = { limit, ...(since && { since: since.getTime() }) }
  const { written, wholeAfter } = await import('../controller/api/history.ts')
  return withStore(file, async (store) => {
    const entries = (await store.journal(query)).map(written).reverse()
    const forgotten = await store.forgotten()
    return { entries, whole: forgotten && wholeAfter(forgotten) }
  })
}

async function withStore<T>(file: string, work: (store: Store) => Promise<T>): Promise<T> {
  if (!existsSync(file)) throw new Error(`${file}: no such file`)
  const { openSqliteStore } = await import('../controller/state/sqlite-store.ts')
  const store = await openSqliteStore(file).catch((error: unknown) => {
    const { cause } = error as { cause?: { code?: string } }
    if (cause?.code !== 'SQLITE_BUSY') throw error
    throw new Error(`${file} is in use by a running controller; ask that: --api in the place of --state`)
  })
  try {
    return await work(store)
  } finally {
    await store.close()
  }
}

const table = (entries: readonly Entry[]): string =>
  inColumns([
    ['NUMBER', 'WHEN', 'WHO', 'WHAT', 'RESULT', 'WITH'],
    ...entries.map((entry) => [
      `${entry.number}`,
      entry.at,
      entry.by,
      entry.operation,
      entry.result ?? 'under way',
      shortened(JSON.stringify(entry.arguments)),
    ]),
  ])

const shortened = (text: string) => (text.length > WIDTH ? `${text.slice(0, WIDTH - 1)}…` : text)

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 }

function timeOf(text: string): Date {
  const [, count, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? []
  const ago = count === undefined ? undefined : Number(count) * SECONDS[unit as keyof typeof SECONDS] * 1000
  const time = ago === undefined ? new Date(text) : new Date(Date.now() - ago)
  if (Number.isNaN(time.getTime())) throw new InvalidArgumentError('expected a time, as 2026-11-21T18:00 or 12h')
  return time
}

function countOf(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('expected a whole number above 0')
  return Number(text)
}
