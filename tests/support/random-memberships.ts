// Messages of IGMP and MLD, and the frames they come in.

import { igmpFrame, mldFrame } from '../../protocols/packet/compose.ts'
import type { GroupRecord, QueryExtension } from '../../protocols/packet/group-records.ts'
import type { IgmpMessage } from '../../protocols/packet/igmp.ts'
import { ipv4MulticastMac } from '../../protocols/packet/igmp.ts'
import type { MldMessage } from '../../protocols/packet/mld.ts'
import { ipv6MulticastMac } from '../../protocols/packet/nd.ts'
import type { Random } from '../../runtime/random.ts'
import { oneOf, randomBits, randomBytes } from './frames.ts'

const some = <T>(random: Random, most: number, make: () => T) => Array.from({ length: random.below(most + 1) }, make)

const extension = <A>(random: Random, address: () => A): QueryExtension<A> => ({
  suppress: random.below(2) === 1,
  robustness: random.below(8),
  intervalCode: random.below(256),
  sources: some(random, 3, address),
})

const record = <A>(random: Random, address: () => A): GroupRecord<A> => ({
  type: 1 + random.below(6),
  group: address(),
  sources: some(random, 3, address),
  auxiliary: randomBytes(random, 4 * random.below(3)),
})

export function randomIgmp(random: Random): IgmpMessage {
  const address = () => random.uint32()
  const group = address()
  return oneOf<() => IgmpMessage>(random, [
    () => ({ type: 'query', group, maxResponseCode: random.below(256) }),
    () => ({ type: 'query', group, maxResponseCode: random.below(256), extension: extension(random, address) }),
    () => ({ type: 'report', version: random.below(2) === 0 ? 1 : 2, group }),
    () => ({ type: 'leave', group }),
    () => ({ type: 'report', version: 3, records: some(random, 4, () => record(random, address)) }),
  ])()
}

export function randomMld(random: Random): MldMessage {
  const address = () => randomBits(random, 128)
  const group = address()
  return oneOf<() => MldMessage>(random, [
    () => ({ type: 'query', group, maxResponseCode: random.below(65536) }),
    () => ({ type: 'query', group, maxResponseCode: random.below(65536), extension: extension(random, address) }),
    () => ({ type: 'report', version: 1, group }),
    () => ({ type: 'done', group }),
    () => ({ type: 'report', version: 2, records: some(random, 4, () => record(random, address)) }),
  ])()
}

/** To where such a message goes. */
function destination4(message: IgmpMessage): number {
  if ('records' in message) return 0xe0000016
  if (message.type === 'leave') return 0xe0000002
  return message.group === 0 ? 0xe0000001 : message.group
}

function destination6(message: MldMessage): bigint {
  if ('records' in message) return 0xff02_0000_0000_0000_0000_0000_0000_0016n
  if (message.type === 'done') return 0xff02_0000_0000_0000_0000_0000_0000_0002n
  return message.group === 0n ? 0xff02_0000_0000_0000_0000_0000_0000_0001n : message.group
}

export function igmpFrameOf(
  message: IgmpMessage,
  from = { ethSrc: 0x02_0000_0000_01n, ipSrc: 0x0a000001 },
): Uint8Array {
  const ipDst = destination4(message)
  return igmpFrame({ ...from, ethDst: ipv4MulticastMac(ipDst), ipDst }, message)
}

export function mldFrameOf(
  message: MldMessage,
  from = { ethSrc: 0x02_0000_0000_01n, ipSrc: 0xfe80_0000_0000_0000_0000_00ff_fe00_0001n },
): Uint8Array {
  const ipDst = destination6(message)
  return mldFrame({ ...from, ethDst: ipv6MulticastMac(ipDst), ipDst }, message)
}
