import type { StateOptions } from './state.ts'
import { State } from './state.ts'
import { openSqliteStore } from './sqlite-store.ts'

/**
 * Takes over what the file has, or makes it.
 * @throws StateError
 */
export async function openStateFile(file: string, options: StateOptions): Promise<State> {
  const store = await openSqliteStore(file)
  try {
    return await State.open(store, options)
  } catch (error) {
    await store.close()
    throw error
  }
}
