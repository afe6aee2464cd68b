// Whether dist/ is of the sources as they are.

import { readdirSync, statSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../../', import.meta.url))
export const DIST = join(ROOT, 'dist')
export const BUILT = join(DIST, 'cli/main.js')

/** Comes to dist/ last, dated as of when the build began. */
const STAMP = join(DIST, 'package.json')

const ROOMS = ['runtime', 'protocols', 'topologies', 'datapath', 'controller', 'lab', 'cli']

/** What else a build hangs on. */
const BUILT_BY = [
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'scripts/build.mjs',
  'scripts/generate-protocol.mjs',
]

/** Made from what is looked at, with each build. */
const GENERATED = 'generated'

/** Whether nothing has changed since the last build began. */
export function isBuilt(): boolean {
  const builtAt = statSync(STAMP, { throwIfNoEntry: false })?.mtimeMs ?? 0
  return ![...ROOMS, ...BUILT_BY].some((path) => changedSince(builtAt, join(ROOT, path)))
}

/** What is built of a module of the product; undefined for any other file. */
export function builtOf(path: string): string | undefined {
  const within = relative(ROOT, path)
  const isModule = /\.[jt]s$/.test(within) && ROOMS.includes(within.split(sep)[0]!)
  return isModule ? join(DIST, within.replace(/ts$/, 'js')) : undefined
}

/** Whether the file, or something in the folder, was written since then, or came to it, or was taken out of it. */
function changedSince(instant: number, path: string): boolean {
  const stat = statSync(path)
  if (stat.ctimeMs > instant) return true
  return (
    stat.isDirectory() &&
    readdirSync(path).some((name) => name !== GENERATED && changedSince(instant, join(path, name)))
  )
}
