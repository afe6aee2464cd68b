// Flows in the syntax of ovs-ofctl(8) and ovs-fields(7): `table=0,priority=100,tcp,tp_dst=80,actions=output:2`.

import type { Action, FlowFilter, FlowFlags, FlowSpec } from '../control/messages.ts'
import { ALL_TABLES } from '../control/messages.ts'
import type { Match } from '../match.ts'
import { newReading, readActionList, readInstructions } from './parse-actions.ts'
import { readMatch, valueOf } from './parse-match.ts'
import type { FlowTextOptions } from './ports.ts'
import { parsePort } from './ports.ts'
import { FlowSyntaxError } from './syntax-error.ts'
import { parseNumber } from './values.ts'
import type { Piece, Word } from './words.ts'
import { slice, words } from './words.ts'

export const DEFAULT_PRIORITY = 32768

const UINT16 = 0xffffn
const UINT64 = 0xffffffffffffffffn
const MAXIMUM_TABLE = 253n

const FLAGS: ReadonlyMap<string, keyof FlowFlags> = new Map(
  Object.entries<keyof FlowFlags>({
    send_flow_rem: 'sendFlowRemoved',
    check_overlap: 'checkOverlap',
    reset_counts: 'resetCounts',
  }),
)

type PropertyReader = (flow: FlowSpec, value: Piece) => void

/** What a dump says beside the flow: read over, so that a dump can be fed back. */
const STATISTICS = new Set(['duration', 'n_packets', 'n_bytes', 'idle_age', 'hard_age'])

const NUMBERS: ReadonlyMap<string, PropertyReader> = new Map(
  Object.entries<PropertyReader>({
    table: (flow, value) => {
      flow.table = Number(parseNumber(value, MAXIMUM_TABLE))
    },
    priority: (flow, value) => {
      flow.priority = Number(parseNumber(value, UINT16))
    },
    idle_timeout: (flow, value) => {
      flow.idleTimeout = Number(parseNumber(value, UINT16))
    },
    hard_timeout: (flow, value) => {
      flow.hardTimeout = Number(parseNumber(value, UINT16))
    },
    cookie: (flow, value) => {
      const cut = value.text.indexOf('/')
      if (cut >= 0)
        throw new FlowSyntaxError(value.column + cut, 'a flow that is added has no cookie mask', 'cookie=VALUE')
      flow.cookie = parseNumber(value, UINT64)
    },
  }),
)

/**
 * One flow, as `add-flow` takes it. Defaults: table 0, priority 32768, cookie 0, no timeouts.
 * @throws FlowSyntaxError
 */
export function parseFlow(text: string, options: FlowTextOptions = {}): FlowSpec {
  const { before, actions } = split(text)
  if (actions === undefined)
    throw new FlowSyntaxError(text.length + 1, 'the flow has no actions', 'actions=…, or actions=drop')
  const flow = emptyFlow()
  const matchWords = words(before).filter((word) => !readProperty(word, flow))
  flow.match = readMatch(matchWords, options, [...NUMBERS.keys(), ...FLAGS.keys(), 'actions'])
  flow.instructions = readInstructions(actions, options, flow.match)
  return flow
}

/**
 * Which flows to show or delete, as `dump-flows` and `del-flows` take it. Defaults: all tables, any cookie.
 * @throws FlowSyntaxError
 */
export function parseFlowFilter(text: string, options: FlowTextOptions = {}): FlowFilter {
  const { before, actions } = split(text)
  if (actions !== undefined) throw new FlowSyntaxError(before.text.length + 1, 'a filter has no actions', 'a match')
  const filter: FlowFilter = { table: ALL_TABLES, match: [], cookie: 0n, cookieMask: 0n }
  const matchWords = words(before).filter((word) => !readFilterProperty(word, filter, options))
  filter.match = readMatch(matchWords, options, ['table', 'cookie', 'out_port'])
  return filter
}

/** @throws FlowSyntaxError */
export const parseMatch = (text: string, options: FlowTextOptions = {}): Match =>
  readMatch(words({ text, column: 1 }), options)

/**
 * A list of actions, instructions not among them. Where `match` is given, prerequisites are held against it.
 * @throws FlowSyntaxError
 */
export const parseActions = (text: string, options: FlowTextOptions & { match?: Match } = {}): Action[] =>
  readActionList({ text, column: 1 }, newReading(options, options.match))

const emptyFlow = (): FlowSpec => ({
  table: 0,
  priority: DEFAULT_PRIORITY,
  match: [],
  cookie: 0n,
  idleTimeout: 0,
  hardTimeout: 0,
  flags: {},
  instructions: { apply: [], clear: false, write: [] },
})

function split(text: string): { before: Piece; actions?: Piece } {
  const whole = { text, column: 1 }
  const found = /(^|[\s,])actions?\s*=/.exec(text)
  if (found === null) return { before: whole }
  return { before: slice(whole, 0, found.index), actions: slice(whole, found.index + found[0].length) }
}

/** True where the word is about the flow and not its match. */
function readProperty(word: Word, flow: FlowSpec): boolean {
  const keyword = word.key.text
  const flag = FLAGS.get(keyword)
  if (flag !== undefined) {
    flow.flags[flag] = true
    return true
  }
  if (STATISTICS.has(keyword)) return true
  const reader = NUMBERS.get(keyword)
  reader?.(flow, valueOf(word))
  return reader !== undefined
}

function readFilterProperty(word: Word, filter: FlowFilter, options: FlowTextOptions): boolean {
  switch (word.key.text) {
    case 'table':
      filter.table = Number(parseNumber(valueOf(word), BigInt(ALL_TABLES)))
      return true
    case 'cookie':
      readCookieMask(valueOf(word), filter)
      return true
    case 'out_port':
      filter.outPort = parsePort(valueOf(word), options)
      return true
    default:
      if (NUMBERS.has(word.key.text) || FLAGS.has(word.key.text)) {
        throw new FlowSyntaxError(
          word.key.column,
          `${word.key.text} is not what flows are filtered by`,
          'table, cookie, out_port or a match',
        )
      }
      return false
  }
}

/** `VALUE/MASK`, or a whole cookie; `VALUE/-1` says the same. */
function readCookieMask(piece: Piece, filter: FlowFilter): void {
  const cut = piece.text.indexOf('/')
  filter.cookie = parseNumber(cut < 0 ? piece : slice(piece, 0, cut), UINT64)
  const mask = cut < 0 ? undefined : slice(piece, cut + 1)
  filter.cookieMask = mask === undefined || mask.text === '-1' ? UINT64 : parseNumber(mask, UINT64)
  filter.cookie &= filter.cookieMask
}
