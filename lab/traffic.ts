// What a scenario sends: captures, pings and frames of its own.

import { basename, isAbsolute, join } from 'node:path'
import {
  CaptureDamaged,
  LINK_TYPE_ETHERNET,
  LINK_TYPES,
  readCapture,
  type CapturedFrame,
} from '../protocols/capture/capture.ts'
import { SECOND, sleep, type Nanoseconds } from '../runtime/clock.ts'
import type { VirtualClock } from '../runtime/virtual-clock.ts'
import type { Scenario, Step } from '../topologies/scenario.ts'
import { findNic } from '../topologies/lookup.ts'
import { MAX_FRAME_LENGTH } from '../datapath/frames.ts'
import { CaptureFeed, type FeedOptions } from './capture-feed.ts'
import { frameFrom } from './frame-text.ts'
import { frameMapper, type Entry } from './frame-map.ts'
import type { Lab } from './lab.ts'
import type { RunLog } from './run-log.ts'
import { sharesNetwork } from './sharing.ts'
import { untagged } from './untagged.ts'

/** Progress is told every so many frames. */
const PROGRESS_PERIOD = 8192

type ReplayStep = Extract<Step, { type: 'replay' }>

/** A capture, opened. */
export interface OpenCapture {
  bytes: AsyncIterable<Uint8Array>
  size: number
}

export interface TrafficOptions {
  scenario: Scenario
  lab: Lab
  clock: VirtualClock
  log: RunLog
  open: (path: string) => OpenCapture
  /** Called now and then with the frames that have gone in so far, and how much that is of all captures, from 0 to 1. */
  progress?: ((frames: number, share: number) => void) | undefined
}

/** Where the scenario's capture lies. */
export const capturePath = ({ folder }: Scenario, { capture }: ReplayStep): string =>
  isAbsolute(capture) ? capture : join(folder, capture)

export class Traffic {
  readonly #options: TrafficOptions
  #frames = 0
  /** In bytes. */
  readonly #captures: { read: number; size: number }[] = []

  constructor(options: TrafficOptions) {
    this.#options = options
  }

  /** The capture's first frame goes in at `start`. */
  async replay(step: ReplayStep, start: Nanoseconds): Promise<void> {
    const { scenario, lab, clock, log, open } = this.#options
    const { bytes, size } = open(capturePath(scenario, step))
    const progress = { read: 0, size }
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
      await new CaptureFeed(readCapture(bytes), options).play()
    } catch (damage) {
      if (!(damage instanceof CaptureDamaged)) throw damage
      log.damaged.push(`${step.capture}: ${damage.message}`)
    }
  }

  async ping({ from, to, count, interval, expect }: Extract<Step, { type: 'ping' }>): Promise<void> {
    const { lab, log } = this.#options
    const { topology } = lab.controller
    const [source, target] = [findNic(topology, from), findNic(topology, to)]
    const expected = expect ?? (sharesNetwork(source, target) ? 'reachable' : 'unreachable')
    const result = await lab.pinger.ping(source, target, { count, interval })
    log.pings.push({ result, expected })
  }

  async pingAll(): Promise<void> {
    const nics = this.#options.lab.controller.topology.vms.flatMap((vm) => vm.nics)
    for (const from of nics) {
      for (const to of nics) {
        if (from.vm !== to.vm) await this.ping({ type: 'ping', from: from.id, to: to.id, count: 1, interval: SECOND })
      }
    }
  }

  async send({ from, frame, count, rate }: Extract<Step, { type: 'send' }>): Promise<void> {
    const { lab, clock } = this.#options
    const { topology } = lab.controller
    const nic = findNic(topology, from)
    const bytes = frameFrom(frame, nic, topology)
    const start = clock.now()
    for (let sent = 0; sent < count; sent++) {
      await sleep(clock, start + Math.round((sent * SECOND) / rate) - clock.now())
      lab.inject(nic.id, bytes, 'send')
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
