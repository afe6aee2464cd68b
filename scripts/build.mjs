// The build behind `npm ci`: generated protocol module, then JavaScript in dist/, then the files that travel beside it.
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const dist = join(root, 'dist')

/** Runs a script of the build; where it fails it has said why, and the build ends. */
function node(...args) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

node(join(root, 'scripts/generate-protocol.mjs'))
rmSync(dist, { recursive: true, force: true })
node(createRequire(import.meta.url).resolve('typescript/bin/tsc'), '-p', 'tsconfig.build.json')

const alongside = [
  'protocols/control/generated',
  'topologies/topology.schema.json',
  'topologies/scenario.schema.json',
  'topologies/examples',
  'package.json',
]
for (const path of alongside) {
  mkdirSync(dirname(join(dist, path)), { recursive: true })
  cpSync(join(root, path), join(dist, path), { recursive: true })
}
chmodSync(join(dist, 'cli/main.js'), 0o755)
