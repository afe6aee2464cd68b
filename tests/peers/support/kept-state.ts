// What a switch has kept of its messages and frames: flows, groups and tables with their counters, as lines that can be compared.

import type { Action, FlowStatistics, Message, TableStatistics } from '../../../protocols/control/messages.ts'
import { ALL_TABLES } from '../../../protocols/control/messages.ts'
import { printFlowStatistics } from '../../../protocols/flow-text/print.ts'
import { printGroup } from '../../../protocols/flow-text/print-groups.ts'
import type { FieldName } from '../../../protocols/fields.ts'
import type { FieldMatch, Match } from '../../../protocols/match.ts'
import { decodeOpenFlow } from '../../../protocols/openflow/codec.ts'
import { printMeter } from '../../../protocols/flow-text/meters.ts'
import { text, told } from './openflow-sides.ts'

const filter = { table: ALL_TABLES, match: [], cookie: 0n, cookieMask: 0n }

/** To be asked of both; `keptLines` takes the answers. */
export const STATE_QUESTIONS: readonly Message[] = [
  { type: 'flowStatisticsRequest', filter },
  { type: 'aggregateStatisticsRequest', filter },
  { type: 'tableStatisticsRequest' },
  { type: 'groupStatisticsRequest' },
  { type: 'groupDescriptionRequest' },
  { type: 'meterConfigRequest' },
]

/**
 * Sorted, and without what tells of the time. Numbers of replies are of no consequence: a long one comes in parts. Tables are
 * counted from `before`, an earlier answer. `counted: false` leaves every count of frames out.
 */
export function keptLines(
  messages: readonly Uint8Array[],
  { before, counted }: { before: readonly Uint8Array[]; counted: boolean },
): string[] {
  const tables = new Map(before.flatMap(tablesOf).map((table) => [table.table, table]))
  return messages
    .flatMap((bytes) => (bytes[1] === ERROR ? [told(bytes)] : linesOf(decodeOpenFlow(bytes).message, tables, counted)))
    .toSorted()
}

const ERROR = 1

function tablesOf(bytes: Uint8Array): TableStatistics[] {
  const { message } = decodeOpenFlow(bytes)
  return message.type === 'tableStatisticsReply' ? message.tables : []
}

function linesOf(message: Message, before: ReadonlyMap<number, TableStatistics>, counted: boolean): string[] {
  const count = (part: Counts): Counts => (counted ? { packets: part.packets, bytes: part.bytes } : UNCOUNTED)
  switch (message.type) {
    case 'flowStatisticsReply':
      return message.flows.map((flow) => printFlowStatistics({ ...timeless(flow), ...count(flow) }))
    case 'aggregateStatisticsReply':
      return [text({ ...message, ...count(message) })]
    case 'tableStatisticsReply':
      return message.tables.map((table) => tableLine(table, before.get(table.table), counted))
    case 'groupStatisticsReply':
      return message.groups.map((group) =>
        text({ ...group, ...count(group), duration: 0n, buckets: group.buckets.map(count) }),
      )
    case 'groupDescriptionReply':
      return message.groups.map((group) => printGroup(group))
    case 'meterConfigReply':
      return message.meters.map(printMeter)
    default:
      return [text(message)]
  }
}

type Counts = Pick<FlowStatistics, 'packets' | 'bytes'>
const UNCOUNTED: Counts = { packets: 0n, bytes: 0n }

function tableLine(
  { table, active, lookups, matched }: TableStatistics,
  before: TableStatistics | undefined,
  counted: boolean,
): string {
  const frames = `lookups ${lookups - (before?.lookups ?? 0n)}, matched ${matched - (before?.matched ?? 0n)}`
  return `table ${table}: active ${active}${counted ? `, ${frames}` : ''}`
}

const timeless = (flow: FlowStatistics): FlowStatistics => ({
  ...flow,
  duration: 0n,
  idleAge: 0n,
  match: inOpenFlow13(flow.match),
})

/**
 * A match on vlan_tci as Open vSwitch tells of it on OpenFlow 1.3: by vlan_vid and vlan_pcp, which can not say all of it
 * (docs/openflow.md).
 */
function inOpenFlow13(match: Match): Match {
  return match.flatMap((part): FieldMatch[] => {
    if (part.field !== 'vlan_tci') return [part]
    const mask = part.mask ?? 0xffffn
    const vid: FieldMatch = { field: 'vlan_vid', value: part.value & VID, mask: mask & VID }
    const pcp: FieldMatch = { field: 'vlan_pcp', value: part.value >> PCP_SHIFT }
    return [...(vid.mask === 0n ? [] : [vid]), ...(vid.value !== 0n && mask >> PCP_SHIFT !== 0n ? [pcp] : [])]
  })
}

/** With the bit that says that there is a tag. */
const VID = 0x1fffn
const PCP_SHIFT = 13n

/** Which fields flows match, and which actions were done to frames: those of flows and of buckets that have met any. */
export function metBy(messages: readonly Uint8Array[]): { fields: FieldName[]; actions: Action['type'][] } {
  const replies = messages.filter((bytes) => bytes[1] !== ERROR).map((bytes) => decodeOpenFlow(bytes).message)
  const flows = replies.flatMap((message) => (message.type === 'flowStatisticsReply' ? message.flows : []))
  const metFlows = flows.filter(({ packets }) => packets > 0n)
  const counts = new Map(
    replies
      .flatMap((message) => (message.type === 'groupStatisticsReply' ? message.groups : []))
      .map(({ group, buckets }) => [group, buckets]),
  )
  const buckets = replies
    .flatMap((message) => (message.type === 'groupDescriptionReply' ? message.groups : []))
    .flatMap(({ group, buckets: all }) => all.filter((_, index) => (counts.get(group)?.[index]?.packets ?? 0n) > 0n))
  const lists = [
    ...metFlows.flatMap(({ instructions: { apply, write } }) => [apply, write]),
    ...buckets.map((one) => one.actions),
  ]
  return {
    fields: flows.flatMap(({ match }) => match.map(({ field }) => field)),
    actions: lists.flatMap((actions) => actions.map(({ type }) => type)),
  }
}
