// Runs a scenario from start to verdict, on virtual time.

import { createReadStream, statSync } from 'node:fs'
import { basename, isAbsolute, join } from 'node:path'
import {
  CaptureDamaged,
  LINK_TYPE_ETHERNET,
  LINK_TYPES,
  readCapture,
  type CapturedFrame,
} from '../protocols/capture/capture.ts'
import { MILLISECOND, SECOND, sleep, type Nanoseconds } from '../runtime/clock.ts'
import { VirtualClock } from '../runtime/virtual-clock.ts'
import type { Scenario, Step, TimelineEntry } from '../topologies/scenario.ts'
import { Conflict, SwitchRefused } from '../controller/model.ts'
import { formatDuration } from '../topologies/units.ts'
import { MAX_FRAME_LENGTH } from '../datapath/frames.ts'
import { CaptureFeed, type FeedOptions } from './capture-feed.ts'
import { applyFlow } from './flow-step.ts'
import { frameFrom } from './frame-text.ts'
import { frameMapper, type Entry } from './frame-map.ts'
import { Lab, type LabObserver } from './lab.ts'
import { sharesNetwork } from './sharing.ts'
import { untagged } from './untagged.ts'
import { composeVerdict } from './compose-verdict.ts'
import type { RunLog } from './run-log.ts'
import type { Verdict } from './verdict.ts'
import { findNic } from '../topologies/lookup.ts'

/** Progress is told every so many frames. */
const PROGRESS_PERIOD = 8192
/** How long after the last step frames may still be on their way. */
const PATIENCE = 10 * SECOND

export interface ReplayOptions {
  seed?: number
  /** Goes on with what is whole of a damaged capture. */
  lenient?: boolean
  observer?: LabObserver
  /** Called now and then with the frames that have gone in so far, and how much that is of all captures, from 0 to 1. */
  progress?: (frames: number, share: number) => void
  log?: (line: string) => void
  /** Each frame goes alone, as the slow twin of those that go in company. */
  frameByFrame?: boolean
}

export interface ReplayResult {
  verdict: Verdict
  /** The input was wrong in part: what is whole has been replayed. */
  damaged: string[]
}

/** @throws NotFound, FlowSyntaxError, SwitchRefused, and file errors, where a step can't be done as written */
export async function replay(scenario: Scenario, options: ReplayOptions = {}): Promise<ReplayResult> {
  const seed = options.seed ?? scenario.seed
  const clock = new VirtualClock()
  const inCompany = options.frameByFrame !== true
  const lab = await Lab.start(scenario.topology, { clock, seed, inCompany, ...pick(options) })
  const run = new Run(scenario, lab, clock, options)
  await clock.runUntil(run.play())
  await quiesce(lab, clock)
  const verdict = composeVerdict(scenario, seed, lab, run.log, clock.now() - run.start)
  return { verdict, damaged: run.log.damaged }
}

const pick = ({ observer, log }: ReplayOptions) => ({ ...(observer && { observer }), ...(log && { log }) })

/** Lets time pass until no frame is on its way, or none can be expected to arrive any more. */
async function quiesce(lab: Lab, clock: VirtualClock): Promise<void> {
  const end = clock.now() + PATIENCE
  do await clock.run(clock.now() + 10 * MILLISECOND)
  while (lab.inFlight > 0 && clock.now() < end)
}

class Run {
  readonly start: Nanoseconds
  readonly log: RunLog = { pings: [], migrations: [], problems: [], damaged: [], unmapped: new Map() }
  readonly #scenario: Scenario
  readonly #lab: Lab
  readonly #clock: VirtualClock
  readonly #options: ReplayOptions
  #frames = 0
  /** In bytes. */
  readonly #captures: { read: number; size: number }[] = []

  constructor(scenario: Scenario, lab: Lab, clock: VirtualClock, options: ReplayOptions) {
    this.#scenario = scenario
    this.#lab = lab
    this.#clock = clock
    this.#options = options
    this.start = clock.now()
  }

  /** Plays the timeline; resolves when every step has ended. */
  async play(): Promise<void> {
    await Promise.all(this.#scenario.timeline.map((entry) => this.#at(entry)))
  }

  async #at({ at, step }: TimelineEntry): Promise<void> {
    if (step.type === 'replay') return this.#replay(step, this.start + at)
    await sleep(this.#clock, this.start + at - this.#clock.now())
    try {
      await this.#do(step)
    } catch (problem) {
      if (!(problem instanceof Conflict || problem instanceof SwitchRefused)) throw problem
      this.log.problems.push(`${step.type} at ${formatDuration(at)}: ${problem.message}`)
    }
  }

  async #do(step: Exclude<Step, { type: 'replay' }>): Promise<void> {
    switch (step.type) {
      case 'ping':
        return this.#ping(step)
      case 'pingall':
        return this.#pingAll()
      case 'send':
        return this.#send(step)
      case 'migrate': {
        this.log.migrations.push(await this.#lab.migrate(step.vm, step.to, step.pause))
        return
      }
      case 'flow':
        return applyFlow(this.#lab.controller, step)
      case 'apply':
        return this.#lab.apply(step.topology)
      case 'fail':
      case 'heal':
        if (!this.#lab[step.type](step.target))
          this.log.problems.push(`${step.type}: nothing like ${JSON.stringify(step.target)} in the topology`)
    }
  }

  async #replay(step: Extract<Step, { type: 'replay' }>, start: Nanoseconds): Promise<void> {
    const path = isAbsolute(step.capture) ? step.capture : join(this.#scenario.folder, step.capture)
    const progress = { read: 0, size: statSync(path, { throwIfNoEntry: false })?.size ?? 0 }
    this.#captures.push(progress)
    const source = readCapture(createReadStream(path, { highWaterMark: 1 << 20 }))
    const mapper = frameMapper(step.map, this.#scenario.topology)
    const name = basename(step.capture)
    const options: FeedOptions = {
      clock: this.#clock,
      start,
      speed: step.speed,
      enter: (frame) => this.#enter(frame, mapper.entryOf(frame), name),
      progress: (offset) => {
        progress.read = offset
      },
      party: this.#lab.captureParty(mapper, name, (count) => this.#count(count)),
    }
    try {
      await new CaptureFeed(source, options).play()
    } catch (damage) {
      if (!(damage instanceof CaptureDamaged)) throw damage
      this.log.damaged.push(`${step.capture}: ${damage.message}`)
    }
  }

  #count(frames: number): void {
    const told = Math.floor(this.#frames / PROGRESS_PERIOD)
    this.#frames += frames
    if (Math.floor(this.#frames / PROGRESS_PERIOD) > told) this.#options.progress?.(this.#frames, this.#share())
  }

  #enter(frame: CapturedFrame, entry: Entry, capture: string): void {
    this.#count(1)
    const { linkType } = frame
    if (linkType !== LINK_TYPE_ETHERNET)
      return this.#unmapped(`link type ${LINK_TYPES[linkType] ?? linkType}, not Ethernet`)
    if (frame.bytes.length > MAX_FRAME_LENGTH) return this.#unmapped(`longer than ${MAX_FRAME_LENGTH} bytes`)
    if ('unmapped' in entry) return this.#unmapped(entry.unmapped)
    this.#lab.inject(entry.nic, entry.untag ? untagged(frame.bytes) : frame.bytes, capture, frame.number)
  }

  /** Of the bytes of all captures, how many have been read. */
  #share(): number {
    let read = 0
    let size = 0
    for (const capture of this.#captures) {
      read += capture.read
      size += capture.size
    }
    return size === 0 ? 0 : read / size
  }

  #unmapped(source: string): void {
    this.#lab.judge.unmapped()
    this.log.unmapped.set(source, (this.log.unmapped.get(source) ?? 0) + 1)
  }

  async #ping({ from, to, count, interval, expect }: Extract<Step, { type: 'ping' }>): Promise<void> {
    const topology = this.#lab.controller.topology
    const [source, target] = [findNic(topology, from), findNic(topology, to)]
    const expected = expect ?? (sharesNetwork(source, target) ? 'reachable' : 'unreachable')
    const result = await this.#lab.pinger.ping(source, target, { count, interval })
    this.log.pings.push({ result, expected })
  }

  async #pingAll(): Promise<void> {
    const nics = this.#lab.controller.topology.vms.flatMap((vm) => vm.nics)
    for (const from of nics) {
      for (const to of nics) {
        if (from.vm !== to.vm) await this.#ping({ type: 'ping', from: from.id, to: to.id, count: 1, interval: SECOND })
      }
    }
  }

  async #send({ from, frame, count, rate }: Extract<Step, { type: 'send' }>): Promise<void> {
    const nic = findNic(this.#lab.controller.topology, from)
    const bytes = frameFrom(frame, nic, this.#lab.controller.topology)
    const start = this.#clock.now()
    for (let sent = 0; sent < count; sent++) {
      await sleep(this.#clock, start + Math.round((sent * SECOND) / rate) - this.#clock.now())
      this.#lab.inject(nic.id, bytes, 'send')
    }
  }
}
