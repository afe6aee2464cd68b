// The flow cache for people: `dpctl/dump-flows`.

import type { Nanoseconds } from '../../runtime/clock.ts'
import { SECOND } from '../../runtime/clock.ts'
import type { FlowCache } from '../cache/flow-cache.ts'
import { unpackedKey } from '../cache/keys.ts'
import type { Megaflow } from '../cache/megaflow.ts'
import { maskOf } from './megaflow-mask.ts'
import { formatActions } from './odp-actions.ts'
import { formatOdpFlow } from './odp-flow.ts'

/** A line for each megaflow, the idlest first, in the layout of `ovs-appctl dpctl/dump-flows`. */
export const formatMegaflows = (cache: FlowCache, now: Nanoseconds): string[] =>
  cache.megaflows(now).map((megaflow) => formatMegaflow(megaflow, cache, now))

function formatMegaflow(megaflow: Megaflow, cache: FlowCache, now: Nanoseconds): string {
  const { mask, entrance, actions } = megaflow
  const key = unpackedKey(megaflow.key)
  const { packets, bytes, usedAt, tcpFlags } = cache.usesOf(megaflow)
  const recirculation = entrance.recirculation
  const match = formatOdpFlow(key, maskOf(key, mask.whole(), recirculation > 0), recirculation, entrance.bare)
  const used = `${((now - usedAt) / SECOND).toFixed(3).replace(/\.?0+$/, '') || '0'}s`
  const seen = tcpFlags === 0 ? '' : `, flags:${formatTcpFlags(tcpFlags)}`
  const done = formatActions(actions, { key, recirculation: (frozen) => cache.whereThawed(frozen).recirculation })
  return `${match}, packets:${packets}, bytes:${bytes}, used:${used}${seen}, actions:${done}`
}

const TCP_FLAGS = ['F', 'S', 'R', 'P', '.', 'U', 'E', 'C']

/** As tcpdump does: `S.` for SYN and ACK. */
const formatTcpFlags = (flags: number) => TCP_FLAGS.filter((_, bit) => (flags >> bit) & 1).join('')
