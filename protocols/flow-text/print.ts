// Flows as Open vSwitch's `ovs-ofctl -O OpenFlow13 dump-flows` prints them.

import type { FlowFlags, FlowSpec, FlowStatistics } from '../control/messages.ts'
import { DEFAULT_PRIORITY } from './defaults.ts'
import { hexadecimal } from './numbers.ts'
import type { FlowTextOptions } from './ports.ts'
import { printInstructions } from './print-actions.ts'
import { matchWords } from './print-match.ts'

export { printActions, printInstructions } from './print-actions.ts'
export { printMatch } from './print-match.ts'

/** One line of `dump-flows --no-stats`: what has its default is left out. */
export function printFlow(flow: FlowSpec, options: FlowTextOptions = {}): string {
  const head = [
    flow.cookie === 0n ? '' : `cookie=${hexadecimal(flow.cookie)}, `,
    flow.table === 0 ? '' : `table=${flow.table}, `,
    properties(flow),
  ]
  return ` ${head.join('')}${matchAndActions(flow, options)}`
}

/** One line of `dump-flows`. */
export function printFlowStatistics(flow: FlowStatistics, options: FlowTextOptions = {}): string {
  const head = [
    `cookie=0x${flow.cookie.toString(16)}, `,
    `duration=${seconds(flow.duration)}s, `,
    `table=${flow.table}, n_packets=${flow.packets}, n_bytes=${flow.bytes}, `,
    properties(flow),
    `idle_age=${flow.idleAge / NANOSECONDS}, `,
  ]
  return ` ${head.join('')}${matchAndActions(flow, options)}`
}

const NANOSECONDS = 1_000_000_000n

const seconds = (duration: bigint) =>
  `${duration / NANOSECONDS}.${String((duration % NANOSECONDS) / 1_000_000n).padStart(3, '0')}`

/** In the order of printing. */
const FLAG_NAMES: readonly (readonly [keyof FlowFlags, string])[] = [
  ['sendFlowRemoved', 'send_flow_rem'],
  ['checkOverlap', 'check_overlap'],
  ['resetCounts', 'reset_counts'],
  ['noPacketCounts', 'no_packet_counts'],
  ['noByteCounts', 'no_byte_counts'],
]

function properties({ idleTimeout, hardTimeout, flags, importance }: FlowSpec): string {
  return [
    idleTimeout === 0 ? '' : `idle_timeout=${idleTimeout}, `,
    hardTimeout === 0 ? '' : `hard_timeout=${hardTimeout}, `,
    ...FLAG_NAMES.map(([flag, name]) => (flags[flag] ? `${name} ` : '')),
    importance ? `importance=${importance}, ` : '',
  ].join('')
}

function matchAndActions(flow: FlowSpec, options: FlowTextOptions): string {
  const priority = flow.priority === DEFAULT_PRIORITY ? [] : [`priority=${flow.priority}`]
  const match = [...priority, ...matchWords(flow.match, options)].join(',')
  return `${match === '' ? '' : `${match} `}actions=${printInstructions(flow.instructions, options)}`
}
