// Buckets of groups on the wire: OpenFlow 1.3 §7.3.4.2, and OpenFlow 1.5's form, which Open vSwitch's NXT_GROUP_MOD has as well.
//
//   openflow13  | length 16 | weight 16 | watch port 32 | watch group 32 | pad 32 | actions |
//   nicira      | length 16 | actions' length 16 | bucket id 32 | actions | properties |

import type { Bucket, GroupType } from '../control/groups.ts'
import { ReservedGroup } from '../control/groups.ts'
import { ReservedPort } from '../control/ports.ts'
import { Refused } from '../control/refused.ts'
import { decodeActions, encodeActions } from './actions.ts'
import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'
import { portIsSound } from '../port-numbers.ts'
import { readProperties, writeProperty } from './properties.ts'

/** `nicira`: OpenFlow 1.5's, with bucket ids and properties. */
export type BucketLayout = 'openflow13' | 'nicira'

const HEADER_13 = 16
const HEADER_NICIRA = 8

/** OFPGBPT15_*. */
const Property = { Weight: 0, WatchPort: 1, WatchGroup: 2 } as const

/** OFPG_BUCKET_MAX. */
const MAX_BUCKET_ID = 0xffffff00

/** A bucket's share where it does not say one: 1 in a select group, and in others, where it means nothing, 0. */
const defaultWeight = (groupType: GroupType) => (groupType === 'select' ? 1 : 0)

export function encodeBuckets(
  writer: ByteWriter,
  buckets: readonly Bucket[],
  groupType: GroupType,
  layout: BucketLayout,
): void {
  buckets.forEach((bucket, index) => {
    const start = writer.length
    if (layout === 'openflow13') encodeBucket13(writer, bucket, groupType)
    else encodeBucketNicira(writer, bucket, groupType, index)
    writer.setU16(start, writer.length - start)
  })
}

function encodeBucket13(writer: ByteWriter, bucket: Bucket, groupType: GroupType): void {
  writer.u16(0)
  writer.u16(bucket.weight ?? defaultWeight(groupType))
  writer.u32(bucket.watchPort ?? ReservedPort.Any)
  writer.u32(bucket.watchGroup ?? ReservedGroup.Any)
  writer.zero(4)
  encodeActions(writer, bucket.actions)
}

function encodeBucketNicira(writer: ByteWriter, bucket: Bucket, groupType: GroupType, index: number): void {
  const { weight = defaultWeight(groupType), watchPort, watchGroup } = bucket
  const start = writer.length
  writer.zero(4)
  writer.u32(bucket.id ?? index)
  encodeActions(writer, bucket.actions)
  writer.setU16(start + 2, writer.length - start - HEADER_NICIRA)
  if (groupType === 'select') writeProperty(writer, Property.Weight, () => writer.u16(weight))
  if (watchPort !== undefined) writeProperty(writer, Property.WatchPort, () => writer.u32(watchPort))
  if (watchGroup !== undefined) writeProperty(writer, Property.WatchGroup, () => writer.u32(watchGroup))
}

/**
 * Buckets up to the end of `reader`. Those of OpenFlow 1.3 have no ids.
 * @throws Refused OFPGMFC_BAD_BUCKET, OFPGMFC_BAD_WATCH, OFPGMFC_INVALID_GROUP for a weight where none is, OFPBAC_* for actions,
 *   and for properties OFPTFFC_*, the codes that OpenFlow 1.4 has for all of them.
 */
export function decodeBuckets(reader: ByteReader, groupType: GroupType, layout: BucketLayout): Bucket[] {
  const header = layout === 'openflow13' ? HEADER_13 : HEADER_NICIRA
  const buckets: Bucket[] = []
  while (reader.remaining > 0) {
    const room = reader.remaining
    if (room < header) throw badBucket(`${room} bytes are left over`)
    const length = reader.u16()
    if (length < header || length > room) throw badBucket(`bucket length ${length} in ${room} bytes`)
    const body = reader.sub(length - 2, 'OFPGMFC_BAD_BUCKET')
    buckets.push(layout === 'openflow13' ? decodeBucket13(body, groupType) : decodeBucketNicira(body, groupType))
  }
  const ids = buckets.flatMap(({ id }) => id ?? [])
  if (new Set(ids).size < ids.length) throw badBucket('two buckets have one id')
  return buckets
}

const badBucket = (problem: string) => new Refused('OFPGMFC_BAD_BUCKET', 'buckets', problem)

function decodeBucket13(body: ByteReader, groupType: GroupType): Bucket {
  const weight = body.u16()
  const watchPort = body.u32()
  const watchGroup = body.u32()
  body.skip(4)
  return { ...saidOf({ weight, watchPort, watchGroup }, groupType), actions: decodeActions(body) }
}

function decodeBucketNicira(body: ByteReader, groupType: GroupType): Bucket {
  const actionsLength = body.u16()
  const id = body.u32()
  const actions = decodeActions(body.sub(actionsLength))
  const said: Said = {
    weight: defaultWeight(groupType),
    watchPort: ReservedPort.Any,
    watchGroup: ReservedGroup.Any,
  }
  for (const { type, value } of readProperties(body, 'OFPTFFC_BAD_LEN')) {
    if (type === Property.Weight) said.weight = value.u16()
    else if (type === Property.WatchPort) said.watchPort = value.u32()
    else if (type === Property.WatchGroup) said.watchGroup = value.u32()
    else throw new Refused('OFPTFFC_BAD_TYPE', 'buckets', `unknown property ${type}`)
  }
  if (id > MAX_BUCKET_ID) throw badBucket(`no bucket has id ${id}`)
  return { id, ...saidOf(said, groupType), actions }
}

interface Said {
  weight: number
  watchPort: number
  watchGroup: number
}

/** What has its default is left out. */
function saidOf({ weight, watchPort, watchGroup }: Said, groupType: GroupType): Omit<Bucket, 'actions'> {
  if (weight !== 0 && groupType !== 'select')
    throw new Refused('OFPGMFC_INVALID_GROUP', 'buckets', `a bucket of ${groupType} groups has no weight`)
  if (!portIsSound(watchPort)) throw new Refused('OFPGMFC_BAD_WATCH', 'buckets', `no port has number ${watchPort}`)
  return {
    ...(weight !== defaultWeight(groupType) && { weight }),
    ...(watchPort !== ReservedPort.Any && { watchPort }),
    ...(watchGroup !== ReservedGroup.Any && { watchGroup }),
  }
}
