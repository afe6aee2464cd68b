// What a message of IGMP or MLD says of its sender: that it listens to groups, or no more, or that it is a multicast router.

import { formatIpv4, formatIpv6 } from '../../protocols/address.ts'
import type { GroupRecord } from '../../protocols/packet/group-records.ts'
import { RecordType } from '../../protocols/packet/group-records.ts'
import type { IgmpMessage } from '../../protocols/packet/igmp.ts'
import type { MldMessage } from '../../protocols/packet/mld.ts'
import { dissect, outerLayers } from '../../protocols/packet/packet.ts'
import { wrongChecksums } from '../../protocols/packet/verify.ts'

export type Saying =
  | { readonly type: 'listens' | 'leaves'; readonly group: string }
  /** A querier, at this address. */
  | { readonly type: 'routes'; readonly source: string }

/** Nothing of a frame that has no such message, or a wrong checksum. */
export function sayingsOf(frame: Uint8Array): Saying[] {
  const layers = outerLayers(dissect(frame))
  const message = layers.find((layer) => layer.name === 'igmp' || layer.name === 'mld')
  const ip = layers.find((layer) => layer.name === 'ipv4' || layer.name === 'ipv6')
  if (message === undefined || ip === undefined || wrongChecksums(frame).length > 0) return []
  const { source } = ip.header
  // Who asks from no address is no router, but a switch that wants to know (RFC 4541 §2.1.1).
  if (message.header.type === 'query') return Number(source) === 0 ? [] : [{ type: 'routes', source: text(source) }]
  return changesOf(message.header)
    .filter(({ group }) => isReported(group))
    .map(({ type, group }) => ({ type, group: text(group) }))
}

interface Change {
  type: 'listens' | 'leaves'
  group: number | bigint
}

function changesOf(message: Exclude<IgmpMessage | MldMessage, { type: 'query' }>): Change[] {
  if ('records' in message) return message.records.flatMap((record) => changeOf(record))
  return [{ type: message.type === 'report' ? 'listens' : 'leaves', group: message.group }]
}

/** Which sources somebody wants is left aside: who wants any of a group gets all that is for it. */
function changeOf({ type, group, sources }: GroupRecord<number> | GroupRecord<bigint>): Change[] {
  if (type < RecordType.ModeIsInclude || type > RecordType.BlockOldSources) return []
  const includes = type === RecordType.ModeIsInclude || type === RecordType.ChangeToInclude
  return [{ type: includes && sources.length === 0 ? 'leaves' : 'listens', group }]
}

const ALL_NODES = (0xff02n << 112n) | 1n

/** Whether it is a group at all, and one that is not flooded whatever is reported. */
function isReported(group: number | bigint): boolean {
  if (typeof group === 'number') return group >>> 28 === 0xe && group >>> 8 !== 0xe00000
  return group >> 120n === 0xffn && ((group >> 112n) & 0xfn) > 1n && group !== ALL_NODES
}

const text = (address: number | bigint): string =>
  typeof address === 'number' ? formatIpv4(address) : formatIpv6(address)
