// What ports keep for VMs that move, as people write it and as numbers.

import type { WrittenHold } from './schema/hold.ts'
import type { HoldWish } from './topology.ts'
import { formatDuration, parseDuration } from './units.ts'

export const completeHold = ({ bytes, time }: WrittenHold): HoldWish => ({
  ...(bytes !== undefined && { bytes }),
  ...(time !== undefined && { time: parseDuration(time, 'hold.time') }),
})

export const writeHold = ({ bytes, time }: HoldWish): WrittenHold => ({
  ...(bytes !== undefined && { bytes }),
  ...(time !== undefined && { time: formatDuration(time) }),
})
