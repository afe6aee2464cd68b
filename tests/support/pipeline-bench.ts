// The pipeline and what carries out its answers, without the rest of a switch: frames in, and what becomes of them as text.

import type { Tracked, Tracker } from '../../datapath/conntrack/tracker.ts'
import { extractKey } from '../../datapath/flow-key.ts'
import { FlowTables } from '../../datapath/flow-tables.ts'
import type { FrameHandle } from '../../datapath/frames.ts'
import { FrameArena } from '../../datapath/frames.ts'
import { GroupTable } from '../../datapath/groups.ts'
import { MacTable } from '../../datapath/mac-table.ts'
import { MeterTable } from '../../datapath/meters.ts'
import { bringAbout, countInGroups } from '../../datapath/pipeline/effects.ts'
import type { Frozen } from '../../datapath/pipeline/freeze.ts'
import { thawKey } from '../../datapath/pipeline/freeze.ts'
import type { PipelineContext } from '../../datapath/pipeline/walk.ts'
import { resume, translate, translateActions } from '../../datapath/pipeline/pipeline.ts'
import type { Translation } from '../../datapath/pipeline/translation.ts'
import { PortTable } from '../../datapath/ports.ts'
import type { ActionSink, ControllerAction, Findings } from '../../datapath/run-actions.ts'
import { runActions } from '../../datapath/run-actions.ts'
import type { Switch } from '../../datapath/switch.ts'
import type { Action, FlowMod, GroupSpec, PortConfig } from '../../protocols/control/messages.ts'
import { KEY_WORDS } from '../../protocols/fields.ts'
import { parseFlow } from '../../protocols/flow-text/parse.ts'
import { udpFrame } from '../../protocols/packet/compose.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { flowMod, portConfig } from './test-switch.ts'

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** A UDP frame from 1 to 2, but for what is given. */
export const udp = (options: Partial<Parameters<typeof udpFrame>[0]> = {}): Uint8Array =>
  udpFrame({
    ethSrc: 1n,
    ethDst: 2n,
    ipSrc: 1,
    ipDst: 2,
    srcPort: 1,
    dstPort: 2,
    payload: new Uint8Array(8),
    ...options,
  })

/** Where what was heard was heard, without the frames. */
export const portsOf = (heard: readonly string[]): string[] => heard.map((one) => one.replace(/: .*/, ''))

/** Four ports, and these flows. */
export const bench = (...flows: string[]): PipelineBench => new PipelineBench([{}, {}, {}, {}]).flows(...flows)

/** Says that it knows nothing, and lets every frame pass. */
const NO_TRACKER: Tracker = { track: (_arena, frame) => [{ frame, words: new Uint32Array(20) }] }

type Settings = Partial<Pick<PipelineContext, 'fragments' | 'standalone'>> & { tracker?: Tracker }

export class PipelineBench {
  readonly arena = new FrameArena()
  readonly clock = new VirtualClock()
  readonly meters = new MeterTable()
  readonly context: Pick<Switch, Exclude<keyof PipelineContext, 'room'>>
  /** Of the frame that was received last. */
  translations: Translation[] = []
  packetIns: (ControllerAction & { frame: string })[] = []
  samples = 0
  readonly #tracker: Tracker
  #heard: string[] = []

  constructor(
    ports: Partial<PortConfig>[],
    { fragments = 'normal', standalone = false, tracker = NO_TRACKER }: Settings = {},
  ) {
    const { arena, clock } = this
    const events = { changed: () => {}, transmit: () => {}, discard: () => {}, lost: () => {} }
    this.#tracker = tracker
    this.context = {
      tables: new FlowTables({
        clock,
        maxFlows: 1000,
        meterExists: (meter) => this.meters.has(meter),
        groupExists: () => true,
        removed: () => {},
      }),
      groups: new GroupTable(),
      ports: new PortTable({ arena, clock, events }),
      macTable: new MacTable(),
      fragments,
      standalone,
    }
    for (const [index, port] of ports.entries()) this.context.ports.add(portConfig({ number: index + 1, ...port }))
  }

  flows(...texts: string[]): this {
    return this.mods(texts.map((text) => parseFlow(text)))
  }

  mods(mods: Partial<FlowMod>[]): this {
    this.context.tables.applyBundle(mods.map(flowMod))
    return this
  }

  group(spec: GroupSpec): this {
    const mod = { type: 'groupMod', command: 'add', ...spec } as const
    this.context.groups.apply(mod, { now: 0, checkActions: () => {} })
    return this
  }

  /** What becomes of a frame: `2: 0102…` for a copy that left through port 2, `drop table_miss` for one that ended. */
  receive(bytes: Uint8Array, port = 1): string[] {
    return this.#begin(bytes, port, (key) => translate(this.context, key, this.clock.now()))
  }

  /** The same for a frame that a controller sends. */
  send(bytes: Uint8Array, actions: readonly Action[], port = 1): string[] {
    return this.#begin(bytes, port, (key) => translateActions(this.context, key, actions, this.clock.now()))
  }

  #begin(bytes: Uint8Array, port: number, ask: (key: Uint32Array) => Translation): string[] {
    this.translations = []
    this.packetIns = []
    this.#heard = []
    const frame = this.arena.allocateFrom(bytes)
    this.#carryOut(frame, ask(this.#keyOf(frame, port)), undefined)
    return this.#heard
  }

  #keyOf(frame: FrameHandle, port: number): Uint32Array {
    const key = new Uint32Array(KEY_WORDS)
    extractKey(this.arena, frame, port, key)
    return key
  }

  #carryOut(frame: FrameHandle, said: Translation, tracked: Tracked | undefined): void {
    const { arena, clock, meters } = this
    this.translations.push(said)
    bringAbout(said.effects, this.context, clock.now())
    countInGroups(said.effects, 1, arena.length[frame]!)
    const surroundings = { arena, meters, clock, tracker: this.#tracker, sink: this.#sink }
    runActions(frame, said.actions, said.hits, surroundings, tracked)
  }

  readonly #sink: ActionSink = {
    leave: (frame, { port, queue }) => this.#hear(frame, queue === 0 ? `${port}` : `${port} queue ${queue}`),
    end: (frame, reason) => {
      this.#heard.push(`drop ${reason}`)
      this.arena.release(frame)
    },
    recirculate: (frame, frozen, findings) => this.#resume(frame, frozen, findings),
    toController: (frame, action) => this.packetIns.push({ ...action, frame: hex(this.arena.read(frame)) }),
    sample: () => this.samples++,
  }

  #hear(frame: FrameHandle, where: string): void {
    this.#heard.push(`${where}: ${hex(this.arena.read(frame))}`)
    this.arena.release(frame)
  }

  #resume(frame: FrameHandle, frozen: Frozen, { tracked, results }: Findings): void {
    const key = this.#keyOf(frame, 0)
    thawKey(frozen, key, tracked, results)
    this.#carryOut(frame, resume(this.context, frozen, key, this.clock.now()), tracked)
  }
}
