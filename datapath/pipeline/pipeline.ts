// The slow path: from a flow key to what is done with the frame, table by table (OpenFlow 1.3 §5.1), as Open vSwitch's
// ofproto-dpif-xlate.c does it.
//
// The answer is a list of datapath actions and the bits of the key that were consulted. It depends on nothing of the frame
// but those bits, so a cache may give it to every frame that agrees on them, for as long as tables, groups, ports and
// addresses are what they were. Asking changes nothing: what was learned and which flows were met is part of the answer.
//
// Where the answer depends on what only the datapath can find out (a connection's state, what was under a label), it ends in
// `recirculate`: the frame is read again, and `resume` goes on where `Frozen` says.

import type { Nanoseconds } from '../../runtime/clock.ts'
import type { Action } from '../../protocols/control/messages.ts'
import type { FlowKey } from '../flow-key.ts'
import type { Frozen } from './freeze.ts'
import type { TranslationObserver } from './observer.ts'
import { stepsOf } from './steps.ts'
import type { Translation } from './translation.ts'
import type { PipelineContext } from './walk.ts'
import { Walk } from './walk.ts'

/** What becomes of a frame with this key, from table 0 on. */
export function translate(
  context: PipelineContext,
  key: FlowKey,
  now: Nanoseconds,
  observer?: TranslationObserver,
): Translation {
  return new Walk({ context, key, now, observer }).fromTable(0)
}

/** What becomes of a frame with this key under these actions: a packet-out. */
export function translateActions(
  context: PipelineContext,
  key: FlowKey,
  actions: readonly Action[],
  now: Nanoseconds,
  observer?: TranslationObserver,
): Translation {
  return new Walk({ context, key, now, observer }).under(stepsOf(actions))
}

/** How a frame's way goes on. `key` was read off the frame again and given by `thawKey` what else was known. */
export function resume(
  context: PipelineContext,
  frozen: Frozen,
  key: FlowKey,
  now: Nanoseconds,
  observer?: TranslationObserver,
): Translation {
  return new Walk({ context, key, now, observer, frozen }).onwards(frozen)
}
