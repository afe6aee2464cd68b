// Flows in the syntax of ovs-ofctl(8) and ovs-fields(7): `table=0,priority=100,tcp,tp_dst=80,actions=output:2`.

import type { Action, FlowCommand, FlowFilter, FlowMod, FlowSpec } from '../control/messages.ts'
import { ALL_TABLES } from '../control/messages.ts'
import type { Match } from '../match.ts'
import { DEFAULT_PRIORITY } from './defaults.ts'
import type { FlowDraft } from './flow-properties.ts'
import { propertyNames, readProperty } from './flow-properties.ts'
import { readActionList, readInstructions } from './parse-actions.ts'
import { readMatch } from './parse-match.ts'
import type { FlowTextOptions } from './ports.ts'
import { newReading } from './reading.ts'
import { FlowSyntaxError } from './syntax-error.ts'
import type { Piece } from './words.ts'
import { commandOf, slice, wholeText, words } from './words.ts'

export { parseGroupMod } from './parse-groups.ts'
export { parseMeterMod } from './meters.ts'

/**
 * One flow, as `add-flow` takes it. Defaults: table 0, priority 32768, cookie 0, no timeouts.
 * @throws FlowSyntaxError
 */
export function parseFlow(text: string, options: FlowTextOptions = {}): FlowSpec {
  const draft = readFlow(wholeText(text), 'add', options)
  return specOf(draft, 0)
}

/**
 * One line of a file of flows, as `add-flows` takes it: a flow, and before it, where `options.command` (or else to add it) is not
 * meant, another one: `delete table=3`, `modify_strict …`. Deletes reach into all tables where they name none.
 * @throws FlowSyntaxError
 */
export function parseFlowMod(text: string, options: FlowTextOptions & { command?: FlowCommand } = {}): FlowMod {
  const [found, rest] = commandOf(wholeText(text), COMMANDS, options.command ?? 'add')
  const draft = readFlow(rest, found, options)
  const spec = specOf(draft, deletes(found) ? ALL_TABLES : 0)
  const { cookieMask, outPort, outGroup } = draft
  return {
    type: 'flowMod',
    command: found,
    ...spec,
    cookie: cookieMask === 0n ? spec.cookie : (draft.cookieValue ?? 0n),
    cookieMask,
    ...(outPort !== undefined && { outPort }),
    ...(outGroup !== undefined && { outGroup }),
  }
}

/**
 * Which flows to show or delete, as `dump-flows` and `del-flows` take it. Defaults: all tables, any cookie.
 * @throws FlowSyntaxError
 */
export function parseFlowFilter(text: string, options: FlowTextOptions = {}): FlowFilter {
  const { table, match, cookieValue, cookieMask, outPort, outGroup } = readFlow(wholeText(text), 'filter', options)
  return {
    table: table ?? ALL_TABLES,
    match,
    cookie: cookieValue ?? 0n,
    cookieMask,
    ...(outPort !== undefined && { outPort }),
    ...(outGroup !== undefined && { outGroup }),
  }
}

/** @throws FlowSyntaxError */
export const parseMatch = (text: string, options: FlowTextOptions = {}): Match =>
  readMatch(words(wholeText(text)), options)

/**
 * A list of actions, instructions not among them. Where `match` is given, prerequisites are held against it.
 * @throws FlowSyntaxError
 */
export const parseActions = (text: string, options: FlowTextOptions & { match?: Match } = {}): Action[] =>
  readActionList(wholeText(text), newReading(options, options.match))

const COMMANDS: ReadonlyMap<string, FlowCommand> = new Map([
  ['add', 'add'],
  ['modify', 'modify'],
  ['modify_strict', 'modify-strict'],
  ['delete', 'delete'],
  ['delete_strict', 'delete-strict'],
])

const deletes = (command: FlowCommand) => command === 'delete' || command === 'delete-strict'

function readFlow(whole: Piece, purpose: FlowCommand | 'filter', options: FlowTextOptions): FlowDraft {
  const { before, actions, actionsColumn } = split(whole)
  const takesActions = purpose !== 'filter' && !deletes(purpose)
  if (takesActions && actions === undefined)
    throw new FlowSyntaxError(actionsColumn, 'the flow has no actions', 'actions=…, or actions=drop')
  if (!takesActions && actions !== undefined)
    throw new FlowSyntaxError(actionsColumn, 'a filter has no actions', 'a match')
  const draft: FlowDraft = {
    flags: {},
    cookieMask: 0n,
    match: [],
    instructions: { apply: [], clear: false, write: [] },
  }
  const matchWords = words(before).filter((word) => !readProperty(word, draft, purpose, options))
  draft.match = readMatch(matchWords, options, [...propertyNames(purpose), 'actions'])
  if (actions !== undefined) draft.instructions = readInstructions(actions, options, draft.match, draft.table ?? 0)
  return draft
}

function split(whole: Piece): { before: Piece; actions?: Piece; actionsColumn: number } {
  const found = /(^|[\s,])actions?\s*=/.exec(whole.text)
  if (found === null) return { before: whole, actionsColumn: whole.column + whole.text.length }
  return {
    before: slice(whole, 0, found.index),
    actions: slice(whole, found.index + found[0].length),
    actionsColumn: whole.column + found.index + found[1]!.length,
  }
}

const specOf = (draft: FlowDraft, table: number): FlowSpec => ({
  table: draft.table ?? table,
  priority: draft.priority ?? DEFAULT_PRIORITY,
  match: draft.match,
  cookie: draft.cookie ?? 0n,
  idleTimeout: draft.idleTimeout ?? 0,
  hardTimeout: draft.hardTimeout ?? 0,
  flags: draft.flags,
  ...(draft.importance ? { importance: draft.importance } : {}),
  instructions: draft.instructions,
})
