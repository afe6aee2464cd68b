// Groups in the syntax of ovs-ofctl(8), Group Syntax: `group_id=1,type=select,bucket=weight:10,actions=output:1`.

import type { Bucket, GroupCommand, GroupMod, GroupType, SelectionMethod } from '../control/messages.ts'
import { ReservedGroup } from '../control/messages.ts'
import { FIELDS, fieldNamed, fieldOf } from '../fields.ts'
import type { FieldMatch } from '../match.ts'
import { parseNumber, parseSmall, UINT16, UINT64 } from './numbers.ts'
import { readActionList } from './parse-actions.ts'
import type { FlowTextOptions } from './ports.ts'
import { parsePort } from './ports.ts'
import { newReading, oneOf } from './reading.ts'
import { suggestion } from './suggestion.ts'
import { FlowSyntaxError } from './syntax-error.ts'
import { parseMasked } from './values.ts'
import type { Piece, Word } from './words.ts'
import { commandOf, slice, valueOf, valueOrNothing, wholeText, words } from './words.ts'

const COMMANDS: ReadonlyMap<string, GroupCommand> = new Map([
  ['add', 'add'],
  ['modify', 'modify'],
  ['add_or_mod', 'add_or_modify'],
  ['delete', 'delete'],
  ['insert_bucket', 'insert_bucket'],
  ['insert_buckets', 'insert_bucket'],
  ['remove_bucket', 'remove_bucket'],
  ['remove_buckets', 'remove_bucket'],
])

const TYPES: Readonly<Record<string, GroupType>> = {
  all: 'all',
  select: 'select',
  indirect: 'indirect',
  ff: 'fast_failover',
  fast_failover: 'fast_failover',
}

/** What was said of a group; what was not is absent. */
interface GroupDraft {
  group?: number
  groupType?: GroupType
  bucket?: Exclude<GroupMod['bucket'], undefined>
  method?: SelectionMethod['method']
  parameter?: bigint
  fields?: FieldMatch[]
  buckets: Bucket[]
}

/**
 * One line of a file of groups, as `add-groups` takes it: a group, and before it, where `options.command` (or else to add it) is
 * not meant, another one (`delete`, `insert_bucket`, …). A delete that names no group means all.
 * @throws FlowSyntaxError
 */
export function parseGroupMod(text: string, options: FlowTextOptions & { command?: GroupCommand } = {}): GroupMod {
  const [command, rest] = commandOf(wholeText(text), COMMANDS, options.command ?? 'add')
  const [before, buckets] = splitBuckets(rest)
  const draft: GroupDraft = { buckets: [] }
  for (const word of words(before)) readProperty(word, draft, command)
  draft.buckets = buckets.map((bucket) => readBucket(bucket, options))
  check(draft, command, rest)
  const selection = selectionOf(draft)
  return {
    type: 'groupMod',
    command,
    group: draft.group ?? ReservedGroup.All,
    groupType: draft.groupType ?? 'all',
    buckets: draft.buckets,
    ...(selection && { selection }),
    ...(draft.bucket !== undefined && { bucket: draft.bucket }),
  }
}

/** What stands before the first bucket, and each bucket; a bucket reaches to the next one. */
function splitBuckets(whole: Piece): [Piece, Piece[]] {
  const starts = [...whole.text.matchAll(/(?:^|[\s,])buckets?\s*=/g)]
  const first = starts[0]
  if (first === undefined) return [whole, []]
  const buckets = starts.map((start, index) =>
    slice(whole, start.index + start[0].length, starts[index + 1]?.index ?? whole.text.length),
  )
  return [slice(whole, 0, first.index), buckets]
}

const KEYWORDS = [
  'group_id',
  'type',
  'command_bucket_id',
  'selection_method',
  'selection_method_param',
  'fields',
  'bucket',
]

function readProperty(word: Word, draft: GroupDraft, command: GroupCommand): void {
  switch (word.key.text) {
    case 'group_id':
      draft.group = readGroupId(valueOf(word), command)
      return
    case 'type':
      draft.groupType = TYPES[oneOf(valueOf(word), Object.keys(TYPES), 'type of group')]!
      return
    case 'command_bucket_id':
      draft.bucket = readCommandBucket(valueOf(word), command)
      return
    case 'selection_method':
      draft.method = oneOf(valueOf(word), ['hash', 'dp_hash'], 'selection method')
      return
    case 'selection_method_param':
      draft.parameter = parseNumber(valueOf(word), UINT64)
      return
    case 'fields':
      draft.fields = readHashFields(valueOrNothing(word))
      return
    default: {
      const { text, column } = word.key
      throw new FlowSyntaxError(
        column,
        `unknown keyword '${text}'`,
        'a property of a group',
        suggestion(text, KEYWORDS),
      )
    }
  }
}

function readGroupId(piece: Piece, command: GroupCommand): number {
  if (command === 'delete' && piece.text === 'all') return ReservedGroup.All
  return parseSmall(piece, ReservedGroup.Max)
}

function readCommandBucket(piece: Piece, command: GroupCommand): Exclude<GroupMod['bucket'], undefined> {
  if (command !== 'insert_bucket' && command !== 'remove_bucket')
    throw new FlowSyntaxError(piece.column, 'command_bucket_id is of no use here', 'insert_bucket or remove_bucket')
  if (piece.text === 'first' || piece.text === 'last') return piece.text
  if (piece.text === 'all' && command === 'remove_bucket') return 'all'
  return parseSmall(piece, ReservedGroup.Max)
}

/** `ip_src,tcp_dst=0xff`: what is given is a mask; where none is, all bits count. */
function readHashFields(piece: Piece): FieldMatch[] {
  const parts = words(piece).map((word): FieldMatch => {
    const field = word.key.text === 'nw_tos' ? fieldOf('ip_dscp') : fieldNamed(word.key.text)
    if (field === undefined) {
      const meant = suggestion(
        word.key.text,
        FIELDS.map(({ name }) => name),
      )
      throw new FlowSyntaxError(word.key.column, `unknown field '${word.key.text}'`, 'a field to hash', meant)
    }
    if (word.value === undefined || word.value.text === '') return { field: field.name, value: field.ones }
    const { value, mask } = parseMasked({ ...field, maskable: true }, word.value, {})
    if (mask !== undefined) throw new FlowSyntaxError(word.value.column, 'a mask has no mask', 'FIELD=MASK')
    return { field: field.name, value }
  })
  return FIELDS.flatMap(({ name }) => parts.findLast((part) => part.field === name) ?? [])
}

function readBucket(piece: Piece, options: FlowTextOptions): Bucket {
  if (piece.text.trim() === '') throw new FlowSyntaxError(piece.column, 'a bucket is empty', 'actions=…, or drop')
  const bucket: Bucket = { actions: [] }
  const [properties, actions] = splitActions(piece)
  for (const word of properties) readBucketProperty(word, bucket, options)
  bucket.actions = readActionList(actions, newReading(options, undefined))
  return bucket
}

const BUCKET_KEYWORDS = new Set(['weight', 'watch_port', 'watch_group', 'bucket_id'])

/** Actions begin with `actions=`, or with the first word that says nothing else of a bucket. */
function splitActions(piece: Piece): [Word[], Piece] {
  const found = words(piece)
  const behind = found.findIndex(({ key }) => !BUCKET_KEYWORDS.has(key.text))
  const first = found[behind]
  if (first === undefined) return [found, slice(piece, piece.text.length)]
  const start = first.whole.column - piece.column
  const named = /^actions\s*=/.exec(piece.text.slice(start))
  return [found.slice(0, behind), slice(piece, start + (named?.[0].length ?? 0))]
}

function readBucketProperty(word: Word, bucket: Bucket, options: FlowTextOptions): void {
  const value = valueOf(word)
  switch (word.key.text) {
    case 'weight':
      bucket.weight = parseSmall(value, UINT16)
      if (bucket.weight === 1) delete bucket.weight
      return
    case 'watch_port':
      bucket.watchPort = parsePort(value, options)
      return
    case 'watch_group':
      bucket.watchGroup = parseSmall(value, ReservedGroup.Max)
      return
    default:
      bucket.id = parseSmall(value, ReservedGroup.Max)
  }
}

/** lib/ofp-group.c, parse_ofp_group_mod_str: what each command and each type of group lacks or can not have. */
function check(draft: GroupDraft, command: GroupCommand, whole: Piece): void {
  const fault = faultOf(draft, command)
  if (fault !== undefined) throw new FlowSyntaxError(whole.column, fault[0], fault[1])
}

function faultOf(draft: GroupDraft, command: GroupCommand): [string, string] | undefined {
  const { group, groupType, buckets, bucket } = draft
  const makes = command === 'add' || command === 'modify' || command === 'add_or_modify'
  if (group === undefined && command !== 'delete') return ['the group has no number', 'group_id=NUMBER']
  if (makes && groupType === undefined) return ['the group has no type', 'type=all, select, indirect or ff']
  if (!makes && groupType !== undefined) return [`${command} takes no type`, 'group_id alone']
  if (command === 'delete' && buckets.length > 0) return ['delete takes no buckets', 'group_id alone']
  if (command === 'insert_bucket' && bucket === undefined)
    return ['it is not said where to insert', 'command_bucket_id=…']
  if (command === 'remove_bucket' && (bucket === undefined || buckets.length > 0))
    return ['it is not said which bucket to remove', 'command_bucket_id=…, and no bucket']
  return bucketFault(draft) ?? selectionFault(draft)
}

function bucketFault({ groupType, buckets }: GroupDraft): [string, string] | undefined {
  const weighted = buckets.some(({ weight }) => weight !== undefined)
  const watches = ({ watchPort, watchGroup }: Bucket) => watchPort !== undefined || watchGroup !== undefined
  if (groupType !== undefined && groupType !== 'select' && weighted)
    return ['only select groups have weights', 'type=select']
  if (groupType === 'indirect' && buckets.length > 1) return ['an indirect group has one bucket', 'one bucket at most']
  if (groupType === 'fast_failover' && !buckets.every(watches))
    return ['a bucket of a fast-failover group watches nothing', 'watch_port or watch_group']
  if ((groupType === 'all' || groupType === 'indirect') && buckets.some(watches))
    return [`a bucket of ${groupType === 'all' ? 'an all' : 'an indirect'} group watches`, 'type=ff or type=select']
  const ids = buckets.flatMap(({ id }) => id ?? [])
  return new Set(ids).size < ids.length ? ['two buckets have one bucket_id', 'each its own'] : undefined
}

function selectionFault({ groupType, method, parameter, fields }: GroupDraft): [string, string] | undefined {
  if (method !== undefined && groupType !== 'select')
    return ['only select groups have a selection method', 'type=select']
  if (method === undefined && parameter !== undefined) return ['the parameter has no method', 'selection_method=…']
  if (method !== 'hash' && fields !== undefined) return ['fields are of no use here', 'selection_method=hash']
  return undefined
}

const selectionOf = ({ method, parameter, fields }: GroupDraft): SelectionMethod | undefined =>
  method === undefined ? undefined : { method, parameter: parameter ?? 0n, fields: fields ?? [] }
