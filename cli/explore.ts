import { readFile, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { Command, InvalidArgumentError, Option } from 'commander'
import pico from 'picocolors'
import { explore, profileOf } from '../lab/explore/explore.ts'
import { drawSchedule } from '../lab/explore/draw.ts'
import { explorationAsText, reportOf, runAsText, type ExplorationReport } from '../lab/explore/report.ts'
import { runSchedule } from '../lab/explore/run.ts'
import type { Schedule } from '../lab/explore/schedule.ts'
import { Subject } from '../lab/explore/subject.ts'
import { readTrace } from '../lab/explore/trace-file.ts'
import { Workers } from '../lab/explore/workers.ts'
import { EXIT_CODES } from '../lab/verdict.ts'
import { loadScenarioOrTopology } from '../topologies/load.ts'
import { EXIT_LEGEND } from './failure.ts'
import { checkWritable } from './output-files.ts'
import { ScheduleProgress } from './schedule-progress.ts'

/** As shells have it for one that Ctrl-C ended. Told to stop a second time, the process ends on the spot. */
const EXIT_INTERRUPTED = 130
const DEFAULT_SEEDS = 1000
/** For fewer schedules a process of their own takes longer to start than it saves. */
const WORTH_A_PROCESS = 16
/** Flags that say nothing of one schedule. */
const OF_MANY = ['seeds', 'firstSeed', 'jobs', 'traceOut']
/** Two signals within so many milliseconds are of one key. */
const SAME_KEY = 300

interface Flags {
  seeds: number
  firstSeed: number
  jobs: number
  seed?: number
  trace?: string
  report?: string
  traceOut?: string
  json?: true
  quiet?: true
}

export function exploreCommand(): Command {
  return new Command('explore')
    .summary('run a scenario under many schedules with faults, and find the shortest that breaks something')
    .description(
      `Runs a scenario under seeded schedules that delay and reorder control messages, cut them, delay frames and timers, and kill
controller and hosts, links and connections at any instant; holds each run to what must always hold, and reports the
shortest schedule that breaks it. The same seed always gives the same run.`,
    )
    .argument('<file>', 'a scenario, a topology, or a stock shape such as leaf-spine,2,4')
    .option('--seeds <number>', 'how many schedules to run', wholeNumber, DEFAULT_SEEDS)
    .option('--first-seed <number>', 'the seed of the first one', wholeNumber, 1)
    .option(
      '--jobs <number>',
      'how many processes run schedules at once; the result is the same',
      wholeNumber,
      availableParallelism(),
    )
    .addOption(
      new Option('--seed <number>', 'run the schedule of this seed alone, and print all that happens')
        .argParser(wholeNumber)
        .conflicts(['trace', ...OF_MANY]),
    )
    .addOption(
      new Option('--trace <file>', 'run the schedule in this file alone, and print all that happens').conflicts(
        OF_MANY,
      ),
    )
    .option('--report <file>', 'write what was found as JSON; --trace reads the shortest schedule back from it')
    .option('--trace-out <file>', 'write the shortest schedule that breaks something, for --trace')
    .option('--json', 'print what was found as JSON')
    .option('--quiet', 'print nothing; only the exit code speaks')
    .addHelpText(
      'after',
      `${EXIT_LEGEND}\nFor explore, 1 says that an invariant was broken, 3 that no schedule was run, 130 that it was interrupted and none had been broken.`,
    )
    .action(run)
}

async function run(file: string, flags: Flags): Promise<void> {
  await checkWritable(flags.report, flags.traceOut)
  const subject = await Subject.read(await loadScenarioOrTopology(file))
  if (flags.trace !== undefined)
    return replayOne(subject, readTrace(await readFile(flags.trace, 'utf8'), flags.trace, subject.scenario), flags)
  if (flags.seed !== undefined) {
    const { profile } = await profileOf(subject)
    return replayOne(subject, drawSchedule(flags.seed, profile), flags)
  }
  await exploreAll(subject, flags)
}

async function exploreAll(subject: Subject, flags: Flags): Promise<void> {
  const progress = new ScheduleProgress(process.stderr, flags.quiet !== true, flags.seeds)
  let wanted = true
  let askedAt = 0
  const interrupted = () => {
    // Whoever started this process may pass the same key on once more.
    if (!wanted && performance.now() - askedAt > SAME_KEY) process.exit(EXIT_INTERRUPTED)
    if (wanted) askedAt = performance.now()
    wanted = false
  }
  process.on('SIGINT', interrupted)
  const jobs = Math.min(flags.jobs, Math.floor(flags.seeds / WORTH_A_PROCESS))
  let workers: Workers | undefined
  try {
    const found = await explore(subject, {
      first: flags.firstSeed,
      seeds: flags.seeds,
      ...(jobs > 1 && { runners: (profile) => (workers = new Workers(jobs, profile)).runners }),
      progress: (done, broken) => progress.update(done, broken),
      goOn: () => wanted,
    })
    progress.stop()
    if (!wanted) process.stderr.write('signalbox: interrupted; this is what was found so far\n')
    const report = reportOf(subject.scenario.name, found)
    await tell(report, flags)
    // What was not run may break one yet.
    if (!wanted && report.verdict !== 'fail') process.exitCode = EXIT_INTERRUPTED
  } finally {
    workers?.close()
    progress.stop()
    process.off('SIGINT', interrupted)
  }
}

async function tell(report: ExplorationReport, flags: Flags): Promise<void> {
  const json = `${JSON.stringify(report, undefined, 2)}\n`
  // Told first: a disk that has become full meanwhile does not take it away.
  if (flags.quiet !== true) process.stdout.write(flags.json ? json : explorationAsText(report, pico))
  if (flags.report !== undefined) await writeFile(flags.report, json)
  if (flags.traceOut !== undefined && report.shortest !== undefined)
    await writeFile(flags.traceOut, `${JSON.stringify(report.shortest, undefined, 2)}\n`)
  process.exitCode = EXIT_CODES[report.verdict]
}

async function replayOne(subject: Subject, schedule: Schedule, flags: Flags): Promise<void> {
  const outcome = await runSchedule(subject, schedule, { keep: true })
  const { broken, at, digest, happenings } = outcome
  const verdict = broken === undefined ? 'pass' : 'fail'
  const json = `${JSON.stringify({ verdict, scenario: subject.scenario.name, schedule, broken, at, digest, happenings }, undefined, 2)}\n`
  if (flags.quiet !== true) process.stdout.write(flags.json ? json : runAsText(outcome, pico))
  if (flags.report !== undefined) await writeFile(flags.report, json)
  process.exitCode = EXIT_CODES[verdict]
}

function wholeNumber(text: string): number {
  const number = Number(text)
  if (!/^\d+$/.test(text) || number > 0xffffffff) throw new InvalidArgumentError('expected a whole number below 2^32')
  return number
}
