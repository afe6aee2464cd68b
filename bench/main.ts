// npm run bench: measures, prints a table, and writes the rows.

import { writeFileSync } from 'node:fs'
import type { Bench, Conditions } from './bench.ts'
import { classifierBenches } from './classifier.ts'
import { controlBenches } from './control.ts'
import { attackBenches, memoryBenches, rateBenches, vectorBenches } from './fast-path/benches.ts'
import { whyNoOvs } from './fast-path/ovs-dpdk.ts'
import { chooseCores } from './fast-path/processor.ts'
import { rowOf, type Row } from './measure.ts'
import { Misused, parseOptions, selected, type Options } from './options.ts'
import { replayBenches } from './replay.ts'
import { jsonOf, tableOf } from './report.ts'
import { whyNoOvn } from './push/ovn.ts'
import { queueBenches } from './queues.ts'
import { pushBenches } from './push/push.ts'
import { restartBenches } from './restart.ts'
import { startupBenches } from './startup.ts'
import { streamBenches } from './stream/stream.ts'
import { textOf } from '../runtime/error-text.ts'

const HELP = `Usage: npm run bench -- [options] [GROUP...]

Measures, prints a table, and writes its rows. Without GROUP, every group: switch (frames a second through one switch), memory,
startup, vectors (their latency, and the heap they take), control, restart (of the controller), push (of a change to switches), queues (of an
uplink), replay, classifier.

Options:
  --against ovs  measure Open vSwitch with DPDK beside our switch, in turn with it (Debian's openvswitch-switch-dpdk; root)
  --against ovn  measure Open Virtual Network beside our controller, in turn with it: the rows of push that begin with a request
                 (Debian's ovn-central and ovn-host)
  --json FILE    write { "rows": [{ "name", "unit", "ours", "peer", "ratio", "min", "max", ... }] }
  --only ROW     measure only what has ROW in its name; may be given more than once
  --rules FILE   rules of ClassBench's format for the classifier, beside those made by chance; may be given more than once
  --list         print the names of what there is to measure, and measure nothing
  -h, --help     print this

Exit codes: 0 measured; 1 something could not be measured; 2 the options are wrong; 3 what is to be measured beside can not run here.
`
/** After so long nothing more is begun: what is under way still ends within twelve minutes. */
const MOST_MINUTES = 10.5
const FAILED = 1
const WRONG_OPTIONS = 2
const NO_PEER = 3

process.exitCode = await main(process.argv.slice(2))

async function main(words: readonly string[]): Promise<number> {
  try {
    const options = parseOptions(words)
    return await carryOut(options)
  } catch (error) {
    if (!(error instanceof Misused)) throw error
    process.stderr.write(`bench: ${error.message}; see --help\n`)
    return WRONG_OPTIONS
  }
}

async function carryOut(options: Options): Promise<number> {
  const benches = selected(groups(options), options)
  if (options.help) return print(HELP)
  if (options.list) return print(benches.map(({ name }) => `${name}\n`).join(''))
  const obstacle = { ovs: whyNoOvs, ovn: whyNoOvn, alone: () => undefined }[options.against ?? 'alone']()
  if (obstacle !== undefined) {
    process.stderr.write(`bench: ${obstacle}\n`)
    return NO_PEER
  }
  return measureAll(benches, options)
}

function groups({ rules }: Options): Record<string, readonly Bench[]> {
  return {
    switch: rateBenches,
    memory: memoryBenches,
    attack: attackBenches,
    startup: startupBenches,
    vectors: vectorBenches,
    control: controlBenches,
    restart: [...restartBenches, ...streamBenches],
    push: pushBenches,
    queues: queueBenches,
    replay: replayBenches,
    classifier: classifierBenches(rules),
  }
}

async function measureAll(benches: readonly Bench[], { against, json }: Options): Promise<number> {
  const ending = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort())
  const conditions: Conditions = {
    cores: chooseCores(),
    signal: ending.signal,
    calibration: [],
    ...(against && { against }),
  }
  const rows: Row[] = []
  let failed = 0
  for (const bench of benches) {
    if (ending.signal.aborted) break
    progress(bench.name)
    try {
      if (performance.now() > MOST_MINUTES * 60_000) throw new Error('no time is left for it')
      rows.push(...(await bench.rows(conditions)))
    } catch (error) {
      failed++
      process.stderr.write(`bench: ${bench.name}: ${textOf(error)}\n`)
    }
  }
  if (conditions.calibration.length > 0)
    rows.push(rowOf('calibration: a loop that touches no memory', 'M rounds/s', conditions.calibration))
  print(`${tableOf(rows, against)}\n`)
  if (json !== undefined) writeFileSync(json, jsonOf(rows))
  return failed > 0 || ending.signal.aborted ? FAILED : 0
}

/** For who watches; what is written into a file is the table alone. */
function progress(name: string): void {
  if (process.stderr.isTTY) process.stderr.write(`${name} …\n`)
}

function print(text: string): number {
  process.stdout.write(text)
  return 0
}
