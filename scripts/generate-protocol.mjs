// Turns protocols/control/control.proto into the static module that the codec imports. The result is never committed.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const folder = join(root, 'protocols/control')
const pbjs = join(dirname(createRequire(import.meta.url).resolve('protobufjs-cli/package.json')), 'bin/pbjs')

// Encoders, decoders and their types; absent optional fields read as null. (Without comments pbjs leaves the .d.ts empty.)
const OPTIONS =
  '-t static-module -w esm --es6 --dts --null-defaults --no-create --no-verify --no-convert --no-delimited --no-typeurl --no-service'

mkdirSync(join(folder, 'generated'), { recursive: true })
execFileSync(
  process.execPath,
  [pbjs, ...OPTIONS.split(' '), '-o', join(folder, 'generated/control.js'), join(folder, 'control.proto')],
  { stdio: 'inherit' },
)

// The setter of a oneof deletes every other member, for each message read. Nobody asks a message here which member it has:
// the codec looks for the members themselves, so the setter may do nothing.
const generated = join(folder, 'generated/control.js')
const code = readFileSync(generated, 'utf8')
const SETTER = 'set: $util.oneOfSetter($oneOfFields)'
if (!code.includes(SETTER)) throw new Error('generate-protocol: the generated module has no oneof setters any more')
writeFileSync(generated, code.replaceAll(SETTER, 'set() {}'))
