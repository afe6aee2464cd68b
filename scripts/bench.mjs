// Compiles the tree with its benches, as the package is compiled, and runs them: a loader's own overhead is not measured.
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const build = join(root, 'node_modules/.cache/signalbox-bench')
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')

execFileSync(process.execPath, [join(root, 'scripts/generate-protocol.mjs')], { stdio: 'inherit' })
execFileSync(process.execPath, [tsc, '-p', 'tsconfig.bench.json', '--outDir', build], { cwd: root, stdio: 'inherit' })
const alongside = [
  'protocols/control/generated',
  'topologies/topology.schema.json',
  'topologies/scenario.schema.json',
  'package.json',
]
for (const path of alongside) cpSync(join(root, path), join(build, path), { recursive: true })
const { status } = spawnSync(
  process.execPath,
  ['--expose-gc', join(build, 'bench/main.js'), ...process.argv.slice(2)],
  {
    stdio: 'inherit',
  },
)
process.exitCode = status ?? 1
