// A process of its own for each pipeline, so that what one has taught the compiler does not weigh on the next. It does what it is
// asked over the channel to its parent (feeder-process.ts), and nothing meanwhile.

import { FedSwitch } from './fed-switch.ts'
import { Attacker } from './attacker.ts'
import { heapTaken, keptApart, keptAtRate, latencies, memoryUse } from './findings.ts'
import { attackOf, pipelineNamed } from './pipelines.ts'
import { calibrate, ownTime } from './processor.ts'
import { makeTraffic } from './traffic.ts'

/** Each is answered with numbers. */
export type Question = 'warm' | 'turn' | 'latency' | 'heap' | 'memory' | 'attack' | 'calibration'

const WARM_SECONDS = 2
const TURN_SECONDS = 1
/** Whose heap is measured. */
const FRAMES = 10_000_000
const ATTACK_TURNS = 5
/** Frames of an attacker for each 256 of the traffic: one in a hundred of all. */
const ATTACKERS_IN_VECTOR = 3

const pipeline = pipelineNamed(process.argv[2] ?? '')
const traffic = makeTraffic(pipeline.traffic)
let fed = new FedSwitch(pipeline, traffic)

const ANSWERS: Readonly<Record<Question, () => number[]>> = {
  warm() {
    for (let time = 0; time < 2; time++)
      if (pipeline.filling) fillOnce()
      else fed.feedAll()
    if (!pipeline.filling) fed.rate(WARM_SECONDS)
    return []
  },
  turn: () => [pipeline.filling ? fillOnce() : fed.rate(TURN_SECONDS)],
  latency: () => latencies(fed),
  heap: () => [heapTaken(fed, FRAMES)],
  memory: () => memoryUse(pipeline, traffic),
  attack: () => Array.from({ length: ATTACK_TURNS }, attackOnce).flat(),
  calibration: () => [calibrate()],
}

/** Frames a second while every frame is the first of its flow. */
function fillOnce(): number {
  fed = new FedSwitch(pipeline, traffic)
  const start = ownTime()
  fed.feedAll()
  return fed.sent / (ownTime() - start)
}

/** What the traffic keeps of its rate, in the two ways that it is measured. */
function attackOnce(): number[] {
  fed = new FedSwitch(pipeline, traffic)
  fed.rate(WARM_SECONDS / 4)
  const attacker = new Attacker(attackOf(pipeline))
  return [keptAtRate(fed, attacker), keptApart(fed, attacker, ATTACKERS_IN_VECTOR)]
}

process.on('message', (question: Question) => {
  process.send?.(ANSWERS[question]())
})
process.on('disconnect', () => process.exit())
