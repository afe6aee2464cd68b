// What a flow's text says beside its match and actions: `table=3,priority=5,idle_timeout=60,send_flow_rem`.

import type { FlowCommand, FlowFlags, Instructions } from '../control/messages.ts'
import { ALL_TABLES, LAST_TABLE, ReservedGroup } from '../control/messages.ts'
import type { Match } from '../match.ts'
import { parseNumber, parseSmall, UINT16, UINT64 } from './numbers.ts'
import type { FlowTextOptions } from './ports.ts'
import { parsePort } from './ports.ts'
import { FlowSyntaxError } from './syntax-error.ts'
import type { Piece, Word } from './words.ts'
import { cutAt, valueOf } from './words.ts'

/** What was said of a flow; what was not is absent. */
export interface FlowDraft {
  table?: number
  priority?: number
  idleTimeout?: number
  hardTimeout?: number
  importance?: number
  flags: FlowFlags
  /** The cookie that the flow is to have. */
  cookie?: bigint
  /** The cookie that flows are chosen by, where the mask is not 0. */
  cookieValue?: bigint
  cookieMask: bigint
  outPort?: number
  outGroup?: number
  match: Match
  instructions: Instructions
}

export type FlowPurpose = FlowCommand | 'filter'

type PropertyReader = (draft: FlowDraft, word: Word, purpose: FlowPurpose, options: FlowTextOptions) => void

const flag =
  (name: keyof FlowFlags): PropertyReader =>
  (draft) => {
    draft.flags[name] = true
  }

const number =
  (name: 'priority' | 'idleTimeout' | 'hardTimeout' | 'importance'): PropertyReader =>
  (draft, word) => {
    draft[name] = parseSmall(valueOf(word), UINT16)
  }

/** What a dump says beside the flow: read over, so that a dump can be fed back. */
const STATISTICS = ['duration', 'n_packets', 'n_bytes', 'idle_age', 'hard_age']

interface Property {
  readonly read: PropertyReader
  /** True where text for this purpose may say it (ovs-ofctl(8), Flow Syntax). */
  readonly may: (purpose: FlowPurpose) => boolean
}

const always = () => true
const makesFlows = (purpose: FlowPurpose) => purpose === 'add' || purpose === 'modify' || purpose === 'modify-strict'
const choosesFlows = (purpose: FlowPurpose) =>
  purpose === 'filter' || purpose === 'delete' || purpose === 'delete-strict'

const PROPERTIES: ReadonlyMap<string, Property> = new Map(
  Object.entries<Property>({
    table: { read: readTable, may: always },
    cookie: { read: readCookie, may: always },
    priority: { read: number('priority'), may: (purpose) => makesFlows(purpose) || purpose === 'delete-strict' },
    idle_timeout: { read: number('idleTimeout'), may: makesFlows },
    hard_timeout: { read: number('hardTimeout'), may: makesFlows },
    importance: { read: number('importance'), may: makesFlows },
    send_flow_rem: { read: flag('sendFlowRemoved'), may: makesFlows },
    check_overlap: { read: flag('checkOverlap'), may: makesFlows },
    reset_counts: { read: flag('resetCounts'), may: makesFlows },
    no_packet_counts: { read: flag('noPacketCounts'), may: makesFlows },
    no_byte_counts: { read: flag('noByteCounts'), may: makesFlows },
    out_port: {
      read: (draft, word, _purpose, options) => {
        draft.outPort = parsePort(valueOf(word), options)
      },
      may: choosesFlows,
    },
    out_group: {
      read: (draft, word) => {
        draft.outGroup = parseSmall(valueOf(word), ReservedGroup.Max)
      },
      may: choosesFlows,
    },
    ...Object.fromEntries(STATISTICS.map((name) => [name, { read: () => undefined, may: makesFlows }])),
  }),
)

/** Keywords that text for this purpose may have beside a match's. */
export const propertyNames = (purpose: FlowPurpose): string[] =>
  [...PROPERTIES].filter(([, { may }]) => may(purpose)).map(([name]) => name)

/** True where the word is about the flow and not its match. */
export function readProperty(word: Word, draft: FlowDraft, purpose: FlowPurpose, options: FlowTextOptions): boolean {
  const property = PROPERTIES.get(word.key.text)
  if (property === undefined) return false
  if (!property.may(purpose)) throw misplaced(word.key, purpose)
  property.read(draft, word, purpose, options)
  return true
}

function misplaced({ text, column }: Piece, purpose: FlowPurpose): FlowSyntaxError {
  return choosesFlows(purpose)
    ? new FlowSyntaxError(
        column,
        `${text} is not what flows are filtered by`,
        'table, cookie, out_port, out_group or a match',
      )
    : new FlowSyntaxError(column, `${text} is no part of a flow`, 'a property of a flow')
}

function readTable(draft: FlowDraft, word: Word, purpose: FlowPurpose): void {
  draft.table = parseSmall(valueOf(word), choosesFlows(purpose) ? ALL_TABLES : LAST_TABLE)
}

/** `VALUE`, or to choose flows by `VALUE/MASK`, where `-1` is all of it. */
function readCookie(draft: FlowDraft, word: Word, purpose: FlowPurpose): void {
  const piece = valueOf(word)
  const [value, mask] = cutAt(piece, '/') ?? [piece]
  const earlier = draft.cookie !== undefined || draft.cookieMask !== 0n
  if (purpose.startsWith('modify') && earlier)
    throw new FlowSyntaxError(
      word.key.column,
      'OpenFlow 1.3 can not choose flows by one cookie and give another',
      'one cookie',
    )
  if (mask === undefined && !choosesFlows(purpose)) {
    draft.cookie = parseNumber(value, UINT64)
    return
  }
  if (purpose === 'add')
    throw new FlowSyntaxError(
      value.column + value.text.length,
      'a flow that is added has no cookie mask',
      'cookie=VALUE',
    )
  draft.cookieMask = mask === undefined || mask.text === '-1' ? UINT64 : parseNumber(mask, UINT64)
  draft.cookieValue = parseNumber(value, UINT64) & draft.cookieMask
}
