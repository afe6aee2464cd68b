import type { Action, Instructions } from '../protocols/control/messages.ts'
import { ReservedGroup, ReservedPort } from '../protocols/control/messages.ts'
import type { Match } from '../protocols/match.ts'
import type { Classifier } from './classifier/classifier.ts'
import { TrieClassifier } from './classifier/trie-classifier.ts'
import type { Flow } from './flow.ts'
import type { FlowKey } from './flow-key.ts'
import type { CompactMatch } from './packed-match.ts'
import { compactMatch, isWithin, overlap } from './packed-match.ts'

/** Which flows of a table a request is about: OpenFlow 1.3 §6.4. */
export interface FlowSelection {
  match: Match
  /** Given: exactly this match at this priority (strict). Absent: this match and every narrower one. */
  priority?: number
  cookie: bigint
  /** Bits of the cookie that must agree; 0 for any. */
  cookieMask: bigint
  /** Only flows with an output to this port, or to this group. */
  outPort?: number
  outGroup?: number
}

/** One OpenFlow table. It sees packets only as keys: no socket, no frame, no clock. */
export class FlowTable {
  /** Keys of frames looked up, and how many of them met a flow: counted by who carries the answer out. */
  lookups = 0
  matched = 0
  readonly #flows: Classifier = new TrieClassifier()

  get size(): number {
    return this.#flows.size
  }

  /** Adds a flow. One with the same match and priority gives way and is returned. */
  add(flow: Flow): Flow | undefined {
    return this.#flows.insert(flow)
  }

  /** Takes out this very flow; false where it was not there. */
  remove(flow: Flow): boolean {
    return this.#flows.remove(flow)
  }

  has(flow: Flow): boolean {
    return this.#flows.find(flow, flow.spec.priority) === flow
  }

  /**
   * The highest-priority flow that matches `key`, if any. Sets in `consulted` every bit the answer depended on, so that a
   * cache may give the same answer to any key that agrees on those bits.
   */
  lookup(key: FlowKey, consulted: Uint32Array): Flow | undefined {
    return this.#flows.lookup(key, consulted)
  }

  /** The flow with exactly this match and priority. */
  find(match: CompactMatch, priority: number): Flow | undefined {
    return this.#flows.find(match, priority)
  }

  select(selection: FlowSelection): Flow[] {
    // Of a hundred thousand, looking at each takes a while in which frames wait.
    if (selectsAll(selection)) return [...this.#flows]
    return this.#candidates(compactMatch(selection.match), selection.priority).filter((flow) =>
      isSelected(flow, selection),
    )
  }

  /** A flow other than the one of this very match that has the same priority and could match a frame that `flow` matches. */
  overlapping(flow: Flow): Flow | undefined {
    for (const other of this.#flows) {
      if (other.spec.priority === flow.spec.priority && overlap(other, flow)) return other
    }
    return undefined
  }

  [Symbol.iterator](): Iterator<Flow> {
    return this.#flows[Symbol.iterator]()
  }

  #candidates(match: CompactMatch, priority: number | undefined): Flow[] {
    if (priority === undefined) return [...this.#flows].filter((flow) => isWithin(flow, match))
    const found = this.#flows.find(match, priority)
    return found ? [found] : []
  }
}

const NO_PORT = ReservedPort.Any
const NO_GROUP = ReservedGroup.Any

const selectsAll = ({ match, priority, cookieMask, outPort = NO_PORT, outGroup = NO_GROUP }: FlowSelection): boolean =>
  match.length === 0 && priority === undefined && cookieMask === 0n && outPort === NO_PORT && outGroup === NO_GROUP

/** What a selection asks beyond the match. */
export function isSelected(
  flow: Flow,
  { cookie, cookieMask, outPort = NO_PORT, outGroup = NO_GROUP }: Criteria,
): boolean {
  if (cookieMask !== 0n && ((flow.spec.cookie ^ cookie) & cookieMask) !== 0n) return false
  const { instructions } = flow.spec
  if (outPort !== NO_PORT && !someAction(instructions, (action) => outputsTo(action, outPort))) return false
  return (
    outGroup === NO_GROUP || someAction(instructions, (action) => action.type === 'group' && action.group === outGroup)
  )
}

type Criteria = Pick<FlowSelection, 'cookie' | 'cookieMask' | 'outPort' | 'outGroup'>

/** As in Open vSwitch, what a bundle, a learned flow or a register sends to is no output that a filter sees. */
const outputsTo = (action: Action, port: number) =>
  (action.type === 'output' && action.port === port) ||
  (action.type === 'controller' && port === ReservedPort.Controller)

/** Whether any action is such a one, in the action set, in clones and in ct too. */
export function someAction({ apply, write }: Instructions, isSuch: (action: Action) => boolean): boolean {
  const among = (actions: readonly Action[]): boolean =>
    actions.some(
      (action) => isSuch(action) || ((action.type === 'clone' || action.type === 'ct') && among(action.actions)),
    )
  return among(apply) || among(write)
}
