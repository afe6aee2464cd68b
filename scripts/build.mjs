// The build behind `npm ci`: generated protocol module, then JavaScript in dist/, then the files that travel beside it. Where it fails
// there is no dist/: half of one, or that of an earlier state, would be run unawares.
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, rmSync, utimesSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const dist = join(root, 'dist')

const alongside = [
  'protocols/control/generated',
  'topologies/topology.schema.json',
  'topologies/scenario.schema.json',
  'topologies/examples',
]

rmSync(dist, { recursive: true, force: true })
// Before the build begins: a folder that comes to another changes that.
mkdirSync(join(root, 'protocols/control/generated'), { recursive: true })
const began = new Date()
try {
  node(join(root, 'scripts/generate-protocol.mjs'))
  node(createRequire(import.meta.url).resolve('typescript/bin/tsc'), '-p', 'tsconfig.build.json')
  for (const path of alongside) {
    mkdirSync(dirname(join(dist, path)), { recursive: true })
    cpSync(join(root, path), join(dist, path), { recursive: true })
  }
  chmodSync(join(dist, 'cli/main.js'), 0o755)
  // Last, and as old as what was read: what has changed since is newer than the build.
  cpSync(join(root, 'package.json'), join(dist, 'package.json'))
  utimesSync(join(dist, 'package.json'), began, began)
} catch (error) {
  rmSync(dist, { recursive: true, force: true })
  console.error(`build: ${error.message}`)
  console.error('build: FAILED. There is no dist/, and no signalbox in it, until a build succeeds.')
  process.exitCode = 1
}

/** Runs a script of the build, which says why where it fails. */
function node(...args) {
  const { status, signal } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) throw new Error(`${relative(root, args[0])} ended with ${signal ?? status}`)
}
