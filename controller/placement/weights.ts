// What makes a host busy: its vNICs, its VMs, or the traffic of these, as the counters of their ports tell it.

import { type Clock, type Nanoseconds, SECOND, sleep } from '../../runtime/clock.ts'
import type { Vm } from '../../topologies/topology.ts'
import type { BalancedBy } from '../model.ts'
import type { Fleet } from '../reconcile/fleet.ts'

export type Weigh = (vm: Vm) => number

export const byVnics: Weigh = ({ nics }) => nics.length

/** For so long traffic is counted, where nobody says. */
const WINDOW = 5 * SECOND
const BITS = 8

/** Of traffic, in bits a second, both ways. Resolves once it has been counted for `window`. Of switches that are away nothing is known. */
export async function weighing(
  by: BalancedBy,
  fleet: Fleet,
  clock: Clock,
  window: Nanoseconds = WINDOW,
): Promise<Weigh> {
  if (by === 'vnics') return byVnics
  if (by === 'vms') return () => 1
  const [before, begun] = [await bytesByPort(fleet), clock.now()]
  await sleep(clock, window)
  const [after, seconds] = [await bytesByPort(fleet), (clock.now() - begun) / SECOND]
  const rate = (nic: string): number => {
    // A port that is made anew begins at nought.
    const bytes = Math.max((after.get(nic) ?? 0) - (before.get(nic) ?? Infinity), 0)
    return Math.round((bytes * BITS) / seconds)
  }
  return ({ nics }) => nics.reduce((sum, { id }) => sum + rate(id), 0)
}

async function bytesByPort(fleet: Fleet): Promise<Map<string, number>> {
  const asked = fleet.connected.map(({ remote }) => remote.portStatistics().catch(() => []))
  const ports = (await Promise.all(asked)).flat()
  return new Map(ports.map(({ name, receivedBytes, sentBytes }) => [name, Number(receivedBytes + sentBytes)]))
}
