// What a queue gets for certain of what several share, however much the others have to send: for those who must know when a frame that waits
// now will surely have left.

import type { Nanoseconds } from '../../runtime/clock.ts'
import { SECOND } from '../../runtime/clock.ts'
import type { QueueConfig } from '../../protocols/control/messages.ts'
import type { TokenBucket } from '../token-bucket.ts'

export interface Competitor {
  readonly config: QueueConfig
  readonly max: TokenBucket | undefined
}

export interface Assured {
  /** Bits a second; 0 where the others may leave it nothing. */
  rate: number
  /** Before it gets that, at most: others are ahead of it by what they may send at once, and each by a frame. */
  delay: Nanoseconds
}

const LARGEST_FRAME = 12_144

/** `others` are all but itself with whom it shares `rate`, in bits a second. */
export function assured(own: Competitor, others: readonly Competitor[], rate: number, now: Nanoseconds): Assured {
  const ahead = others.filter((other) => priorityOf(other) < priorityOf(own))
  const lumps = others.length * LARGEST_FRAME + sum(ahead.map(({ max }) => Math.max(0, max?.level(now).units ?? 0)))
  const left = rate - sum(others.map((other) => (ahead.includes(other) ? mostOf(other, rate) : minimumOf(other))))
  const share = left * shareOf(own, others)
  const minimum = Math.min(minimumOf(own), rate - sum(others.map(minimumOf)))
  if (Math.max(share, minimum) <= 0) return { rate: 0, delay: 0 }
  const comesTo = share > minimum ? left : minimum
  return { rate: Math.min(rate, Math.max(share, minimum)), delay: Math.ceil((lumps * SECOND) / comesTo) }
}

const priorityOf = ({ config: { priority = 0 } }: Competitor): number => priority
const minimumOf = ({ config: { minRate = 0 } }: Competitor): number => minRate
const mostOf = ({ config: { maxRate = Infinity } }: Competitor, rate: number): number => Math.min(maxRate, rate)

/** By weight, among those of its own priority. */
function shareOf(own: Competitor, others: readonly Competitor[]): number {
  const all = [own, ...others.filter((other) => priorityOf(other) === priorityOf(own))]
  return weightOf(own, all) / sum(all.map((one) => weightOf(one, all)))
}

/** Where no weights are said, those of queues are their minima. */
export function weightOf(
  { config: { weight, minRate } }: Pick<Competitor, 'config'>,
  all: readonly Pick<Competitor, 'config'>[],
): number {
  const isSaid = all.some(({ config }) => config.weight !== undefined)
  return weight ?? (isSaid ? 1 : (minRate ?? 1))
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0)
