// A process of its own for each pipeline, so that what one has taught the compiler does not weigh on the next. It does what it is
// asked over the channel to its parent (feeder-process.ts), and nothing meanwhile.

import { FedSwitch } from './fed-switch.ts'
import { heapTaken, latencies, memoryUse } from './findings.ts'
import { pipelineNamed } from './pipelines.ts'
import { calibrate, ownTime } from './processor.ts'
import { makeTraffic } from './traffic.ts'

/** Each is answered with numbers. */
export type Question = 'warm' | 'turn' | 'latency' | 'heap' | 'memory' | 'calibration'

const WARM_SECONDS = 2
const TURN_SECONDS = 1
/** Whose heap is measured. */
const FRAMES = 10_000_000

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
  calibration: () => [calibrate()],
}

/** Frames a second while every frame is the first of its flow. */
function fillOnce(): number {
  fed = new FedSwitch(pipeline, traffic)
  const start = ownTime()
  fed.feedAll()
  return fed.sent / (ownTime() - start)
}

process.on('message', (question: Question) => {
  process.send?.(ANSWERS[question]())
})
process.on('disconnect', () => process.exit())
