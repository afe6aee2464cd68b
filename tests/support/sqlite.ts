// SQLite is an optional dependency: where it can not be loaded, what needs it is skipped, and says why.

import type Database from 'better-sqlite3'

const loaded = await load()

/** Why there is no SQLite here; undefined where there is. */
export const whyNoSqlite = loaded instanceof Error ? `better-sqlite3 can not be loaded: ${loaded.message}` : undefined

/** better-sqlite3, to look at files with. */
export function sqlite(): typeof Database {
  if (loaded instanceof Error) throw loaded
  return loaded
}

async function load(): Promise<typeof Database | Error> {
  try {
    const { default: Sqlite } = await import('better-sqlite3')
    new Sqlite(':memory:').close()
    return Sqlite
  } catch (error) {
    return error as Error
  }
}
