import type { signalbox } from '../generated/control.js'
import type { Bucket, GroupMod, GroupSpec, GroupStatistics, MessageType, SelectionMethod } from '../messages.ts'
import { GROUP_COMMANDS, GROUP_TYPES } from '../messages.ts'
import { actionsFromWire, actionsToWire } from './actions.ts'
import type { Codecs } from './codecs.ts'
import { askingFor, listing, signal } from './codecs.ts'
import { countersFromWire, countersToWire } from './counters.ts'
import { matchFromWire, matchToWire } from './match.ts'
import {
  bounded,
  each,
  fromUint64,
  given,
  isSet,
  optional,
  required,
  toUint64,
  UINT16,
  UINT32,
  Vocabulary,
} from './values.ts'

type WireGroup = signalbox.control.Group.$Properties
type WireGroupMod = signalbox.control.GroupMod.$Properties
type WireBucket = signalbox.control.Bucket.$Properties
type WireSelection = signalbox.control.SelectionMethod.$Properties
type WireStatistics = signalbox.control.GroupStatistics.$Properties

const types = new Vocabulary(GROUP_TYPES)
const commands = new Vocabulary(GROUP_COMMANDS)
const methods = new Vocabulary(['hash', 'dp_hash'])
const places = new Vocabulary(['first', 'last', 'all'])

// `at` is the path of the group with a dot at the end, '' where it is the message.

function groupToWire({ group, groupType, buckets, selection }: GroupSpec, at: string): WireGroup {
  const wire: WireGroup = {
    group: bounded(group, UINT32, `${at}group`),
    type: types.number(groupType, `${at}groupType`),
    buckets: each(buckets, `${at}buckets`, bucketToWire),
  }
  if (selection !== undefined) wire.selection = selectionToWire(selection, `${at}selection`)
  return wire
}

function groupFromWire(wire: WireGroup, at: string): GroupSpec {
  const spec: GroupSpec = {
    group: wire.group ?? 0,
    groupType: types.word(wire.type, `${at}groupType`),
    buckets: each(wire.buckets, `${at}buckets`, bucketFromWire),
  }
  if (wire.selection) spec.selection = selectionFromWire(wire.selection, `${at}selection`)
  return spec
}

const bucketToWire = (bucket: Bucket, path: string): WireBucket => ({
  id: optional(bucket.id, UINT32, `${path}.id`),
  weight: optional(bucket.weight, UINT16, `${path}.weight`),
  watchPort: optional(bucket.watchPort, UINT32, `${path}.watchPort`),
  watchGroup: optional(bucket.watchGroup, UINT32, `${path}.watchGroup`),
  actions: actionsToWire(bucket.actions, `${path}.actions`),
})

const bucketFromWire = (wire: WireBucket, path: string): Bucket => ({
  ...given('id', wire.id, UINT32, `${path}.`),
  ...given('weight', wire.weight, UINT16, `${path}.`),
  ...given('watchPort', wire.watchPort, UINT32, `${path}.`),
  ...given('watchGroup', wire.watchGroup, UINT32, `${path}.`),
  actions: actionsFromWire(wire.actions, `${path}.actions`),
})

const selectionToWire = ({ method, parameter, fields }: SelectionMethod, path: string): WireSelection => ({
  method: methods.number(method, `${path}.method`),
  parameter: toUint64(parameter, `${path}.parameter`),
  fields: matchToWire(fields, `${path}.fields`),
})

const selectionFromWire = (wire: WireSelection, path: string): SelectionMethod => ({
  method: methods.word(wire.method, `${path}.method`),
  parameter: fromUint64(wire.parameter),
  fields: [...matchFromWire(wire.fields, `${path}.fields`)],
})

function groupModToWire(mod: GroupMod, at: string): WireGroupMod {
  const wire: WireGroupMod = {
    command: commands.number(mod.command, `${at}command`),
    group: groupToWire(mod, at),
  }
  if (typeof mod.bucket === 'number') wire.id = bounded(mod.bucket, UINT32, `${at}bucket`)
  else if (mod.bucket !== undefined) wire.place = places.number(mod.bucket, `${at}bucket`)
  return wire
}

function groupModFromWire(wire: WireGroupMod, at: string): GroupMod {
  const mod: GroupMod = {
    type: 'groupMod',
    command: commands.word(wire.command, `${at}command`),
    ...groupFromWire(required(wire.group, `${at}group`, 'a group'), at),
  }
  if (isSet(wire.id)) mod.bucket = wire.id
  else if (isSet(wire.place)) mod.bucket = places.word(wire.place, `${at}bucket`)
  return mod
}

const statisticsToWire = (group: GroupStatistics, path: string): WireStatistics => ({
  group: bounded(group.group, UINT32, `${path}.group`),
  references: bounded(group.references, UINT32, `${path}.references`),
  ...countersToWire(group, path),
  duration: toUint64(group.duration, `${path}.duration`),
  buckets: each(group.buckets, `${path}.buckets`, countersToWire),
})

const statisticsFromWire = (wire: WireStatistics): GroupStatistics => ({
  group: wire.group ?? 0,
  references: wire.references ?? 0,
  ...countersFromWire(wire),
  duration: fromUint64(wire.duration),
  buckets: (wire.buckets ?? []).map(countersFromWire),
})

export const GROUP_MESSAGES = {
  groupMod: { toWire: groupModToWire, fromWire: groupModFromWire },
  groupStatisticsRequest: askingFor('groupStatisticsRequest', 'group'),
  groupStatisticsReply: listing('groupStatisticsReply', 'groups', statisticsToWire, statisticsFromWire),
  groupDescriptionRequest: askingFor('groupDescriptionRequest', 'group'),
  groupDescriptionReply: listing(
    'groupDescriptionReply',
    'groups',
    (group: GroupSpec, path) => groupToWire(group, `${path}.`),
    (wire, path) => groupFromWire(wire, `${path}.`),
  ),
  groupFeaturesRequest: signal('groupFeaturesRequest'),
  groupFeaturesReply: signal('groupFeaturesReply'),
} satisfies Partial<Codecs<MessageType>>
