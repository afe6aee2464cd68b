// Carries out what the pipeline decided, on the frame's bytes.

import { Word } from '../protocols/fields.ts'
import type { Clock } from '../runtime/clock.ts'
import type { GoOn, Tracked, Tracker } from './conntrack/tracker.ts'
import type { DatapathAction } from './datapath-actions.ts'
import type { DropReason } from './drops.ts'
import type { Flow } from './flow.ts'
import type { FrameArena, FrameHandle } from './frames.ts'
import type { MeterTable } from './meters.ts'
import { MeterVerdict } from './meters.ts'
import type { Frozen, ResultBit } from './pipeline/freeze.ts'
import { isTooDeep } from './pipeline/freeze.ts'
import { applySet } from './rewrite.ts'
import { locate } from './rewrite/layout.ts'
import type { Rewrite } from './run-rewrites.ts'
import { rewrite } from './run-rewrites.ts'
import { innerTos } from './tunnels/inner.ts'

type ActionOf<Type extends DatapathAction['type']> = Extract<DatapathAction, { type: Type }>
export type ControllerAction = ActionOf<'controller'>
export type SampleAction = ActionOf<'sample'>
export type TunnelOutput = ActionOf<'tunnel_output'>
export type Output = ActionOf<'output'> | TunnelOutput

/** What was found out about a frame since its key was read. */
export interface Findings {
  tracked: Tracked | undefined
  results: readonly ResultBit[]
}

const NOTHING_FOUND: Findings = { tracked: undefined, results: [] }

/** Where frames go. Each of the first three takes ownership of the frame. */
export interface ActionSink {
  leave(frame: FrameHandle, output: Output, hits: readonly Flow[]): void
  end(frame: FrameHandle, reason: DropReason, flow: Flow | undefined): void
  /** Reads the frame anew and goes on with `resume` (pipeline/pipeline.ts); `tracked` goes into the next `runActions`. */
  recirculate(frame: FrameHandle, frozen: Frozen, findings: Findings): void
  /** Only looks at the frame. */
  toController(frame: FrameHandle, action: ControllerAction): void
  /** Only looks at the frame, of which one in so many is to be counted. */
  sample(frame: FrameHandle, action: SampleAction): void
}

export interface Surroundings {
  arena: FrameArena
  meters: MeterTable
  tracker: Tracker
  clock: Clock
  sink: ActionSink
}

/**
 * Does `actions` to the frame and takes ownership of it. Every output is a copy that leaves. As in Open vSwitch, every copy that
 * a meter ends is a drop of its own, whatever else leaves. A frame of which neither can be said ends, once, under the name that
 * the list gives. `tracked` is what the connection tracker said of the frame before it was read anew.
 */
export function runActions(
  frame: FrameHandle,
  actions: readonly DatapathAction[],
  hits: readonly Flow[],
  surroundings: Surroundings,
  tracked?: Tracked,
): void {
  run(surroundings, hits, frame, actions, 0, tracked ? { tracked, results: [] } : NOTHING_FOUND, 0)
}

/**
 * Does the actions from `start` on. Gives how many copies have left, gone on or been ended by a meter, of which `copies` before. A
 * clone that did none of it ends in silence.
 */
function run(
  surroundings: Surroundings,
  hits: readonly Flow[],
  frame: FrameHandle,
  actions: readonly DatapathAction[],
  start: number,
  findings: Findings,
  copies: number,
): number {
  const { arena, sink } = surroundings
  for (let index = start; index < actions.length; index++) {
    const action = actions[index]
    const isLast = index === actions.length - 1
    switch (action.type) {
      case 'output':
      case 'tunnel_output':
        copies++
        leave(surroundings, hits, isLast ? frame : arena.clone(frame), action)
        if (isLast) return copies
        break
      case 'clone':
        copies = run(surroundings, hits, isLast ? frame : arena.clone(frame), action.actions, 0, findings, copies)
        if (isLast) return copies
        break
      case 'meter':
        if (!passes(surroundings, hits, frame, action.meter)) return copies + 1
        break
      case 'ct': {
        const frames = surroundings.tracker.track(arena, frame, action.request, findings.tracked)
        // A piece of a datagram is kept until the others have come; then all go on, each on its own.
        if (frames.length !== 1) {
          const onwards = goingOn(surroundings, hits, actions, index + 1, findings, copies)
          if (frames.length === 0) surroundings.tracker.goOnWhenWhole?.(action.request, onwards)
          return onwards(frames)
        }
        const [{ frame: same, ...tracked }] = frames
        frame = same
        findings = { ...findings, tracked }
        break
      }
      case 'ct_clear':
      case 'check_length':
        findings = withFinding(findings, action, arena.length[frame])
        break
      case 'recirculate':
        if (isTooDeep(action.frozen)) sink.end(frame, 'recirculation_too_deep', hits.at(-1))
        else sink.recirculate(frame, action.frozen, findings)
        return copies + 1
      case 'drop':
        if (copies > 0) break
        sink.end(frame, action.reason, action.flow)
        return copies
      default:
        doTo(frame, action, surroundings)
    }
  }
  arena.release(frame)
  return copies
}

/** What becomes of fragments whose datagram is whole: gives how many copies have left or gone on, of which `before` before. */
function goingOn(
  surroundings: Surroundings,
  hits: readonly Flow[],
  actions: readonly DatapathAction[],
  start: number,
  findings: Findings,
  before: number,
): GoOn {
  return (frames) => {
    let copies = before
    for (const { frame, ...tracked } of frames)
      copies = run(surroundings, hits, frame, actions, start, { ...findings, tracked }, copies)
    return copies
  }
}

/** What neither ends the frame nor makes another of it. */
function doTo(
  frame: FrameHandle,
  action: ControllerAction | SampleAction | Rewrite,
  { arena, sink }: Surroundings,
): void {
  if (action.type === 'controller') sink.toController(frame, action)
  else if (action.type === 'sample') sink.sample(frame, action)
  else rewrite(arena, frame, action)
}

function leave({ arena, sink }: Surroundings, hits: readonly Flow[], frame: FrameHandle, action: Output): void {
  const { maxLength } = action
  if (maxLength !== undefined && arena.length[frame] > maxLength) arena.length[frame] = maxLength
  sink.leave(frame, action, hits)
}

function passes(surroundings: Surroundings, hits: readonly Flow[], frame: FrameHandle, meter: number): boolean {
  const { arena, meters, clock, sink } = surroundings
  const dscp = innerTos(locate(arena, frame)) >> 2
  const verdict = meters.allow(meter, arena.length[frame] * 8, clock.now(), dscp)
  if (verdict === MeterVerdict.Drop) sink.end(frame, 'rate_limited', hits.at(-1))
  else if (verdict >= 0) applySet(arena, frame, Word.trafficClass, verdict << 2, 0xfc)
  return verdict !== MeterVerdict.Drop
}

function withFinding(
  findings: Findings,
  action: ActionOf<'ct_clear'> | ActionOf<'check_length'>,
  length: number,
): Findings {
  if (action.type === 'ct_clear') return { ...findings, tracked: undefined }
  const { word, bit } = action
  return { ...findings, results: [...findings.results, { word, bit, value: length > action.length }] }
}
