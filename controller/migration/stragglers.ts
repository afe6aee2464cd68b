// What still comes to the place that a VM has left, from switches that could not be told of the move: its port there keeps it, and it
// is brought after the VM until they have confirmed. A tunnel leads to one host; on VLANs and flat networks the physical network
// takes frames to wherever the VM was announced, whoever sends them.
//
// One that comes back is told only once the VM's port keeps what is for it: what it sends directly from then on may be there before
// what it sent to the old place, which is put ahead.

import { type Nanoseconds, MILLISECOND, SECOND, sleep } from '../../runtime/clock.ts'
import { waitFor } from '../../runtime/waiting.ts'
import { switchesAt } from '../../topologies/topology.ts'
import { attachmentsOf } from '../network/attachments.ts'
import { HeldFrames } from './held-frames.ts'
import type { Mark } from './mark.ts'
import type { StateTransfer } from './state-transfer.ts'
import type { Steps } from './steps.ts'
import { textOf } from '../../runtime/error-text.ts'

/** How long it is tried where the request does not say. */
const REDIRECT = 5 * SECOND
/** Between two looks: at least, and at most where nothing comes. */
const PAUSE = { least: 5 * MILLISECOND, most: 40 * MILLISECOND }
/** How long one that is back waits for the VM's port at most. */
const PATIENCE = SECOND

export class Stragglers {
  readonly #steps: Steps
  readonly #states: StateTransfer
  readonly #span: Nanoseconds
  /** Which place has been left. */
  #stage: 'released' | 'returned' | undefined
  #untold = new Set<string>()
  /** Of these, those that are back. */
  readonly #back = new Set<string>()
  /** The VM's port keeps what is for it, or is going to. */
  #keeping: Promise<void> | undefined
  /** When a switch that was back was told last where the VM is. */
  #toldAt = -Infinity
  /** While nobody is: until it is over. */
  #quiet: Promise<void> | undefined
  /** How far the source's frames go that the destination is just being handed. */
  #underWay: Mark | undefined
  #wake: () => void = () => {}

  /** It is tried for `span`. */
  constructor(steps: Steps, states: StateTransfer, span: Nanoseconds = REDIRECT) {
    this.#steps = steps
    this.#states = states
    this.#span = span
  }

  /** The switches that can not be told now may go on sending to the place that is left. */
  expect(stage: 'released' | 'returned', untold: readonly string[] = this.#awayNow()): void {
    this.#stage = stage
    this.#untold = new Set(untold)
    this.#steps.progress.remember({ untold })
  }

  get areExpected(): boolean {
    return this.#untold.size > 0
  }

  /** No place has been left yet. */
  expectNone(): void {
    this.#stage = undefined
    this.#untold.clear()
  }

  /** What has been sent has arrived, and nobody is told anything new, while the frames of both places are brought into one order. */
  async quietly(work: () => Promise<void>): Promise<void> {
    const { clock } = this.#steps.world
    const rest = () => this.#toldAt + this.#steps.drainTime - clock.now()
    while (rest() > 0) await sleep(clock, rest())
    let done = () => {}
    this.#quiet = new Promise((resolve) => {
      done = resolve
    })
    try {
      await work()
    } finally {
      this.#quiet = undefined
      done()
    }
  }

  /** A switch is back, and what it sends to the VM may go elsewhere once it is told. Resolves when it may be. */
  async beforeTold(name: string): Promise<void> {
    const { world, places } = this.#steps
    await this.#quiet
    this.#toldAt = world.clock.now()
    if (this.#stage === undefined || !this.#untold.has(name)) return
    this.#back.add(name)
    this.#keeping ??= places.waitFor(this.#hosts.at, PATIENCE).then(() => this.#setPort('keep'))
    this.#wake()
    await this.#keeping.catch(() => {})
  }

  /** Resolves when all have confirmed, or time is over. */
  async bring(): Promise<void> {
    const { world, places, progress } = this.#steps
    const end = world.clock.now() + this.#span
    let pause = PAUSE.least
    while (this.#untold.size > 0 && world.clock.now() < end && places.isThere(this.#hosts.left)) {
      const brought = await this.#bringOnce()
      pause = brought > 0 ? PAUSE.least : Math.min(2 * pause, PAUSE.most)
      if (this.#back.size > 0) await this.#readmit()
      else await this.#pause(Math.min(pause, end - world.clock.now()))
      for (const name of this.#untold) if (this.#hasConfirmed(name)) this.#untold.delete(name)
    }
    progress.enter(progress.status.state, { unconfirmed: [...this.#untold] })
  }

  async #pause(span: Nanoseconds): Promise<void> {
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    await waitFor(woken, span, this.#steps.world.clock)
  }

  /** Those that are back are told; what they sent before, and what they send now, is put in order. */
  async #readmit(): Promise<void> {
    const { world } = this.#steps
    const back = [...this.#back]
    await world.fleet.pushEach(back)
    await this.#steps.drained()
    await this.#bringOnce()
    for (const name of back) this.#back.delete(name)
    if (this.#back.size > 0) return
    this.#keeping = undefined
    await this.#setPort('open').catch((error: unknown) => world.log(String(error)))
  }

  /** How many frames there were. Where a place is away, what it keeps is brought later. */
  async #bringOnce(): Promise<number> {
    const { places, progress, world } = this.#steps
    const { left, at } = this.#hosts
    const held = new HeldFrames(places)
    try {
      // The place that was left judges what comes there by what it knows of connections.
      const isReleased = this.#stage === 'released'
      await this.#states.tell(isReleased ? 'target' : 'home')
      const { handed } = progress.record
      if (isReleased && handed !== undefined) held.passOver(left, handed)
      await held.takeFrom(left)
      if (held.count === 0) return 0
      await this.handOver(held, { left, at })
      await held.forgetAt(left)
      const { state, redirected } = progress.status
      progress.enter(state, { redirected: redirected + held.count })
    } catch (error) {
      world.log(textOf(error))
    }
    return held.count
  }

  /** What was read at the place that was left goes to a port that may let it out at once. */
  async handOver(held: HeldFrames, { left, at }: { left: string; at: string }): Promise<void> {
    const { progress, from } = this.#steps
    this.#underWay = left === from ? held.markAt(left) : undefined
    await held.deliverTo(at)
    if (this.#underWay !== undefined) progress.remember({ handed: this.#underWay })
    this.#underWay = undefined
  }

  /** A switch has started anew. Whether its ports have let out what they were just being handed nobody knows: it is not brought again. */
  foundAnew(name: string): void {
    const { places, progress, to } = this.#steps
    const lost = Object.entries(this.#underWay ?? {}).filter(([id]) => {
      const nic = places.vm.nics.find((one) => one.id === id)
      return nic !== undefined && places.switchNameAt(to, nic) === name
    })
    if (lost.length > 0) progress.remember({ handed: { ...progress.record.handed, ...Object.fromEntries(lost) } })
  }

  async #setPort(state: 'keep' | 'open'): Promise<void> {
    const { move } = this.#steps
    if (move?.stage !== this.#stage) return
    await this.#steps.set(this.#stage === 'released' ? { targetState: state } : { homeState: state }, [this.#hosts.at])
  }

  get #hosts(): { left: string; at: string } {
    const { from, to } = this.#steps.progress.status
    return this.#stage === 'released' ? { left: from, at: to } : { left: to, at: from }
  }

  #hasConfirmed(name: string): boolean {
    const { fleet } = this.#steps.world
    return !this.#back.has(name) && (!fleet.has(name) || fleet.reconciler(name).inSync)
  }

  /** Switches that may send to a place of the VM by a tunnel, and are not known to have heard where it is. */
  #awayNow(): string[] {
    const { from, to, world, places } = this.#steps
    const names = new Set(places.vm.nics.flatMap(attachmentsOf).map(({ network }) => network))
    const overlays = [...names].flatMap((name) => world.view().networks.get(name) ?? [])
    const hosts = new Set(overlays.filter(({ onUplink }) => !onUplink).flatMap((network) => network.hosts))
    return [...hosts]
      .filter(({ name }) => name !== from && name !== to)
      .flatMap(switchesAt)
      .filter((name) => world.fleet.has(name) && !world.fleet.reconciler(name).inSync)
  }
}
