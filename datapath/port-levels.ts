// What a port's limits remember, as plain data: how full the buckets of its meters and queues are. It goes with a vNIC to its next
// place, so that a move gives nobody a fresh burst.
//
// Levels hold as of when they were read. Restored, they hold as of then: what the buckets would have gained meanwhile is lost, so
// that no interval across the move sees more than the limit allows, whatever the clocks of the two places say.

import type { BucketLevel } from './token-bucket.ts'
import type { Switch } from './switch.ts'

/** One bucket's level: bits (packets in a meter that counts those), below zero where it is in debt, and billionths of one. */
export type { BucketLevel }

export interface PortLevels {
  /** By the meters' numbers here; their bands in order. */
  meters: { meter: number; bands: BucketLevel[] }[]
  /** Of the port's own rate; absent where it has none. */
  all?: BucketLevel
  /** Of its queues that have a maximum. */
  queues: { queue: number; level: BucketLevel }[]
}

/** The levels of the port's queues and of these meters; meters that are not there are left out. Undefined where there is no such port. */
export function portLevels(device: Switch, port: string, meters: readonly number[]): PortLevels | undefined {
  const found = device.ports.byName(port)
  if (found === undefined) return undefined
  const now = device.clock.now()
  const levels = meters.flatMap((meter) => {
    const bands = device.meters.get(meter)?.levels(now)
    return bands === undefined ? [] : [{ meter, bands }]
  })
  return { meters: levels, ...device.ports.shaping.levels(found.number) }
}

/**
 * Makes the buckets of the port and of the meters as full as `levels` says, by the numbers that the meters have here. What is not
 * there is passed over; none becomes fuller than its burst here. False where there is no such port.
 */
export function restorePortLevels(device: Switch, port: string, { meters, ...queues }: PortLevels): boolean {
  const found = device.ports.byName(port)
  if (found === undefined) return false
  const now = device.clock.now()
  for (const { meter, bands } of meters) device.meters.get(meter)?.restoreLevels(bands, now)
  device.ports.shaping.restoreLevels(found.number, queues)
  return true
}
