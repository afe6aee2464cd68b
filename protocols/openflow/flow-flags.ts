// OFPFF_*: OpenFlow 1.3 §7.3.4.1.

import type { FlowFlags } from '../control/flows.ts'
import { Refused } from '../control/refused.ts'

const BITS = [
  'sendFlowRemoved',
  'checkOverlap',
  'resetCounts',
  'noPacketCounts',
  'noByteCounts',
] as const satisfies readonly (keyof FlowFlags)[]

export const flowFlagBits = (flags: FlowFlags): number =>
  BITS.reduce((bits, flag, bit) => (flags[flag] === true ? bits | (1 << bit) : bits), 0)

/** @throws Refused OFPFMFC_BAD_FLAGS a bit that means nothing. */
export function flowFlags(bits: number): FlowFlags {
  if (bits >>> BITS.length !== 0)
    throw new Refused('OFPFMFC_BAD_FLAGS', 'flags', `nobody knows all flags of 0x${bits.toString(16)}`)
  return Object.fromEntries(BITS.filter((_, bit) => ((bits >>> bit) & 1) === 1).map((flag) => [flag, true]))
}
