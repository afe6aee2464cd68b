import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { seeded } from '../../../runtime/random.ts'
import { keptFlows } from '../../support/kept-flows.ts'
import { seeds } from '../../support/seeds.ts'
import { whyNoSqlite } from '../../support/sqlite.ts'

const WRITER = fileURLToPath(new URL('../../support/state-writer.ts', import.meta.url))
/** The second begins with what the first has left. */
const ROUNDS = Number(process.env['ROUNDS'] ?? 2)

/** Starts a writer and kills it some milliseconds after it has begun to write: how many of its writes were answered by then. */
async function killedWriter(file: string, after: number): Promise<number> {
  const child = spawn(process.execPath, ['--import', 'tsx', WRITER, file], { stdio: ['ignore', 'pipe', 'inherit'] })
  let answered = 0
  for await (const _ of createInterface({ input: child.stdout }))
    if (++answered === 1) setTimeout(() => child.kill('SIGKILL'), after)
  return answered
}

test.skipIf(whyNoSqlite !== undefined).each(seeds(1))(
  'a process killed at any instant loses no write that it has answered (seed %i)',
  async (seed) => {
    const folder = await mkdtemp(join(tmpdir(), 'signalbox-kill-'))
    const file = join(folder, 'state.db')
    const random = seeded(seed)
    let [writes, journalled] = [0, 1]
    for (let round = 0; round < ROUNDS; round++) {
      const answered = await killedWriter(file, random.below(120))
      expect(answered).toBeGreaterThan(0)
      const { found, entries, open, close } = await keptFlows(file)
      await close()
      // Both flows of each write, in order, and none is missing between.
      expect({ round, found: found.toSorted((a, b) => a - b) }).toEqual({
        round,
        found: found.map((_, index) => index + 1),
      })
      expect(found.length % 2).toBe(0)
      expect(found.length / 2).toBeGreaterThanOrEqual(writes + answered)
      expect(entries).toBeGreaterThanOrEqual(journalled + answered)
      expect(open).toBe(0)
      ;[writes, journalled] = [found.length / 2, entries]
    }
    await rm(folder, { recursive: true })
  },
)
