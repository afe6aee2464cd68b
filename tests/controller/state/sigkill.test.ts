import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { seeded } from '../../../runtime/random.ts'
import { whyNoSqlite } from '../../support/sqlite.ts'

const WRITER = fileURLToPath(new URL('../../support/state-writer.ts', import.meta.url))
const ROUNDS = Number(process.env['ROUNDS'] ?? 3)
const SEED = Number(process.env['FIRST_SEED'] ?? 1)

interface Said {
  found?: number[]
  entries?: number
  open?: number
  added?: number
}

/** Starts a writer and kills it some milliseconds after it has begun to write; what it had said by then. */
async function killedWriter(file: string, after: number): Promise<Said[]> {
  const child = spawn(process.execPath, ['--import', 'tsx', WRITER, file], { stdio: ['ignore', 'pipe', 'inherit'] })
  const said: Said[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    said.push(JSON.parse(line) as Said)
    if (said.length === 2) setTimeout(() => child.kill('SIGKILL'), after)
  }
  return said
}

test.skipIf(whyNoSqlite !== undefined)(
  `a process killed at any instant loses no write that it has answered (seed ${SEED})`,
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'signalbox-kill-'))
    const random = seeded(SEED)
    let answered = 0
    let writes = 1
    for (let round = 0; round < ROUNDS; round++) {
      const [first, ...others] = await killedWriter(join(folder, 'state.db'), random.below(120))
      const found = first!.found!
      // Both flows of each write, in order, and none is missing between.
      expect({ round, found: found.toSorted((a, b) => a - b) }).toEqual({
        round,
        found: found.map((_, index) => index + 1),
      })
      expect(found.length % 2).toBe(0)
      expect({ round, kept: found.length / 2 >= answered }).toEqual({ round, kept: true })
      expect(first).toMatchObject({ open: 0 })
      expect(first!.entries).toBeGreaterThanOrEqual(round === 0 ? 1 : writes)
      answered = found.length / 2 + others.length
      writes = first!.entries! + others.length
    }
    expect(answered).toBeGreaterThanOrEqual(ROUNDS)
    await rm(folder, { recursive: true })
  },
)
