import { stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import pico from 'picocolors'
import { replay, type ReplayOptions, type ReplayResult } from '../lab/replay.ts'
import type { LabObserver } from '../lab/lab.ts'
import { copiesObserver } from '../lab/report/copies.ts'
import { pcapObserver } from '../lab/report/pcap.ts'
import { jsonReport } from '../lab/report/json.ts'
import { junitReport } from '../lab/report/junit.ts'
import { textReport } from '../lab/report/text.ts'
import { EXIT_CODES } from '../lab/verdict.ts'
import { loadScenarioOrTopology } from '../topologies/load.ts'
import type { FrameMap, Scenario } from '../topologies/scenario.ts'
import { EXIT_LEGEND, EXIT_WRONG_INPUT } from './failure.ts'
import { checkWritable, makeFolder } from './output-files.ts'
import { FrameProgress } from './progress.ts'
import { BufferedFile } from './buffered-file.ts'

/** As shells have it for a process that Ctrl-C ended. */
const EXIT_INTERRUPTED = 130

interface Flags {
  report?: string
  pcapOut?: string
  captures?: string
  junit?: string
  seed?: number
  map: FrameMap
  json?: true
  quiet?: true
  lenient?: true
}

export function replayCommand(): Command {
  return new Command('replay')
    .summary('run a scenario, or captures through a topology, and print the verdict')
    .description(
      'Runs a scenario on virtual time and prints its verdict. With a topology instead of a scenario, replays the captures named after it.',
    )
    .argument('<file>', 'a scenario, a topology, or a stock shape such as leaf-spine,2,4')
    .argument('[captures...]', 'pcap or pcapng files, each from the start of virtual time')
    .option('--report <file>', 'write the verdict as JSON')
    .option('--junit <file>', 'write the verdict as JUnit XML')
    .option('--pcap-out <file>', 'write one pcapng with an interface per vNIC and uplink')
    .option('--captures <folder>', 'write what mirrors copy into files there')
    .option('--seed <number>', 'seed for jitter and loss', wholeNumber)
    .addOption(
      new Option('--map <how>', 'how frames of the named captures find their vNIC')
        .choices(['source-mac', 'source-ip', 'vlan', 'pcapng-interface'])
        .default('source-mac'),
    )
    .option('--lenient', 'accept a damaged capture: replay what is whole')
    .option('--json', 'print the verdict as JSON')
    .option('--quiet', 'print nothing; only the exit code speaks')
    .addHelpText('after', EXIT_LEGEND)
    .action(run)
}

async function run(file: string, captures: string[], flags: Flags): Promise<void> {
  const scenario = await withCaptures(file, captures, flags.map)
  await checkReadable(scenario)
  await checkWritable(flags.report, flags.junit)
  const progress = new FrameProgress(process.stderr, flags.quiet !== true)
  const files: BufferedFile[] = []
  const open = (path: string) => {
    const written = new BufferedFile(path)
    files.push(written)
    return (bytes: Uint8Array) => written.write(bytes)
  }
  const observer = await observerOf(flags, open)
  const options: ReplayOptions = {
    ...(flags.seed !== undefined && { seed: flags.seed }),
    ...(flags.lenient && { lenient: true }),
    ...(observer && { observer }),
    progress: (frames, share) => progress.update(frames, share),
  }
  const finish = () => {
    progress.stop()
    for (const written of files) written.close()
  }
  const interrupted = () => {
    finish()
    process.stderr.write('signalbox: interrupted; there is no verdict\n')
    process.exit(EXIT_INTERRUPTED)
  }
  process.once('SIGINT', interrupted)
  let result: ReplayResult
  try {
    result = await replay(scenario, options)
  } finally {
    process.off('SIGINT', interrupted)
    finish()
  }
  await report(result, flags)
}

/** Undefined where nobody asks for captures: a run is faster without. */
async function observerOf(
  { pcapOut, captures }: Flags,
  open: (path: string) => (bytes: Uint8Array) => void,
): Promise<LabObserver | undefined> {
  if (pcapOut === undefined && captures === undefined) return undefined
  if (captures !== undefined) await makeFolder(captures)
  return {
    ...(pcapOut !== undefined && pcapObserver(open(pcapOut))),
    ...(captures !== undefined && copiesObserver((file) => open(join(captures, file)))),
  }
}

/** The scenario in `file`; for a topology, one that replays the captures and expects nothing in particular. */
async function withCaptures(file: string, captures: string[], map: FrameMap): Promise<Scenario> {
  const scenario = await loadScenarioOrTopology(file)
  const steps = captures.map((capture) => ({
    at: 0,
    step: { type: 'replay' as const, capture: resolve(capture), map, speed: 1 },
  }))
  return { ...scenario, timeline: [...scenario.timeline, ...steps] }
}

/** Finds a capture that is missing or a folder before anything runs. */
async function checkReadable({ timeline, folder }: Scenario): Promise<void> {
  for (const { step } of timeline) {
    if (step.type !== 'replay') continue
    const path = resolve(folder, step.capture)
    if ((await stat(path)).isDirectory()) throw new Error(`${path}: is a folder; a capture was expected`)
  }
}

async function report({ verdict, damaged }: ReplayResult, flags: Flags): Promise<void> {
  if (flags.quiet !== true) process.stdout.write(flags.json ? jsonReport(verdict) : textReport(verdict, pico))
  for (const damage of damaged) process.stderr.write(`signalbox: ${damage}\n`)
  if (flags.report !== undefined) await writeFile(flags.report, jsonReport(verdict))
  if (flags.junit !== undefined) await writeFile(flags.junit, junitReport(verdict))
  process.exitCode = damaged.length > 0 && flags.lenient !== true ? EXIT_WRONG_INPUT : EXIT_CODES[verdict.verdict]
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('expected a whole number')
  return Number(text)
}
