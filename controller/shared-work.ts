// What several controllers in one process make of the same, one after the other, as in an exploration: each of them that is given this works
// out only what none before it has. Without it a controller remembers nothing but what it goes on from.

import { isDeepStrictEqual } from 'node:util'
import { buildView } from './network/build-view.ts'
import { patchView } from './network/patch-view.ts'
import type { Intent } from './network/intent.ts'
import type { Assignments, View } from './network/view.ts'
import type { Topology } from '../topologies/topology.ts'
import { Compilations } from './reconcile/compile.ts'

/** Makes views: anew, and from one to the next. */
export interface Views {
  /** `buildView` @throws RangeError */
  build: (intent: Intent, assignments: Assignments) => View
  /** `patchView` @throws RangeError */
  patch: (view: View, intent: Intent) => View
}

export const VIEWS: Views = {
  build: (intent, assignments) => buildView(intent, undefined, assignments),
  patch: patchView,
}

/** So many views are remembered; when there are more, memory starts anew. A run in which 50 VMs move makes some 350. */
const REMEMBERED = 2000

export class SharedWork implements Views {
  readonly compiled = new Compilations()
  /** By assignments, views that were begun with them; by view, those that came of it. */
  #views = new WeakMap<Assignments | View, View[]>()
  #count = 0

  build(intent: Intent, assignments: Assignments): View {
    return this.#known(assignments, undefined, intent, () => VIEWS.build(intent, assignments))
  }

  patch(view: View, intent: Intent): View {
    return this.#known(view, view.intent, intent, () => VIEWS.patch(view, intent))
  }

  #known(from: Assignments | View, was: Intent | undefined, intent: Intent, make: () => View): View {
    const before = this.#views.get(from)?.find((one) => saysTheSame(one.intent, intent, was))
    if (before !== undefined) return before
    const now = make()
    if (++this.#count > REMEMBERED) {
      this.#views = new WeakMap()
      this.#count = 1
    }
    this.#views.set(from, [...(this.#views.get(from) ?? []), now])
    return now
  }
}

/** Whether two intents say the same, and both go as far from the one before: what is another object in one is so in the other. */
function saysTheSame(a: Intent, b: Intent, was: Intent | undefined): boolean {
  return (
    a.learned === b.learned &&
    a.memberships === b.memberships &&
    isSameChange(a.moves, b.moves, was?.moves, areSameParts) &&
    isSameChange(a.formerHosts, b.formerHosts, was?.formerHosts, areSameParts) &&
    isSameChange(a.topology, b.topology, was?.topology, areSameTopologies)
  )
}

/** Whether both are one object, or neither is that of before and `isAlike` holds. */
function isSameChange<T>(a: T, b: T, was: T | undefined, isAlike: (a: T, b: T, was: T) => boolean): boolean {
  return a === b || (was !== undefined && a !== was && b !== was && isAlike(a, b, was))
}

type Parts = ReadonlyMap<string, unknown>

const areSameParts = (a: Parts, b: Parts, was: Parts): boolean =>
  [...a.keys()].join() === [...b.keys()].join() &&
  [...a].every(([vm, part]) => isSamePart(part, b.get(vm), was.get(vm)))

/** But for VMs, which move, topologies are compared by their parts' identity. */
function areSameTopologies(a: Topology, b: Topology, was: Topology): boolean {
  const { vms: _a, ...others } = a
  return (
    a.vms.length === b.vms.length &&
    Object.keys(a).length === Object.keys(b).length &&
    Object.entries(others).every(([key, part]) => part === b[key as keyof Topology]) &&
    a.vms.every((vm, index) => isSamePart(vm, b.vms[index], was.vms[index]))
  )
}

const isSamePart = (a: unknown, b: unknown, was: unknown): boolean =>
  a === b || (a !== was && b !== was && isDeepStrictEqual(a, b))
