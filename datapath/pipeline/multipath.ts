// multipath and bundle: one of several links, or of several ports that are up, by a hash (Open vSwitch's lib/multipath.c and
// lib/bundle.c).

import type { BundleAction, MultipathAction } from '../../protocols/control/messages.ts'
import { hashOfFields, hashOfPair } from './hash.ts'
import type { Translation } from './translation.ts'

/** Beyond so many links, those of highest random weight cost more than they are worth. */
const MOST_BY_WEIGHT = 64

/** The number of the link that the frame takes: 0..links-1. */
export function chooseLink(frame: Translation, { fields, basis, algorithm, links, argument }: MultipathAction): number {
  const hash = hashOfFields(frame, fields, basis)
  switch (algorithm) {
    case 'modulo_n':
      return hash % links
    case 'hash_threshold':
      return links === 1 ? 0 : Math.floor(hash / (Math.floor(0xffffffff / links) + 1))
    case 'hrw':
      return links <= MOST_BY_WEIGHT ? heaviestLink(hash, links) : iterated(hash, links, 0)
    case 'iter_hash':
      return iterated(hash, links, argument)
  }
}

/** Highest random weight: when one is gone, only what it had moves. */
function heaviestLink(hash: number, links: number): number {
  let best = 0
  for (let link = 1; link < links; link++) if (hashOfPair(hash, link) > hashOfPair(hash, best)) best = link
  return best
}

/** Hashes until a number below `links` comes up, out of `argument` or, where that does not suit, the next power of two. */
function iterated(hash: number, links: number, argument: number): number {
  const suits = argument >= links && Math.floor(argument / 2) <= links
  const modulo = suits ? argument : 2 ** Math.ceil(Math.log2(links))
  for (let round = 0; ; round++) {
    // As there, of what `argument` leaves only 16 bits count.
    const link = (hashOfPair(hash, round) % modulo) & 0xffff
    if (link < links) return link
  }
}

/** The port that the frame takes, of those that `isUp` says can be had; undefined where there is none. */
export function chooseMember(
  frame: Translation,
  { fields, basis, algorithm, members }: BundleAction,
  isUp: (port: number) => boolean,
): number | undefined {
  if (algorithm === 'active_backup') return members.find(isUp)
  const hash = hashOfFields(frame, fields, basis)
  let best: number | undefined
  let bestWeight = -1
  for (const [place, member] of members.entries()) {
    const weight = isUp(member) ? hashOfPair(place, hash) : -1
    if (weight > bestWeight) [best, bestWeight] = [member, weight]
  }
  return best
}
