// What makes one stack of headers into another, with as little as can be: VLAN tags and MPLS label stack entries, outermost first.

import { MAX_LABELS, Word } from '../../protocols/fields.ts'
import { EtherType } from '../../protocols/match.ts'
import type { DatapathAction } from '../datapath-actions.ts'
import { VLAN_PRESENT } from '../flow-key.ts'
import type { FlowKey } from '../flow-key.ts'

type Stack = readonly number[]

/** The bit of a label stack entry that says that it is the last one. */
export const BOTTOM_OF_STACK = 0x100

export const isMpls = (etherType: number): boolean =>
  etherType === EtherType.Mpls || etherType === EtherType.MplsMulticast

/** The entries that a key shows; of a stack that goes on below them, the first ones. */
export function labelsOf(key: FlowKey): number[] {
  const entries: number[] = []
  if (!isMpls(key[Word.etherType])) return entries
  for (let index = 0; index < MAX_LABELS; index++) {
    const entry = key[Word.mpls + index]
    if (entry === 0) break
    entries.push(entry)
    if ((entry & BOTTOM_OF_STACK) !== 0) break
  }
  return entries
}

function commonEnd(a: Stack, b: Stack): number {
  let common = 0
  while (common < a.length && common < b.length && a[a.length - 1 - common] === b[b.length - 1 - common]) common++
  return common
}

/** Takes off tags down to what both stacks have in common, then puts on the new ones. */
export function tagActions(have: Stack, want: Stack): DatapathAction[] {
  const common = commonEnd(have, want)
  const actions: DatapathAction[] = []
  for (let tag = have.length - common; tag > 0; tag--) actions.push({ type: 'pop_vlan' })
  for (let tag = want.length - common - 1; tag >= 0; tag--) actions.push(pushOf(want[tag]))
  return actions
}

const pushOf = (tag: number): DatapathAction => ({
  type: 'push_vlan',
  etherType: tag >>> 16,
  tci: tag & 0xffff & ~VLAN_PRESENT,
})

/**
 * The same for labels, of which the outermost that differs is written over. The frame's type becomes `etherType` with a label
 * that comes or goes, and only so, as in Open vSwitch (`commit_mpls_action`): one pushed and popped again leaves it as it was.
 */
export function labelActions(have: Stack, want: Stack, etherType: number): DatapathAction[] {
  const actions: DatapathAction[] = []
  const common = commonEnd(have, want)
  const surplus = have.slice(0, have.length - common)
  const missing = want.slice(0, want.length - common)
  while (surplus.length > (missing.length > 0 ? 1 : 0)) {
    surplus.shift()
    const isLast = surplus.length === 0 && missing.length === 0
    actions.push({ type: 'pop_mpls', etherType: isLast ? etherType : EtherType.Mpls })
  }
  const over = surplus.length > 0 ? missing.pop() : undefined
  if (over !== undefined) {
    const mask = (over ^ surplus[0]) >>> 0
    actions.push({ type: 'set', word: Word.mpls, value: (over & mask) >>> 0, mask })
  }
  for (const entry of missing.reverse()) actions.push({ type: 'push_mpls', etherType, entry })
  return actions
}
