// npm run bench [-- --json FILE] [--rules FILE…] [-- NAME…]: measures, prints a table, and writes the rows.

import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import type { Row } from './measure.ts'
import { classifierRows } from './classifier.ts'
import { controlRows } from './control.ts'
import { replayRows } from './replay.ts'
import { startupRows } from './startup.ts'
import { switchRows } from './switch.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'string' }, rules: { type: 'string', multiple: true } },
})

const BENCHES: Readonly<Record<string, () => Promise<Row[]>>> = {
  switch: switchRows,
  replay: replayRows,
  control: controlRows,
  startup: startupRows,
  classifier: () => classifierRows(values.rules),
}

const unknown = positionals.filter((name) => !(name in BENCHES))
if (unknown.length > 0) {
  process.stderr.write(`bench: no bench '${unknown[0]}'; there is ${Object.keys(BENCHES).join(', ')}\n`)
  process.exit(2)
}

const rows: Row[] = []
for (const [name, bench] of Object.entries(BENCHES)) {
  if (positionals.length === 0 || positionals.includes(name)) rows.push(...(await bench()))
}

const table = new Table({ head: ['what', 'unit', 'median', 'min', 'max', 'runs'], style: { head: [] } })
for (const { name, unit, ours, min, max, runs } of rows)
  table.push([name, unit, ...[ours, min, max].map(readable), runs])
process.stdout.write(`${table.toString()}\n`)
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify({ rows }, null, 2) + '\n')

function readable(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3)
}
