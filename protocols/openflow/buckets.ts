// Buckets of groups on the wire: OpenFlow 1.3 §7.3.4.2, and OpenFlow 1.5's form, which Open vSwitch's NXT_GROUP_MOD has as well.

import type { Bucket, GroupType } from '../control/groups.ts'
import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'

/** `nicira`: OpenFlow 1.5's, with bucket ids and properties. */
export type BucketLayout = 'openflow13' | 'nicira'

export function encodeBuckets(
  _writer: ByteWriter,
  _buckets: readonly Bucket[],
  _groupType: GroupType,
  _layout: BucketLayout,
): void {}

/**
 * Buckets up to the end of `reader`.
 * @throws Refused OFPGMFC_BAD_BUCKET or OFPBAC_*.
 */
export function decodeBuckets(_reader: ByteReader, _groupType: GroupType, _layout: BucketLayout): Bucket[] {
  return []
}
