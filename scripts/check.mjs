// Everything that reads the code without running it: types, lint, format, the arrows between the rooms, dead code.
// Every step runs, also after one has failed, so that one run names all that is wrong.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const bin = (name) => join(root, 'node_modules/.bin', name)
const rooms = ['runtime', 'protocols', 'topologies', 'datapath', 'controller', 'lab', 'cli', 'tests', 'bench']

const steps = [
  { name: 'types', command: 'tsc', args: ['--noEmit', '-p', 'tsconfig.json'] },
  // Rooms off the packet path: what an index finds may be undefined.
  { name: 'indexed types', command: 'tsc', args: ['--noEmit', '-p', 'tsconfig.indexed.json'] },
  { name: 'lint', command: 'oxlint', args: ['--type-aware', '--deny-warnings'] },
  { name: 'format', command: 'prettier', args: ['--check', '--log-level', 'warn', '.'] },
  { name: 'arrows', run: arrows },
  { name: 'dead code', command: 'knip', args: ['--no-progress', '--no-config-hints'] },
]

const failed = steps.filter((step) => !passes(step)).map(({ name }) => name)
console.log(failed.length === 0 ? 'check: all passed' : `check: failed: ${failed.join(', ')}`)
process.exit(failed.length === 0 ? 0 : 1)

function passes({ name, command, args, run }) {
  const started = Date.now()
  const passed = run ? run() : spawnSync(bin(command), args, { cwd: root, stdio: 'inherit' }).status === 0
  console.log(`${passed ? 'ok    ' : 'FAILED'} ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)`)
  return passed
}

/** The rules of .dependency-cruiser.cjs hold, over modules that were really read: with a compiler it cannot load it reads none and is content. */
function arrows() {
  const folders = rooms.filter((room) => existsSync(join(root, room)))
  const result = cruise(folders)
  const { totalCruised, violations } = result.summary
  for (const { rule, from, to } of violations) console.log(`  ${rule.name}: ${from} -> ${to}`)
  console.log(`  ${totalCruised} modules, ${violations.length} forbidden imports`)
  return totalCruised > 0 && violations.length === 0
}

function cruise(folders) {
  const { stdout } = spawnSync(bin('depcruise'), [...folders, '--output-type', 'json'], {
    cwd: root,
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return JSON.parse(stdout.toString() || '{"summary":{"totalCruised":0,"violations":[]}}')
}
