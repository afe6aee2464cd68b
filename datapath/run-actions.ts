// Carries out what the pipeline decided, on the frame's bytes.

import { Word } from '../protocols/fields.ts'
import type { Clock } from '../runtime/clock.ts'
import type { DatapathAction } from './datapath-actions.ts'
import type { DropReason } from './drops.ts'
import type { Flow } from './flow.ts'
import type { FrameArena, FrameHandle } from './frames.ts'
import type { MeterTable } from './meters.ts'
import { MeterVerdict } from './meters.ts'
import { applySet, popVlan, pushVlan } from './rewrite.ts'

export type ControllerAction = Extract<DatapathAction, { type: 'controller' }>
export type TunnelOutput = Extract<DatapathAction, { type: 'tunnel_output' }>
export type Output = Extract<DatapathAction, { type: 'output' }> | TunnelOutput

/** Where frames go. Each of the first two takes ownership of the frame. */
export interface ActionSink {
  leave(frame: FrameHandle, output: Output, hits: readonly Flow[]): void
  end(frame: FrameHandle, reason: DropReason, flow: Flow | undefined): void
  /** Only looks at the frame. */
  toController(frame: FrameHandle, action: ControllerAction): void
}

interface Surroundings {
  arena: FrameArena
  meters: MeterTable
  clock: Clock
  sink: ActionSink
}

/**
 * Does `actions` to the frame and takes ownership of it. Every output is a copy that leaves. As in Open vSwitch, every copy that
 * a meter ends is a drop of its own, whatever else leaves. A frame of which neither can be said ends, once, under the name that
 * the list gives.
 */
export function runActions(
  frame: FrameHandle,
  actions: readonly DatapathAction[],
  hits: readonly Flow[],
  surroundings: Surroundings,
): void {
  run(frame, actions, hits, surroundings, 0)
}

/** Gives how many copies have left or were ended by a meter, of which `copies` before. A clone that did neither ends in silence. */
function run(
  frame: FrameHandle,
  actions: readonly DatapathAction[],
  hits: readonly Flow[],
  surroundings: Surroundings,
  copies: number,
): number {
  const { arena, meters, clock, sink } = surroundings
  for (let index = 0; index < actions.length; index++) {
    const action = actions[index]
    const isLast = index === actions.length - 1
    switch (action.type) {
      case 'output':
      case 'tunnel_output':
        copies++
        sink.leave(isLast ? frame : arena.clone(frame), action, hits)
        if (isLast) return copies
        break
      case 'clone':
        if (isLast) return run(frame, action.actions, hits, surroundings, copies)
        copies = run(arena.clone(frame), action.actions, hits, surroundings, copies)
        break
      case 'set':
        applySet(arena, frame, action.word, action.value, action.mask)
        break
      case 'push_vlan':
        pushVlan(arena, frame, action.etherType, action.tci)
        break
      case 'pop_vlan':
        popVlan(arena, frame)
        break
      case 'meter': {
        const verdict = meters.allow(action.meter, arena.length[frame] * 8, clock.now())
        if (verdict === MeterVerdict.Drop) {
          sink.end(frame, 'rate_limited', hits.at(-1))
          return copies + 1
        }
        if (verdict >= 0) applySet(arena, frame, Word.trafficClass, verdict << 2, 0xfc)
        break
      }
      case 'controller':
        sink.toController(frame, action)
        break
      case 'drop':
        if (copies > 0) break
        sink.end(frame, action.reason, action.flow)
        return copies
    }
  }
  arena.release(frame)
  return copies
}
