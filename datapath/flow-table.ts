import type { Action } from '../protocols/control/messages.ts'
import type { Match } from '../protocols/match.ts'
import { KEY_WORDS } from '../protocols/fields.ts'
import type { Classifier } from './classifier/classifier.ts'
import { TupleSpace } from './classifier/tuple-space.ts'
import type { Flow } from './flow.ts'
import type { FlowKey } from './flow-key.ts'
import type { PackedMatch } from './packed-match.ts'
import { keysAgree } from './flow-key.ts'
import { packMatch } from './packed-match.ts'

/** Which flows of a table a request is about: OpenFlow 1.3 §6.4. */
export interface FlowSelection {
  match: Match
  /** Given: exactly this match at this priority (strict). Absent: this match and every narrower one. */
  priority?: number
  cookie: bigint
  /** Bits of the cookie that must agree; 0 for any. */
  cookieMask: bigint
  /** Only flows with an output to this port. */
  outPort?: number
}

/** One OpenFlow table. It sees packets only as keys: no socket, no frame, no clock. */
export class FlowTable {
  readonly #flows: Classifier = new TupleSpace()

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
    return this.#flows.find(flow.value, flow.mask, flow.spec.priority) === flow
  }

  /**
   * The highest-priority flow that matches `key`, if any. Sets in `consulted` every bit the answer depended on, so that a
   * cache may give the same answer to any key that agrees on those bits.
   */
  lookup(key: FlowKey, consulted: Uint32Array): Flow | undefined {
    return this.#flows.lookup(key, consulted)
  }

  /** The flow with exactly this match and priority. */
  find(packed: PackedMatch, priority: number): Flow | undefined {
    return this.#flows.find(packed.value, packed.mask, priority)
  }

  select(selection: FlowSelection): Flow[] {
    const packed = packMatch(selection.match)
    return this.#candidates(packed, selection.priority).filter(
      (flow) =>
        ((flow.spec.cookie ^ selection.cookie) & selection.cookieMask) === 0n &&
        (selection.outPort === undefined || outputsTo(flow, selection.outPort)),
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

  #candidates(packed: PackedMatch, priority: number | undefined): Flow[] {
    if (priority === undefined) return [...this.#flows].filter((flow) => isWithin(flow, packed))
    const found = this.#flows.find(packed.value, packed.mask, priority)
    return found ? [found] : []
  }
}

/** Every frame that the flow matches, `wider` matches too. */
function isWithin(flow: PackedMatch, wider: PackedMatch): boolean {
  for (let word = 0; word < KEY_WORDS; word++) if ((wider.mask[word] & ~flow.mask[word]) !== 0) return false
  return keysAgree(flow.value, wider.value, wider.mask)
}

function overlap(a: PackedMatch, b: PackedMatch): boolean {
  for (let word = 0; word < KEY_WORDS; word++) {
    if (((a.value[word] ^ b.value[word]) & a.mask[word] & b.mask[word]) !== 0) return false
  }
  return true
}

function outputsTo(flow: Flow, port: number): boolean {
  const { apply, write } = flow.spec.instructions
  const isOutput = (action: Action): boolean =>
    action.type === 'clone' ? action.actions.some(isOutput) : action.type === 'output' && action.port === port
  return apply.some(isOutput) || write.some(isOutput)
}
