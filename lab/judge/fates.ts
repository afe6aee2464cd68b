// How a frame ended: what the record of it comes to.

import { choicesOf, type Ruling } from './law.ts'
import type { Record } from './open-records.ts'
import type { Mac, Sight } from './sight.ts'

export const missing = ({ ruling, heardBy }: Record) => notAmong(heardBy, ruling)

const notAmong = (heardBy: readonly string[], { must }: Ruling) => must.filter((nic) => !heardBy.includes(nic))

/** Nothing excuses that the vNIC has not heard the frame. */
export const isOwed = ({ drops, cutOff }: Record, nic: string): boolean =>
  !cutOff.includes(nic) && !drops.some(({ excuses }) => excuses === 'all' || excuses.includes(nic))

export const isLost = (record: Record): boolean =>
  !isComplete(record) && choicesOf(record.ruling).every((ruling) => fateUnder(record, ruling, false) === 'lost')

/**
 * What a port kept when its switch went may have been read before, and come to its vNIC from elsewhere. A link that is known to be down
 * keeps nothing.
 */
export function mayReturn({ drops, heardBy }: Record): boolean {
  const last = drops.at(-1)
  return heardBy.length === 0 && last?.reason === 'link_down' && last.excuses.length === 0
}

/** Of rulings that may hold for the frame, one that it has kept to does; any, where it has kept to none. */
export function settleOn(record: Record): void {
  if (record.ruling.otherwise === undefined) return
  const choices = choicesOf(record.ruling)
  record.ruling = choices.find((ruling) => fateUnder(record, ruling, false) !== 'lost') ?? choices[0]!
}

/** Somebody heard it, and all who must. */
export function isComplete({ ruling: { must }, heardBy }: Record): boolean {
  if (heardBy.length === 0) return false
  for (let index = 0; index < must.length; index++) if (!heardBy.includes(must[index]!)) return false
  return true
}

type Fate = 'delivered' | 'answered' | 'held' | 'lost' | { dropped: string }

/** How the frame ended, exactly one way: DESIGN §7. */
export const fateOf = (record: Record, held: boolean): Fate =>
  isComplete(record) ? 'delivered' : fateUnder(record, record.ruling, held)

function fateUnder(record: Record, ruling: Ruling, held: boolean): Fate {
  const { drops, answered, cutOff, heardBy } = record
  const missed = notAmong(heardBy, ruling)
  if (heardBy.length > 0 && missed.length === 0) return 'delivered'
  if (answered) return 'answered'
  if (missed.some((nic) => isOwed(record, nic))) return held ? 'held' : 'lost'
  if (held && missed.length === 0) return 'held'
  const excuse = drops.find(({ excuses }) => excuses.length > 0)
  return { dropped: excuse?.reason ?? (cutOff.length > 0 ? 'no_route' : (drops[0]?.reason ?? 'no_recipient')) }
}

export function isAnswer(record: Record, seen: Sight | undefined): boolean {
  if (seen === undefined) return false
  const isFrom = (mac: Mac) => choicesOf(record.ruling).some(({ answers }) => answers?.includes(mac))
  const isArpReply = seen.arp?.operation === 2 && isFrom(seen.arp.senderMac)
  return isArpReply || (seen.ip?.icmpType === 136 && isFrom(seen.source))
}
