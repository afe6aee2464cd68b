import { chmod, copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type Sqlite from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SCHEMA_VERSION } from '../../../controller/state/schema.ts'
import { openSqliteStore } from '../../../controller/state/sqlite-store.ts'
import { seeded } from '../../../runtime/random.ts'
import { type Batch, type Change, StateTaken, type Store } from '../../../runtime/store.ts'
import { MemoryStore } from '../../support/memory-store.ts'
import { sqlite, whyNoSqlite } from '../../support/sqlite.ts'

let folder: string
let file: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-state-'))
  file = join(folder, 'state.db')
})
afterEach(() => rm(folder, { recursive: true }))

const batch = (changes: Change[], more: Partial<Batch> = {}): Batch => ({
  changes,
  entries: [],
  results: new Map(),
  ...more,
})

const put = (key: string, value: string | Uint8Array): Change => ({ kind: 'k', key, value })

async function contents(store: Store): Promise<Record<string, string>> {
  return Object.fromEntries((await store.load()).map(({ key, value }) => [key, value.toString()]))
}

const problemOf = async (work: Promise<unknown>): Promise<string> => {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toMatchObject({ name: 'StateError' })
  return (error as Error).message
}

/** Root may write everything. */
async function asNobody<T>(work: () => Promise<T>): Promise<T> {
  const isRoot = process.geteuid?.() === 0
  if (isRoot) process.seteuid?.(65534)
  try {
    return await work()
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
}

describe.skipIf(whyNoSqlite !== undefined)(`a store in a file of SQLite (${whyNoSqlite ?? 'it is there'})`, () => {
  test.each([1, 2, 3])('a file opened again has what was written and not taken away (seed %i)', async (seed) => {
    const random = seeded(seed)
    const expected = new Map<string, string>()
    for (let start = 0; start < 4; start++) {
      const store = await openSqliteStore(file)
      expect(await contents(store)).toEqual(Object.fromEntries(expected))
      const writes = Array.from({ length: 30 }, () => {
        const changes = Array.from({ length: random.below(4) }, (): Change => {
          const key = `key${random.below(20)}`
          if (random.below(3) === 0) {
            expected.delete(key)
            return { kind: 'k', key }
          }
          const value = `${random.below(1000)}`
          expected.set(key, value)
          return put(key, random.below(2) === 0 ? value : Buffer.from(value))
        })
        return store.write(batch(changes))
      })
      await Promise.all(writes)
      await store.close()
    }
  })

  test('a batch that can not be written changes nothing, nor does what waited with it', async () => {
    const store = await openSqliteStore(file)
    await store.write(batch([put('a', '1')]))
    const wrong = { kind: 'k', key: 'b', value: {} as unknown as string }
    const waiting = [store.write(batch([put('a', '2'), wrong])), store.write(batch([put('c', '3')]))]
    expect((await Promise.allSettled(waiting)).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(await contents(store)).toEqual({ a: '1' })
    await store.write(batch([put('d', '4')]))
    expect(await contents(store)).toEqual({ a: '1', d: '4' })
    await store.close()
  })

  describe('the journal', () => {
    const entry = (number: number, result?: string) => ({
      number,
      at: number * 1000,
      by: 'somebody',
      operation: 'something',
      arguments: { number },
      ...(result !== undefined && { result }),
    })

    test('is read newest first, from a time on, below a number, and no more than is asked for', async () => {
      const store = await openSqliteStore(file)
      await store.write(batch([], { entries: [1, 2, 3, 4, 5].map((number) => entry(number, 'ok')) }))
      const numbers = async (query: { since?: number; before?: number; limit: number }) =>
        (await store.journal(query)).map(({ number }) => number)
      expect(await numbers({ limit: 10 })).toEqual([5, 4, 3, 2, 1])
      expect(await numbers({ limit: 2, before: 4 })).toEqual([3, 2])
      expect(await numbers({ limit: 10, since: 4000 })).toEqual([5, 4])
      expect((await store.journal({ limit: 1 }))[0]).toEqual(entry(5, 'ok'))
      await store.close()
    })

    test.each([1, 2, 3, 4])(
      'forgets the oldest that may go, up to the first that may not, and says up to where (seed %i)',
      async (seed) => {
        const random = seeded(seed)
        let store: Store = await openSqliteStore(file)
        const twin = new MemoryStore()
        let last = 0
        for (let step = 0; step < 40; step++) {
          const entries = Array.from({ length: random.below(6) }, () => ({
            ...entry(++last, random.below(30) > 0 ? 'ok' : undefined),
            // Clocks go back, too.
            at: 1000 * (last - random.below(4)),
          }))
          const open = await twin.underWay()
          const results = new Map(open.filter(() => random.below(4) === 0).map((number) => [number, 'ok']))
          const expendable = { olderThan: 1000 * (last - random.below(40)), before: last - random.below(40) }
          const atMost = 1 + random.below(20)
          const of = async (one: Store) => {
            await one.write(batch([], { entries, results }))
            return {
              count: await one.forget(expendable, atMost),
              forgotten: await one.forgotten(),
              underWay: await one.underWay(),
              journal: await one.journal({ limit: 1000 }),
            }
          }
          expect({ step, ...(await of(store)) }).toEqual({ step, ...(await of(twin)) })
          if (random.below(10) > 0) continue
          await store.close()
          store = await openSqliteStore(file)
        }
        expect((await store.forgotten())?.through).toBeGreaterThan(20)
        await store.close()
      },
    )

    test('takes a result once, and nothing that is in it changes or goes', async () => {
      const store = await openSqliteStore(file)
      await store.write(batch([], { entries: [entry(1)] }))
      await store.write(batch([], { results: new Map([[1, 'ok']]) }))
      await expect(store.write(batch([], { results: new Map([[1, 'no']]) }))).rejects.toThrow('stays')
      await store.close()
      const db = new (sqlite())(file)
      expect(() => db.exec('delete from journal')).toThrow('stays')
      expect(() => db.exec("update journal set by = 'nobody'")).toThrow('stays')
      db.close()
    })
  })

  test('a backup is whole, while writes go on, and opens as the file does', async () => {
    const store = await openSqliteStore(file)
    await store.write(batch([put('a', '1')]))
    const copy = join(folder, 'copy.db')
    const during = store.write(batch([put('b', '2')]))
    await store.backup(copy)
    await during
    await store.write(batch([put('c', '3')]))
    expect(await problemOf(store.backup(copy))).toBe(`${copy} is there already; a backup is a new file`)
    await store.close()
    const restored = await openSqliteStore(copy)
    expect(await contents(restored)).toEqual({ a: '1', b: '2' })
    await restored.close()
  })

  describe('a file of', () => {
    test('version 1 is brought forward with all that it holds', async () => {
      // As the first version of this program made it, by hand.
      const old = new (sqlite())(file)
      const fabric = { switches: [{ name: 's1' }], links: [] }
      const hosts = [{ name: 'h2', vtep: '192.0.2.2' }, { name: 'h1' }]
      const asked = { name: 'old "one"', hosts, fabric, networks: [] }
      old.exec(`
      create table entries (kind text not null, key text not null, value not null, primary key (kind, key));
      create table journal (number integer primary key, at integer not null, by text not null,
        operation text not null, arguments text not null, result text);
      insert into entries values ('wire', 'web1:eth0', 'tap:tap0');
      insert into entries values ('topology', 'asked', '${JSON.stringify(asked)}');
      insert into journal values (1, 1700000000000, 'ann', 'attach', '{"nic":"web1:eth0"}', 'ok');
      pragma application_id = 0x53626f78;
      pragma user_version = 1;`)
      old.close()
      const store = await openSqliteStore(file)
      const kept = (await store.load()).map(({ kind, key, value }) => [`${kind} ${key}`, value.toString()])
      expect(Object.fromEntries(kept)).toEqual({
        'wire web1:eth0': 'tap:tap0',
        'topology name': '"old \\"one\\""',
        'topology fabric': '{"switches":[{"name":"s1"}],"links":[]}',
        'order hosts': '"h2"',
        'order hosts\th2': '"h1"',
        'order hosts\th1': 'null',
        'order networks': 'null',
        'order addressGroups': 'null',
        'order securityGroups': 'null',
        'asked hosts\th2': '{"name":"h2","vtep":"192.0.2.2"}',
        'asked hosts\th1': '{"name":"h1"}',
      })
      const entry = {
        number: 1,
        at: 1.7e12,
        by: 'ann',
        operation: 'attach',
        arguments: { nic: 'web1:eth0' },
        result: 'ok',
      }
      expect(await store.journal({ limit: 9 })).toEqual([entry])
      await store.close()
      const db = new (sqlite())(file)
      expect(db.pragma('user_version', { simple: true })).toBe(SCHEMA_VERSION)
      expect(() => db.exec('delete from journal')).toThrow('stays')
      db.close()
    })

    test('a later version is refused by a sentence that names both, and stays as it is', async () => {
      await (await openSqliteStore(file)).close()
      const db = new (sqlite())(file)
      db.pragma(`user_version = ${SCHEMA_VERSION + 1}`)
      db.pragma('wal_checkpoint(truncate)')
      db.close()
      const before = await readFile(file)
      const problem = await problemOf(openSqliteStore(file))
      expect(problem).toContain(`${file} has version ${SCHEMA_VERSION + 1}`)
      expect(problem).toContain(`knows versions up to ${SCHEMA_VERSION}`)
      expect(await readFile(file)).toEqual(before)
    })

    test('another program is refused', async () => {
      const db = new (sqlite())(file)
      db.exec('create table theirs (a)')
      db.close()
      expect(await problemOf(openSqliteStore(file))).toContain('a database of another program')
      await writeFile(file, 'this is a text that somebody wrote, and no database at all\n'.repeat(20))
      expect(await problemOf(openSqliteStore(file))).toContain('it is no database of SQLite')
    })
  })

  describe('it is said in a sentence that', () => {
    test('the file is in use by another controller', async () => {
      const store = await openSqliteStore(file)
      await expect(openSqliteStore(file)).rejects.toBeInstanceOf(StateTaken)
      expect(await problemOf(openSqliteStore(file))).toBe(`${file} is in use by another controller`)
      await store.close()
      await (await openSqliteStore(file)).close()
    })

    test('the file is damaged', async () => {
      const store = await openSqliteStore(file)
      await store.write(batch(Array.from({ length: 500 }, (_, index) => put(`key${index}`, 'x'.repeat(100)))))
      await store.close()
      const bytes = await readFile(file)
      // The header stays, so that it is a database still.
      for (let at = 2 * 4096; at < bytes.length; at += 512) bytes.fill(0xa5, at, at + 64)
      await writeFile(file, bytes)
      const problem = await problemOf(openSqliteStore(file))
      expect(problem).toMatch(/state\.db is damaged \(.*\); put a backup in its place$/)
    })

    test('the folder is not there, or the file can not be opened', async () => {
      expect(await problemOf(openSqliteStore(join(folder, 'none/state.db')))).toContain(
        `no such folder: ${folder}/none`,
      )
      expect(await problemOf(openSqliteStore(folder))).toContain('can not be written (EISDIR)')
    })

    test('the file is read-only', async () => {
      await (await openSqliteStore(file)).close()
      await chmod(folder, 0o755)
      await chmod(file, 0o444)
      expect(await problemOf(asNobody(() => openSqliteStore(file)))).toContain('can not be written')
    })

    test('there is no space left; nothing is lost of what was there', async () => {
      // A database that may not grow fails as one on a full disk does.
      class Full extends sqlite() {
        constructor(name?: string | Buffer, options?: Sqlite.Options) {
          super(name, options)
          this.pragma('max_page_count = 12')
        }
      }
      const store = await openSqliteStore(file, async () => ({ default: Full as unknown as typeof Sqlite }))
      await store.write(batch([put('a', '1')]))
      expect(await problemOf(store.write(batch([put('b', 'x'.repeat(100_000))])))).toBe(`no space is left for ${file}`)
      expect(await contents(store)).toEqual({ a: '1' })
      await store.write(batch([put('c', '2')]))
      await store.close()
      const again = await openSqliteStore(file)
      expect(await contents(again)).toEqual({ a: '1', c: '2' })
      await again.close()
    })

    test('the module is missing, and how to get it', async () => {
      const missing = () => Promise.reject(new Error("Cannot find package 'better-sqlite3'"))
      expect(await problemOf(openSqliteStore(file, missing))).toContain('npm install better-sqlite3')
    })
  })

  test('what was written is in the file, and not only in memory', async () => {
    const store = await openSqliteStore(file)
    await store.write(batch([put('a', '1')]))
    // As a crash leaves it: nothing closed, nothing checkpointed.
    const copy = join(folder, 'copy.db')
    await copyFile(file, copy)
    await copyFile(`${file}-wal`, `${copy}-wal`)
    await store.close()
    const found = await openSqliteStore(copy)
    expect(await contents(found)).toEqual({ a: '1' })
    await found.close()
  })
})
