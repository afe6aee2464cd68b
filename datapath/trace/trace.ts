// START HERE. Why a frame goes where it goes: its way through one switch, table by table, in the layout of Open vSwitch's
// `ofproto/trace` (ofproto-dpif-trace.c).
//
// A trace asks the pipeline what becomes of the frame (recorder.ts hears every turn) and does the answer to a copy that nobody
// else gets to see. So it knows what a frame is after labels have come off and what its connection is, and changes nothing: what
// the connection tracker would remember, it tells a shadow of its own.

import { KEY_WORDS, Word } from '../../protocols/fields.ts'
import type { Tracked, Tracker, TrackRequest } from '../conntrack/tracker.ts'
import type { DatapathAction } from '../datapath-actions.ts'
import type { DropReason } from '../drops.ts'
import { beginFrames, endFrames, nextFrame, spend } from '../pipeline/effort.ts'
import type { Flow } from '../flow.ts'
import type { FlowKey } from '../flow-key.ts'
import { extractKey } from '../flow-key.ts'
import type { FrameHandle } from '../frames.ts'
import { FrameArena } from '../frames.ts'
import { MeterTable } from '../meters.ts'
import { UNSET } from '../pipeline/action-set.ts'
import type { Frozen, ResultBit } from '../pipeline/freeze.ts'
import { thawKey } from '../pipeline/freeze.ts'
import type { Translation } from '../pipeline/translation.ts'
import { resume, translate } from '../pipeline/pipeline.ts'
import type { Findings, Output, Surroundings } from '../run-actions.ts'
import { runActions } from '../run-actions.ts'
import type { Switch } from '../switch.ts'
import { frameFromKey } from './compose.ts'
import { formatFlow } from './flow-line.ts'
import { maskOf } from './megaflow-mask.ts'
import { formatActions } from './odp-actions.ts'
import { linesOf, TraceRecorder } from './recorder.ts'
import { acknowledging, assumed, headingOf, pretendNat } from './resumption.ts'

export interface TraceRequest {
  /** Of the frame, with all that is known beside it: `in_port` at least. */
  key: FlowKey
  /** Where absent, one is made of the key. */
  frame?: Uint8Array
  /** What the connection tracker is taken to say (`CtState`), time after time; then new. Absent: what it would really say. */
  connectionStates?: readonly number[]
  /** The TCP flags are nobody's word: to the connection tracker the segment is one that may begin a connection or belong to one. */
  anyTcpFlags?: boolean
}

/** The way from a key to where it ends or the frame is read anew. */
export interface TraceStep {
  /** What has come before: lines about the recirculation. Empty in the first step. */
  heading: string[]
  flow: string
  /** Tables, rules and actions, indented. */
  lines: string[]
  finalFlow: string
  megaflow: string
  datapathActions: string
  /** Why the pipeline gave up. */
  failure?: string
}

/** A copy that would leave, were its port up. */
export interface TracedOutput {
  port: number
  queue: number
  /** Without the outer headers of the tunnel. */
  frame: Uint8Array
  /** Where the port is a tunnel's. A source of 0 is the port's own. */
  tunnel?: { id: bigint; source: number; destination: number }
  flow?: Flow
}

export interface Trace {
  bridge: string
  steps: TraceStep[]
  outputs: TracedOutput[]
  /** Copies that end here. */
  ends: { reason: DropReason; flow?: Flow }[]
  /** Copies for the controllers. */
  packetIns: number
}

/** How the pipeline's reasons for giving up are called there. */
const FAILURES: Partial<Record<DropReason, string>> = {
  recursion_too_deep: 'Recursion too deep',
  too_many_resubmit: 'Too many resubmits',
  stack_too_deep: 'Stack too deep',
  too_many_mpls_labels: 'Too many MPLS labels',
  unsupported_packet_type: 'Unsupported packet type',
}

/** Steps after which a trace stops: as many as Open vSwitch's. */
const MAX_STEPS = 4096

export function traceFrame(device: Switch, request: TraceRequest): Trace {
  beginFrames()
  nextFrame()
  try {
    return new Tracing(device, request).run(request)
  } finally {
    endFrames()
  }
}

/** The answer of `ofproto/trace`. */
export function formatTrace({ bridge, steps }: Trace): string {
  const title = `bridge("${bridge}")`
  const text = steps.map((step) =>
    [
      ...(step.heading.length === 0 ? [] : [RULER, ...step.heading, RULER, '']),
      `Flow: ${step.flow}`,
      '',
      title,
      '-'.repeat(title.length),
      ...step.lines,
      '',
      `Final flow: ${step.finalFlow}`,
      `Megaflow: ${step.megaflow}`,
      `Datapath actions: ${step.datapathActions}`,
      ...(step.failure === undefined ? [] : [`Translation failed (${step.failure}), packet is dropped.`]),
      '',
    ].join('\n'),
  )
  return text.join('\n')
}

const RULER = '='.repeat(79)

/** A frame that waits to be read anew. */
interface Waiting {
  frame: FrameHandle
  frozen: Frozen
  findings: Findings
}

class Tracing {
  readonly #device: Switch
  readonly #arena = new FrameArena()
  readonly #states: number[] | undefined
  readonly #surroundings: Surroundings
  readonly #waiting: Waiting[] = []
  readonly #numbers = new Map<Frozen, number>()
  readonly #branches = new Map<Frozen, [readonly DatapathAction[], readonly DatapathAction[]]>()
  readonly #trace: Trace
  #recorder: TraceRecorder
  #measurements = 0

  constructor(device: Switch, request: TraceRequest) {
    const { connectionStates } = request
    this.#device = device
    this.#recorder = new TraceRecorder(device.tables)
    this.#states = connectionStates === undefined ? undefined : [...connectionStates]
    this.#trace = { bridge: device.name, steps: [], outputs: [], ends: [], packetIns: 0 }
    const tracker = connectionStates === undefined ? shadowOf(device, request) : assumed
    this.#surroundings = {
      arena: this.#arena,
      clock: device.clock,
      // One without meters lets everything pass, and counts nothing.
      meters: new MeterTable(),
      tracker,
      sink: {
        leave: (frame, output) => {
          this.#trace.outputs.push(outputOf(output, this.#arena.read(frame).slice()))
          this.#arena.release(frame)
        },
        end: (frame, reason, flow) => {
          this.#trace.ends.push({ reason, ...(flow && { flow }) })
          this.#arena.release(frame)
        },
        recirculate: (frame, frozen, findings) => this.#recirculate({ frame, frozen, findings }),
        toController: () => void this.#trace.packetIns++,
        sample: () => {},
      },
    }
  }

  run({ key, frame }: TraceRequest): Trace {
    const handle = frame === undefined ? frameFromKey(this.#arena, key) : this.#arena.allocateFrom(frame)
    const start = key.slice()
    this.#step(start, handle, [], undefined, undefined, (recorder) =>
      translate(this.#device, start, this.#device.clock.now(), recorder),
    )
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (this.#trace.steps.length < MAX_STEPS) this.#resume(next)
      else this.#arena.release(next.frame)
    }
    return this.#trace
  }

  #step(
    key: FlowKey,
    frame: FrameHandle,
    heading: string[],
    frozen: Frozen | undefined,
    tracked: Tracked | undefined,
    ask: (recorder: TraceRecorder) => Translation,
  ): void {
    const recorder = new TraceRecorder(this.#device.tables, frozen)
    this.#recorder = recorder
    this.#measurements = frozen?.measurements ?? 0
    const answer = ask(recorder)
    spend(answer.effort + answer.size)
    runActions(frame, answer.actions, answer.hits, this.#surroundings, tracked)
    const recirculation = frozen === undefined ? 0 : this.#numberOf(frozen)
    const line = { recirculation, bare: frozen?.bare ?? false }
    const failure = failureOf(answer.actions)
    this.#trace.steps.push({
      heading,
      flow: formatFlow({ key, ...line }),
      lines: linesOf(recorder.root),
      finalFlow: finalFlow(key, answer, recorder.finalKey, line),
      megaflow: formatFlow({ key, mask: maskOf(key, answer.consulted, recirculation !== 0), ...line }),
      datapathActions: formatActions(answer.actions, {
        key,
        recirculation: (one) => this.#numberOf(one),
        branches: (one) => this.#branches.get(one),
        suppressed: true,
      }),
      ...(failure !== undefined && { failure }),
    })
  }

  #recirculate(waiting: Waiting): void {
    if (waiting.frozen.measurements > this.#measurements) this.#measure(waiting)
    else this.#waiting.push(waiting)
  }

  /** Tells both ways that a measured frame may go, and takes the one that this frame does. */
  #measure({ frame, frozen, findings: { tracked, results } }: Waiting): void {
    const last = results.at(-1)
    const ways = [true, false].map((value): Translation => {
      const supposed: ResultBit[] = last === undefined ? [] : [...results.slice(0, -1), { ...last, value }]
      const key = this.#keyOf(frame, frozen, tracked, supposed)
      this.#recorder.goOnFrom(frozen)
      return resume(this.#device, frozen, key, this.#device.clock.now(), this.#recorder)
    })
    const [longer, notLonger] = ways
    this.#branches.set(frozen, [longer.actions, notLonger.actions])
    const taken = last?.value === true ? longer : notLonger
    spend(longer.effort + notLonger.effort + taken.size)
    const before = this.#measurements
    this.#measurements = frozen.measurements
    runActions(frame, taken.actions, taken.hits, this.#surroundings, tracked)
    this.#measurements = before
  }

  #resume({ frame, frozen, findings: { tracked, results } }: Waiting): void {
    const isAssumed = this.#states !== undefined
    const request = isAssumed ? (tracked?.seen as TrackRequest | undefined) : undefined
    const state = isAssumed && frozen.tracked ? this.#states?.shift() : undefined
    const key = this.#keyOf(frame, frozen, isAssumed ? undefined : tracked, results)
    const title = `recirc(0x${this.#numberOf(frozen).toString(16)})`
    const heading = headingOf(title, frozen, { isAssumed, state, known: key[Word.ctState] })
    const still = tracked && { words: tracked.words, ...(!isAssumed && tracked.seen && { seen: tracked.seen }) }
    if (isAssumed && frozen.tracked && request !== undefined) {
      heading.push(...pretendNat(this.#arena, frame, request))
      this.#read(frame, frozen, key)
      key[Word.ctState] = state ?? DEFAULT_STATE
      key[Word.ctZone] = request.zone
    }
    this.#step(key, frame, heading, frozen, still, (recorder) =>
      resume(this.#device, frozen, key, this.#device.clock.now(), recorder),
    )
  }

  #keyOf(frame: FrameHandle, frozen: Frozen, tracked: Tracked | undefined, results: readonly ResultBit[]): FlowKey {
    const key = new Uint32Array(KEY_WORDS)
    extractKey(this.#arena, frame, frozen.metadata[Word.inPort], key)
    thawKey(frozen, key, tracked, results)
    return key
  }

  #read(frame: FrameHandle, frozen: Frozen, key: FlowKey): void {
    extractKey(this.#arena, frame, frozen.metadata[Word.inPort], key)
    thawKey(frozen, key, undefined, [])
  }

  /** From 1 on, in the order in which they come up. */
  #numberOf(frozen: Frozen): number {
    const number = this.#numbers.get(frozen) ?? this.#numbers.size + 1
    this.#numbers.set(frozen, number)
    return number
  }
}

/** Knows the switch's connections. Where the flags are nobody's word, so are the sequence numbers; and without a frame a port of 0. */
function shadowOf({ connections }: Switch, { frame, anyTcpFlags = false }: TraceRequest): Tracker {
  const shadow = connections.shadow()
  if (frame === undefined || anyTcpFlags) shadow.portZero = 'allowed'
  if (!anyTcpFlags) return shadow
  shadow.sequenceChecks = false
  return acknowledging(shadow)
}

/** trk|new */
const DEFAULT_STATE = 0x21

function outputOf(output: Output, frame: Uint8Array): TracedOutput {
  const { port, queue, flow } = output
  const said = { port, queue, frame, ...(flow && { flow }) }
  if (output.type === 'output') return said
  return { ...said, tunnel: { id: output.tunnelId, source: output.source, destination: output.destination } }
}

function finalFlow(
  key: FlowKey,
  answer: Translation,
  finalKey: FlowKey | undefined,
  line: { recirculation: number; bare: boolean },
): string {
  const start = key.slice()
  if (line.recirculation === 0) start[Word.actionSetOutput] = UNSET
  const end = finalKey ?? answer.key
  const isSame = line.bare === answer.bare && start.every((word, index) => word === end[index])
  return isSame ? 'unchanged' : formatFlow({ key: end, recirculation: line.recirculation, bare: answer.bare })
}

function failureOf(actions: readonly DatapathAction[]): string | undefined {
  const [only, ...others] = actions
  return only?.type === 'drop' && others.length === 0 ? FAILURES[only.reason] : undefined
}
