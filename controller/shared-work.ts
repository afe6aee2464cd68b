// What several controllers in one process make of the same, one after the other, as in an exploration: each of them that is given this works
// out only what none before it has. Without it a controller remembers nothing but what it goes on from.

import { buildView } from './network/build-view.ts'
import { patchView } from './network/patch-view.ts'
import { type Assignments, type Intent, isSameIntent, type View } from './network/view.ts'
import { CompiledAnew } from './reconcile/compile.ts'

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

export class SharedWork implements Views {
  readonly compiled = new CompiledAnew()
  /** By assignments, the last view that was begun with; by view, the last that came of it. */
  readonly #views = new WeakMap<Assignments | View, View>()

  build(intent: Intent, assignments: Assignments): View {
    return this.#known(assignments, intent, () => VIEWS.build(intent, assignments))
  }

  patch(view: View, intent: Intent): View {
    return this.#known(view, intent, () => VIEWS.patch(view, intent))
  }

  #known(from: Assignments | View, intent: Intent, make: () => View): View {
    const before = this.#views.get(from)
    if (before !== undefined && isSameIntent(before.intent, intent)) return before
    const now = make()
    this.#views.set(from, now)
    return now
  }
}
