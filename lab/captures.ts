// The captures that a scenario replays: each frame goes in at its time, at the vNIC that it is mapped to.

import { createReadStream, statSync } from 'node:fs'
import { basename, isAbsolute, join } from 'node:path'
import {
  CaptureDamaged,
  LINK_TYPE_ETHERNET,
  LINK_TYPES,
  readCapture,
  type CapturedFrame,
} from '../protocols/capture/capture.ts'
import type { Nanoseconds } from '../runtime/clock.ts'
import type { VirtualClock } from '../runtime/virtual-clock.ts'
import type { Scenario, Step } from '../topologies/scenario.ts'
import { MAX_FRAME_LENGTH } from '../datapath/frames.ts'
import { CaptureFeed, type FeedOptions } from './capture-feed.ts'
import { frameMapper, type Entry } from './frame-map.ts'
import type { Lab } from './lab.ts'
import type { RunLog } from './run-log.ts'
import { untagged } from './untagged.ts'

/** Progress is told every so many frames. */
const PROGRESS_PERIOD = 8192

type ReplayStep = Extract<Step, { type: 'replay' }>

export interface CapturesOptions {
  scenario: Scenario
  lab: Lab
  clock: VirtualClock
  log: RunLog
  /** Called now and then with the frames that have gone in so far, and how much that is of all captures, from 0 to 1. */
  progress?: ((frames: number, share: number) => void) | undefined
}

/** Where the scenario's capture lies. */
export const capturePath = ({ folder }: Scenario, { capture }: ReplayStep): string =>
  isAbsolute(capture) ? capture : join(folder, capture)

export class Captures {
  readonly #options: CapturesOptions
  #frames = 0
  /** In bytes. */
  readonly #captures: { read: number; size: number }[] = []

  constructor(options: CapturesOptions) {
    this.#options = options
  }

  /** The capture's first frame goes in at `start`. */
  async replay(step: ReplayStep, start: Nanoseconds): Promise<void> {
    const { scenario, lab, clock, log } = this.#options
    const path = capturePath(scenario, step)
    const progress = { read: 0, size: statSync(path, { throwIfNoEntry: false })?.size ?? 0 }
    this.#captures.push(progress)
    const mapper = frameMapper(step.map, scenario.topology)
    const name = basename(step.capture)
    const options: FeedOptions = {
      clock,
      start,
      speed: step.speed,
      enter: (frame) => this.#enter(frame, mapper.entryOf(frame), name),
      progress: (offset) => {
        progress.read = offset
      },
      party: lab.captureParty(mapper, name, (count) => this.#count(count)),
    }
    try {
      await new CaptureFeed(readCapture(createReadStream(path, { highWaterMark: 1 << 20 })), options).play()
    } catch (damage) {
      if (!(damage instanceof CaptureDamaged)) throw damage
      log.damaged.push(`${step.capture}: ${damage.message}`)
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
    const bytes = entry.untag ? untagged(frame.bytes) : frame.bytes
    this.#options.lab.inject(entry.nic, bytes, capture, frame.number)
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
    const { lab, log } = this.#options
    lab.judge.unmapped()
    log.unmapped.set(source, (log.unmapped.get(source) ?? 0) + 1)
  }
}
