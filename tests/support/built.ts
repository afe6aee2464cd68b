// Whether dist/ is of the sources as they are.

import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../../', import.meta.url))
export const BUILT = join(ROOT, 'dist/cli/main.js')

const ROOMS = ['runtime', 'protocols', 'topologies', 'datapath', 'controller', 'lab', 'cli'].map((room) =>
  join(ROOT, room),
)

/** Made from what is looked at, with each build. */
const GENERATED = 'generated'

/** Whether nothing has changed since the last build. */
export function isBuilt(): boolean {
  const builtAt = statSync(BUILT, { throwIfNoEntry: false })?.mtimeMs ?? 0
  return !ROOMS.some((room) => changedSince(builtAt, room))
}

/** Whether something was written in the folder since then, or taken out of it. */
function changedSince(instant: number, folder: string): boolean {
  if (statSync(folder).mtimeMs > instant) return true
  return readdirSync(folder, { withFileTypes: true }).some((entry) => {
    if (entry.name === GENERATED) return false
    const path = join(folder, entry.name)
    return entry.isDirectory() ? changedSince(instant, path) : statSync(path).mtimeMs > instant
  })
}
