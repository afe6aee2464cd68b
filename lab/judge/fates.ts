// How a frame ended: what the record of it comes to.

import type { Record } from './open-records.ts'
import type { Sight } from './sight.ts'

export const missing = ({ ruling, heardBy }: Record) => ruling.must.filter((nic) => !heardBy.includes(nic))

/** Nothing excuses that the vNIC has not heard the frame. */
export const isOwed = ({ drops, cutOff }: Record, nic: string): boolean =>
  !cutOff.includes(nic) && !drops.some(({ excuses }) => excuses === 'all' || excuses.includes(nic))

export const isLost = (record: Record): boolean => !isComplete(record) && fateOf(record, false) === 'lost'

/** Somebody heard it, and all who must. */
export function isComplete({ ruling: { must }, heardBy }: Record): boolean {
  if (heardBy.length === 0) return false
  for (let index = 0; index < must.length; index++) if (!heardBy.includes(must[index]!)) return false
  return true
}

/** How the frame ended, exactly one way: DESIGN §7. */
export function fateOf(
  record: Record,
  held: boolean,
): 'delivered' | 'answered' | 'held' | 'lost' | { dropped: string } {
  if (isComplete(record)) return 'delivered'
  const { drops, answered, cutOff } = record
  const missed = missing(record)
  if (answered) return 'answered'
  if (missed.some((nic) => isOwed(record, nic))) return held ? 'held' : 'lost'
  if (held && missed.length === 0) return 'held'
  const excuse = drops.find(({ excuses }) => excuses.length > 0)
  return { dropped: excuse?.reason ?? (cutOff.length > 0 ? 'no_route' : (drops[0]?.reason ?? 'no_recipient')) }
}

export function isAnswer(record: Record, seen: Sight | undefined): boolean {
  if (seen === undefined || record.ruling.answer === undefined) return false
  const isArpReply = seen.arp?.operation === 2 && seen.arp.senderMac === record.ruling.answer
  const isAdvertisement = seen.ip?.icmpType === 136 && seen.source === record.ruling.answer
  return isArpReply || isAdvertisement
}
