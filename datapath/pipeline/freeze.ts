// The rest of a frame's way through the pipeline, kept while the datapath does what the pipeline can not foresee: track its
// connection, read what was under a label, measure it. Open vSwitch's `struct frozen_state` (ofproto/ofproto-dpif-rid.h).

import { Word } from '../../protocols/fields.ts'
import type { Tracked } from '../conntrack/tracker.ts'
import type { FlowKey } from '../flow-key.ts'
import { Fragment } from '../flow-key.ts'
import type { Flow } from '../flow.ts'
import type { ActionSet } from './action-set.ts'
import type { Step } from './steps.ts'

/** A list of actions under way. */
export interface Activation {
  /** The table whose flow this is. */
  table: number
  flow: Flow | undefined
  steps: readonly Step[]
  /** The step that comes next. */
  next: number
  /** Counts as one level of resubmits. */
  readonly deepens: boolean
  /** Where the actions come from, which is what a packet-in gives as its reason. */
  readonly origin: 'flow' | 'packet_out' | 'action_set' | 'group'
  /** How many lists it stands in. */
  depth: number
}

/** The top value of a frame's stack, and what is below it. */
export interface StackValue {
  readonly value: bigint
  readonly below: StackValue | undefined
  /** Of all values, as Open vSwitch keeps them: each in as few octets as its field's part has, and one for how many. */
  readonly bytes: number
}

export interface Frozen {
  /** The way goes on with a look-up in this table; undefined: with `lists`. */
  table: number | undefined
  /** Lists that have not ended, the innermost last. */
  lists: readonly Activation[]
  /** Words of the key before `Word.ethernetDestination`. */
  metadata: Uint32Array
  actionSet: ActionSet | undefined
  stack: StackValue | undefined
  queue: number
  isPacketOut: boolean
  /** The frame has no Ethernet header. */
  bare: boolean
  /** The connection's words are those that the tracker gave last, not those of `metadata`. */
  tracked: boolean
  /** How often the frame has been read anew, this time counted in, and how often it was only measured. */
  recirculations: number
  measurements: number
}

/** Open vSwitch's MAX_RECIRC_DEPTH (lib/dpif-netdev.c). It measures frames without reading them anew; we bound that, too. */
const MAX_RECIRCULATIONS = 6
const MAX_MEASUREMENTS = 64

export const isTooDeep = ({ recirculations, measurements }: Frozen): boolean =>
  recirculations > MAX_RECIRCULATIONS || measurements > MAX_MEASUREMENTS

/** A bit found out by measuring the frame. */
export interface ResultBit {
  word: number
  bit: number
  value: boolean
}

/** All that there is in it, as text, where that is no more than a table to go on with: equal ones are the same to any frame. */
export function stateOf({ table, lists, actionSet, stack, isPacketOut, ...state }: Frozen): string | undefined {
  if (table === undefined || lists.length > 0 || actionSet !== undefined || stack !== undefined || isPacketOut)
    return undefined
  const { metadata, queue, bare, tracked, recirculations, measurements } = state
  return [table, queue, bare, tracked, recirculations, measurements, ...metadata].join()
}

/** Gives a key that was read off the frame again what the pipeline knew beside it, and what was found out since. */
export function thawKey(
  frozen: Frozen,
  key: FlowKey,
  tracked: Tracked | undefined,
  results: readonly ResultBit[],
): void {
  key.set(frozen.metadata)
  if (frozen.tracked && tracked !== undefined) learnConnection(key, tracked)
  for (const { word, bit, value } of results) {
    const mask = (1 << bit) >>> 0
    key[word] = value ? key[word] | mask : key[word] & ~mask
  }
}

/** As in Open vSwitch's userspace datapath, a later fragment has none of the connection's ports, as it has none of its own. */
function learnConnection(key: FlowKey, { words }: Tracked): void {
  key.set(words, Word.ctState)
  if ((key[Word.fragment] & Fragment.Later) !== 0) key.fill(0, Word.ctTransportSource, Word.ctTransportDestination + 1)
}
