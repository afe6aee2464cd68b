// multipath and bundle: one of several links, or of several ports that are up, by a hash (Open vSwitch's lib/multipath.c and
// lib/bundle.c).

import type { BundleAction, MultipathAction } from '../../protocols/control/messages.ts'
import { finished, hashOfFields, mixed } from './hash.ts'
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
      return Math.floor((hash / 2 ** 32) * links)
    case 'hrw':
      return links <= MOST_BY_WEIGHT
        ? heaviest(
            Array.from({ length: links }, (_, link) => link),
            hash,
          )
        : iterated(hash, links, argument)
    case 'iter_hash':
      return iterated(hash, links, argument)
  }
}

const weight = (candidate: number, hash: number) => finished(mixed(hash, candidate))

/** Highest random weight: when one is gone, only what it had moves. */
const heaviest = (candidates: readonly number[], hash: number): number =>
  candidates.reduce((best, candidate) => (weight(candidate, hash) > weight(best, hash) ? candidate : best))

/** Hashes until a number below `links` comes up, out of `argument` or, where that does not suit, the next power of two. */
function iterated(hash: number, links: number, argument: number): number {
  const suits = argument >= links && argument / 2 <= links
  const modulo = suits ? argument : 2 ** Math.ceil(Math.log2(links))
  for (let round = 0; ; round++) {
    const link = finished(mixed(hash, round)) % modulo
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
  const places = members.flatMap((member, place) => (isUp(member) ? [place] : []))
  return places.length === 0 ? undefined : members[heaviest(places, hash)]
}
