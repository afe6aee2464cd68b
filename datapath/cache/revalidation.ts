// Whether two answers of the pipeline are the same, as Open vSwitch's revalidators find out (ofproto/ofproto-dpif-upcall.c): they do the
// same to a frame, bring the same about, and are counted in the very same flows, tables and groups.

import { isDeepStrictEqual } from 'node:util'
import type { DatapathAction } from '../datapath-actions.ts'
import type { Effect } from '../pipeline/effects.ts'
import { stateOf } from '../pipeline/freeze.ts'
import type { TableLookup } from './dependencies.ts'

/** In doubt not: of what goes on in the middle of a list, it is not known. */
export function sameActions(some: readonly DatapathAction[], others: readonly DatapathAction[]): boolean {
  return areSame(some, others, sameAction)
}

export const sameEffects = (some: readonly Effect[], others: readonly Effect[]): boolean =>
  areSame(some, others, sameEffect)

export const sameLookups = (some: readonly TableLookup[], others: readonly TableLookup[]): boolean =>
  areSame(some, others, (one, other) => one.table === other.table && one.flow === other.flow)

export const sameItems = <Item>(some: readonly Item[], others: readonly Item[]): boolean =>
  areSame(some, others, Object.is)

function areSame<Item>(
  some: readonly Item[],
  others: readonly Item[],
  same: (one: Item, other: Item) => boolean,
): boolean {
  if (some.length !== others.length) return false
  for (let index = 0; index < some.length; index++) if (!same(some[index], others[index])) return false
  return true
}

function sameAction(one: DatapathAction, other: DatapathAction): boolean {
  if (one.type === 'output' && other.type === 'output')
    return (
      one.port === other.port &&
      one.queue === other.queue &&
      one.maxLength === other.maxLength &&
      one.flow === other.flow
    )
  if (one.type === 'clone' && other.type === 'clone') return sameActions(one.actions, other.actions)
  if (one.type === 'recirculate' && other.type === 'recirculate') {
    const state = stateOf(one.frozen)
    return one.frozen === other.frozen || (state !== undefined && state === stateOf(other.frozen))
  }
  const flowOf = (action: DatapathAction) => ('flow' in action ? action.flow : undefined)
  return flowOf(one) === flowOf(other) && isDeepStrictEqual(one, other)
}

function sameEffect(one: Effect, other: Effect): boolean {
  if (one.type === 'group')
    return other.type === 'group' && one.group === other.group && sameItems(one.buckets, other.buckets)
  if (one.type === 'fin_timeout' && (other.type !== 'fin_timeout' || one.flow !== other.flow)) return false
  return isDeepStrictEqual(one, other)
}
