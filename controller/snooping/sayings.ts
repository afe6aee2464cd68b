// What a message of IGMP or MLD says of its sender: that it listens to groups, or no more, or that it is a multicast router;
// and what one says of PIM and of multicast router discovery that is about itself (RFC 4541 §2.1.1).

import { formatIpv4, formatIpv6 } from '../../protocols/address.ts'
import type { GroupRecord } from '../../protocols/packet/group-records.ts'
import { RecordType } from '../../protocols/packet/group-records.ts'
import type { IgmpMessage } from '../../protocols/packet/igmp.ts'
import type { MldMessage } from '../../protocols/packet/mld.ts'
import type { MrdMessage } from '../../protocols/packet/mrd.ts'
import { dissect, outerLayers } from '../../protocols/packet/packet.ts'
import type { PimMessage } from '../../protocols/packet/pim.ts'
import { PimType } from '../../protocols/packet/pim.ts'
import { wrongChecksums } from '../../protocols/packet/verify.ts'
import type { Nanoseconds } from '../../runtime/clock.ts'
import { SECOND } from '../../runtime/clock.ts'

export type Saying =
  | { readonly type: 'listens' | 'leaves'; readonly group: string }
  /** A querier, at this address. */
  | { readonly type: 'asks'; readonly source: string }
  /** A multicast router, at this address, for so long, perhaps for ever (Infinity); 0 for one no more. */
  | { readonly type: 'routes'; readonly source: string; readonly lifetime: Nanoseconds }

/** Nothing of a frame that has no such message, or a wrong checksum. */
export function sayingsOf(frame: Uint8Array): Saying[] {
  const layers = outerLayers(dissect(frame))
  const ip = layers.find((layer) => layer.name === 'ipv4' || layer.name === 'ipv6')
  const message = layers.find(({ name }) => name === 'igmp' || name === 'mld' || name === 'mrd' || name === 'pim')
  if (message === undefined || ip === undefined || wrongChecksums(frame).length > 0) return []
  const [source, to] = [text(ip.header.source), text(ip.header.destination)]
  switch (message.name) {
    case 'igmp':
    case 'mld':
      return sayingsOfMember(message.header, source)
    case 'mrd':
      return ALL_SNOOPERS.includes(to) ? routes(source, lifetimeOfMrd(message.header)) : []
    case 'pim':
      return ALL_PIM_ROUTERS.includes(to) ? routes(source, lifetimeOfPim(message.header)) : []
    default:
      return []
  }
}

function sayingsOfMember(message: IgmpMessage | MldMessage, source: string): Saying[] {
  // Who asks from no address is no router, but a switch that wants to know (RFC 4541 §2.1.1).
  if (message.type === 'query') return NO_ADDRESS.includes(source) ? [] : [{ type: 'asks', source }]
  return changesOf(message)
    .filter(({ group }) => isReported(group))
    .map(({ type, group }) => ({ type, group: text(group) }))
}

const ALL_SNOOPERS = ['224.0.0.106', 'ff02::6a']
const ALL_PIM_ROUTERS = ['224.0.0.13', 'ff02::d']

const NO_ADDRESS = ['0.0.0.0', '::']

const routes = (source: string, lifetime: Nanoseconds | undefined): Saying[] =>
  lifetime === undefined ? [] : [{ type: 'routes', source, lifetime }]

/** So many advertisements may be missed, but for one (NeighborDeadInterval of RFC 4286). */
const ADVERTISEMENTS = 3

function lifetimeOfMrd(message: MrdMessage): Nanoseconds | undefined {
  if (message.type === 'solicitation') return undefined
  if (message.type === 'termination') return 0
  // RFC 4286 allows of no interval under 4 seconds: who says 0 says nothing.
  return message.interval === 0 ? undefined : ADVERTISEMENTS * message.interval * SECOND
}

/** Default_Hello_Holdtime (RFC 7761 §4.11), in seconds. */
const HOLD_TIME = 105
/** RFC 7761 §4.9.2. */
const FOR_EVER = 0xffff

function lifetimeOfPim({ type, holdTime = HOLD_TIME }: PimMessage): Nanoseconds | undefined {
  if (type !== PimType.Hello) return undefined
  return holdTime === FOR_EVER ? Infinity : holdTime * SECOND
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
