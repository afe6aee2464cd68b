import { describe, expect, test } from 'vitest'
import type { Bucket, GroupSpec, GroupType } from '../../../protocols/control/messages.ts'
import type { BucketLayout } from '../../../protocols/openflow/buckets.ts'
import { decodeBuckets, encodeBuckets } from '../../../protocols/openflow/buckets.ts'
import { seeded } from '../../../runtime/random.ts'
import { codeOf, damaged, hex, readAll, spokenAsTheyAre, written } from '../../support/openflow-bytes.ts'
import { EVERYTHING } from '../../support/random-flows.ts'
import { randomGroup } from '../../support/random-groups.ts'
import { seeds } from '../../support/seeds.ts'

const bytesFor = ({ buckets, groupType }: GroupSpec, layout: BucketLayout) =>
  written((writer) => encodeBuckets(writer, buckets, groupType, layout))
const read = (bytes: Uint8Array, groupType: GroupType, layout: BucketLayout) =>
  readAll(bytes, (reader) => decodeBuckets(reader, groupType, layout))

/** What a bucket says where it says nothing: no weight but in a select group, where 1 is none; OpenFlow 1.3 has no ids. */
function plain(bucket: Bucket, groupType: GroupType, id: number | undefined): Bucket {
  const { weight, watchPort, watchGroup, actions } = bucket
  return {
    ...(id !== undefined && { id }),
    ...(groupType === 'select' && weight !== undefined && weight !== 1 && { weight }),
    ...(watchPort !== undefined && { watchPort }),
    ...(watchGroup !== undefined && { watchGroup }),
    actions: spokenAsTheyAre(actions),
  }
}

function randomSpoken(random: ReturnType<typeof seeded>): GroupSpec {
  const group = randomGroup(random, EVERYTHING)
  const buckets = group.buckets.map((bucket, index) => plain(bucket, group.groupType, index))
  return { ...group, buckets }
}

test.each(seeds(2))('buckets that were written are read again (seed %i)', (seed) => {
  const random = seeded(seed)
  for (let i = 0; i < 300; i++) {
    const group = randomSpoken(random)
    expect(read(bytesFor(group, 'nicira'), group.groupType, 'nicira')).toEqual(group.buckets)
    const withoutIds = group.buckets.map((bucket) => plain(bucket, group.groupType, undefined))
    expect(read(bytesFor(group, 'openflow13'), group.groupType, 'openflow13')).toEqual(withoutIds)
  }
})

test('buckets without ids are numbered', () => {
  const buckets: Bucket[] = [{ actions: [] }, { actions: [] }]
  const bytes = bytesFor({ group: 1, groupType: 'all', buckets }, 'nicira')
  expect(read(bytes, 'all', 'nicira').map(({ id }) => id)).toEqual([0, 1])
})

describe('buckets are refused as Open vSwitch refuses them', () => {
  test.each<[string, BucketLayout, GroupType, string, string]>([
    ['cut in the header', 'openflow13', 'all', '0010 0000 ffffffff', 'OFPGMFC_BAD_BUCKET'],
    ['a length of nothing', 'openflow13', 'all', '0000 0000 ffffffff ffffffff 00000000', 'OFPGMFC_BAD_BUCKET'],
    ['a length past the end', 'openflow13', 'all', '0018 0000 ffffffff ffffffff 00000000', 'OFPGMFC_BAD_BUCKET'],
    [
      'a weight in a group of all',
      'openflow13',
      'all',
      '0010 0001 ffffffff ffffffff 00000000',
      'OFPGMFC_INVALID_GROUP',
    ],
    ['a port that none can be', 'openflow13', 'all', '0010 0000 00010000 ffffffff 00000000', 'OFPGMFC_BAD_WATCH'],
    ['one id twice', 'nicira', 'all', '0008 0000 00000001 0008 0000 00000001', 'OFPGMFC_BAD_BUCKET'],
    ['an id that is reserved', 'nicira', 'all', '0008 0000 ffffff01', 'OFPGMFC_BAD_BUCKET'],
    ['actions past the end', 'nicira', 'all', '0008 0008 00000001', 'OFPGMFC_BAD_BUCKET'],
    ['an unknown property', 'nicira', 'all', '0010 0000 00000001 0009 0004 00000000', 'OFPTFFC_BAD_TYPE'],
  ])('%s', (_name, layout, groupType, text, code) => {
    expect(codeOf(() => read(hex(text), groupType, layout))).toBe(code)
  })
})

test.each(seeds(2))('damaged buckets are read or refused by OpenFlow names (seed %i)', (seed) => {
  const random = seeded(seed)
  for (let i = 0; i < 1000; i++) {
    const group = randomGroup(random, EVERYTHING)
    for (const layout of ['openflow13', 'nicira'] as const) {
      const bytes = damaged(random, bytesFor(group, layout))
      const code = codeOf(() => read(bytes, group.groupType, layout))
      expect(code).toMatch(
        /^taken$|^OFPGMFC_|^OFPBAC_|^OFPBMC_|^OFPBRC_BAD_LEN$|^NXB|^OFPTFFC_|^NXFMFC_INVALID_TLV_FIELD$/,
      )
    }
  }
})
