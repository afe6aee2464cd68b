// The fast path of one switch, fed from memory: what it forwards, beside Open vSwitch with DPDK where that is asked for.

import type { Bench, Conditions } from '../bench.ts'
import { rowOf, type Row } from '../measure.ts'
import { VECTOR } from './fed-switch.ts'
import type { Question } from './feeder.ts'
import { FeederProcess } from './feeder-process.ts'
import { OvsDpdk } from './ovs-dpdk.ts'
import { ATTACKS, PIPELINES, type Pipeline } from './pipelines.ts'
import { makeTraffic } from './traffic.ts'

const TURNS = 5
const TURN_SECONDS = 1
const MILLION = 1e6
/** Those in which the caches know every frame after a while. */
const KEPT = PIPELINES.filter(({ filling }) => filling !== true)

export const rateBenches: readonly Bench[] = PIPELINES.map((pipeline) => ({
  name: pipeline.name,
  rows: async (conditions) => [await rateRow(pipeline, conditions)],
}))

/** What a vector takes, the longest that a frame waits for the others of its vector; and what each of 10 M frames takes of the heap. */
export const vectorBenches: readonly Bench[] = KEPT.filter(isTypical).map(({ name }) => ({
  name: `vectors: ${name}`,
  rows: async (conditions) => {
    const [median, most, nearlyAll, heap] = await found(name, ['latency', 'heap'], conditions)
    const latency = `latency of a vector of ${VECTOR}: ${name}`
    return [
      rowOf(`${latency}, median`, 'us', [median!]),
      rowOf(`${latency}, 99 %`, 'us', [most!]),
      rowOf(`${latency}, 99.9 %`, 'us', [nearlyAll!]),
      rowOf(`heap taken by 10 M frames: ${name}`, 'bytes/frame', [heap!]),
    ]
  },
}))

/** Bytes for each flow of the tables, and for each that the frames are of. */
export const memoryBenches: readonly Bench[] = KEPT.filter(({ settling }) => settling !== undefined).map(
  ({ name }) => ({
    name: `memory: ${name}`,
    rows: async (conditions) => {
      const [flow, tuple] = await found(name, ['memory'], conditions)
      return [
        rowOf(`memory: ${name}, a flow of the table`, 'bytes', [flow!]),
        rowOf(`memory: ${name}, the caches, for each 5-tuple`, 'bytes', [tuple!]),
      ]
    },
  }),
)

/** One number of flows for each kind of pipeline. */
function isTypical({ name, traffic, settling }: Pipeline): boolean {
  return traffic.tuples === 1000 || settling !== undefined || name.startsWith('in_port -> output, 1 ')
}

/** What established flows keep of their rate while somebody sends frames that are made to cost much. */
export const attackBenches: readonly Bench[] = ATTACKS.map(({ name }) => ({
  name: `under attack: ${name}`,
  rows: async (conditions) => {
    const kept = await found(name, ['attack'], conditions)
    const shares = (which: number) => kept.filter((_, index) => index % 2 === which).map((share) => 100 * share)
    return [
      rowOf(`established flows under ${name}: 10,000 frames a second, with their time`, '% of rate', shares(0)),
      rowOf(`established flows under ${name}: one frame in a hundred, without their time`, '% of rate', shares(1)),
    ]
  },
}))

/** What our switch finds out about itself, in a process of its own, after it has warmed up. */
async function found(pipeline: string, questions: readonly Question[], conditions: Conditions): Promise<number[]> {
  const feeder = new FeederProcess(pipeline, conditions)
  try {
    await feeder.ask('warm')
    const answers: number[] = []
    for (const question of questions) answers.push(...(await feeder.ask(question)))
    return answers
  } finally {
    feeder.stop()
  }
}

async function rateRow(pipeline: Pipeline, conditions: Conditions): Promise<Row> {
  const feeder = new FeederProcess(pipeline.name, conditions)
  let ovs: OvsDpdk | undefined
  try {
    const [calibration] = await feeder.ask('calibration')
    conditions.calibration.push(calibration!)
    if (conditions.against === 'ovs') {
      ovs = await OvsDpdk.start(pipeline, makeTraffic(pipeline.traffic), conditions)
      if (!(await settled(pipeline, ovs)))
        process.stderr.write(`bench: ${pipeline.name}: Open vSwitch is still filling its caches; later it is faster\n`)
    }
    await feeder.ask('warm')
    const [ours, theirs] = await takeTurns(pipeline, feeder, ovs)
    return rowOf(pipeline.name, 'Mpps', ours, theirs)
  } finally {
    feeder.stop()
    await ovs?.stop()
  }
}

async function settled({ settling }: Pipeline, ovs: OvsDpdk): Promise<boolean> {
  return settling === undefined || ovs.settle(settling)
}

async function takeTurns(pipeline: Pipeline, feeder: FeederProcess, ovs?: OvsDpdk): Promise<[number[], number[]]> {
  const ours: number[] = []
  const theirs: number[] = []
  for (let turn = 0; turn < TURNS; turn++) {
    const [rate] = await feeder.ask('turn')
    ours.push(rate! / MILLION)
    if (ovs) theirs.push((await ovs.rate(TURN_SECONDS, { anew: pipeline.filling === true })) / MILLION)
  }
  return [ours, theirs]
}
