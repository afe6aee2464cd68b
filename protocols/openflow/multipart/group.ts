// OFPMP_GROUP, OFPMP_GROUP_DESC, OFPMP_GROUP_FEATURES: OpenFlow 1.3 §7.3.5.9 to §7.3.5.11.

import type { GroupSpec, GroupStatistics } from '../../control/messages.ts'
import { GROUP_TYPES, ReservedGroup } from '../../control/messages.ts'
import { ACTION_BITS } from '../abilities.ts'
import type { Body } from '../body.ts'
import { body, emptyBody, listBody } from '../body.ts'
import { decodeBuckets, encodeBuckets } from '../buckets.ts'
import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'
import { MultipartCode, reply, request } from '../header.ts'
import { readAll, readSized, writeSized } from '../lists.ts'
import { groupTypeOf } from '../messages/group-mod.ts'
import { readDuration, unless, writeDuration } from '../values.ts'

const groupStatisticsRequest = body(
  'groupStatisticsRequest',
  request(MultipartCode.Group),
  (writer, { group }) => {
    writer.u32(group ?? ReservedGroup.All)
    writer.zero(4)
  },
  (reader) => {
    const group = reader.u32()
    reader.skip(4)
    return { type: 'groupStatisticsRequest', ...unless(ReservedGroup.All, 'group', group) }
  },
)

/** Without the counters of its buckets. */
const STATISTICS_SIZE = 40

function writeStatistics(writer: ByteWriter, group: GroupStatistics): void {
  writeSized(writer, () => {
    writer.zero(2)
    writer.u32(group.group)
    writer.u32(group.references)
    writer.zero(4)
    writer.u64(group.packets)
    writer.u64(group.bytes)
    writeDuration(writer, group.duration)
    for (const { packets, bytes } of group.buckets) {
      writer.u64(packets)
      writer.u64(bytes)
    }
  })
}

function readStatistics(list: ByteReader): GroupStatistics {
  const reader = readSized(list, STATISTICS_SIZE)
  reader.skip(2)
  const [group, references] = [reader.u32(), reader.u32()]
  reader.skip(4)
  const [packets, bytes] = [reader.u64(), reader.u64()]
  const duration = readDuration(reader)
  const buckets = readAll(reader, (bucket) => ({ packets: bucket.u64(), bytes: bucket.u64() }))
  return { group, references, packets, bytes, duration, buckets }
}

const groupStatisticsReply = listBody(
  'groupStatisticsReply',
  reply(MultipartCode.Group),
  ({ groups }) => groups,
  writeStatistics,
  (reader) => ({ type: 'groupStatisticsReply', groups: readAll(reader, readStatistics) }),
)

/** Without its buckets. */
const DESCRIPTION_SIZE = 8

function writeGroup(writer: ByteWriter, { group, groupType, buckets }: GroupSpec): void {
  writeSized(writer, () => {
    writer.u8(GROUP_TYPES.indexOf(groupType))
    writer.zero(1)
    writer.u32(group)
    encodeBuckets(writer, buckets, groupType, 'openflow13')
  })
}

function readGroup(list: ByteReader): GroupSpec {
  const reader = readSized(list, DESCRIPTION_SIZE)
  const groupType = groupTypeOf(reader.u8())
  reader.skip(1)
  const group = reader.u32()
  return { group, groupType, buckets: decodeBuckets(reader, groupType, 'openflow13') }
}

/** How a select group chooses does not come through: as of Open vSwitch on OpenFlow 1.3. */
const groupDescriptionReply = listBody(
  'groupDescriptionReply',
  reply(MultipartCode.GroupDescription),
  ({ groups }) => groups,
  writeGroup,
  (reader) => ({ type: 'groupDescriptionReply', groups: readAll(reader, readGroup) }),
)

/** OFPGFC_*: weights, liveness of select groups, chains of groups, and loops in them found. */
const CAPABILITIES = 0b1111
const ALL_TYPES = 2 ** GROUP_TYPES.length - 1

const groupFeaturesReply = body(
  'groupFeaturesReply',
  reply(MultipartCode.GroupFeatures),
  (writer) => {
    writer.u32(ALL_TYPES)
    writer.u32(CAPABILITIES)
    for (const _ of GROUP_TYPES) writer.u32(ReservedGroup.Max)
    for (const _ of GROUP_TYPES) writer.u32(ACTION_BITS)
  },
  (reader) => {
    reader.skip(8 + 8 * GROUP_TYPES.length)
    return { type: 'groupFeaturesReply' }
  },
)

export const GROUPS: readonly Body[] = [
  groupStatisticsRequest,
  groupStatisticsReply,
  emptyBody('groupDescriptionRequest', request(MultipartCode.GroupDescription), { type: 'groupDescriptionRequest' }),
  groupDescriptionReply,
  emptyBody('groupFeaturesRequest', request(MultipartCode.GroupFeatures), { type: 'groupFeaturesRequest' }),
  groupFeaturesReply,
]
