// What is wanted, and what of it is told. A switch is to have nothing that a restart would not know, so what is wanted becomes what
// switches and hosts are to be only once it is durable. Two things do not wait for that:
//
//   addresses that traffic has shown    nobody is answered for them, and switches that keep them are asked after a restart
//   the end of a move                   it comes to its end even where the disk fails, as it would after a restart

import { vmNamed } from '../topologies/lookup.ts'
import { relocated } from '../topologies/relocation.ts'
import type { Topology } from '../topologies/topology.ts'
import { buildView } from './network/build-view.ts'
import type { LearnedAddresses } from './network/learned.ts'
import { patchView } from './network/patch-view.ts'
import type { Assignments, Intent, View } from './network/view.ts'
import { isSameIntent } from './network/view.ts'
import { withVm } from './network/vm-changes.ts'

export class Wanted {
  /** Called when `told` is another. */
  onTold: () => void = () => {}
  #view: View
  #told: View

  /** As it was kept. */
  constructor(intent: Intent, assignments: Assignments) {
    this.#view = this.#told = firstView(intent, assignments)
  }

  get intent(): Intent {
    return this.#view.intent
  }

  /** Of all that is wanted, durable or not. */
  get view(): View {
    return this.#view
  }

  /** What switches and hosts are to be. */
  get told(): View {
    return this.#told
  }

  /** Nobody is told before that has been kept. @throws RangeError where there are not enough numbers; nothing changes then */
  amend(change: Partial<Intent>): void {
    this.#view = patchView(this.#view, { ...this.intent, ...change })
  }

  /** What could not be kept is not wanted any more: names get the numbers again that they have with the switches. */
  takeBack(topology: Topology): void {
    this.#view = patchView(this.#told, { ...this.intent, topology })
  }

  learn(learned: LearnedAddresses): void {
    const before = this.#view
    this.amend({ learned })
    this.#tell(before === this.#told ? this.#view : withLearned(this.#told, learned))
  }

  /** The view, which was all that was wanted some time ago, is durable. */
  kept(view: View): void {
    this.#tell(withLearned(view, this.intent.learned))
  }

  /** How far the VM's move has come, and where it has ended: told as it is wanted, whether it is durable or not. */
  tell(vm: string): void {
    this.#tell(patchView(this.#told, { ...this.#told.intent, ...movedAs(vm, this.intent, this.#told.intent) }))
  }

  #tell(view: View): void {
    this.#told = view
    this.onTold()
  }
}

/** By assignments, the view that controllers last began with that had kept them. */
const first = new WeakMap<Assignments, View>()

function firstView(intent: Intent, assignments: Assignments): View {
  const before = first.get(assignments)
  if (before !== undefined && isSameIntent(before.intent, intent)) return before
  const view = buildView(intent, undefined, assignments)
  first.set(assignments, view)
  return view
}

const withLearned = (view: View, learned: LearnedAddresses): View =>
  view.intent.learned === learned ? view : patchView(view, { ...view.intent, learned })

function movedAs(name: string, wanted: Intent, { topology, moves }: Intent): Partial<Intent> {
  const vmIn = ({ vms }: Topology) => vmNamed(vms, name)
  const was = vmIn(topology)
  if (was === undefined) return {}
  const others = new Map([...moves].filter(([vm]) => vm !== name))
  const move = wanted.moves.get(name)
  const host = vmIn(wanted.topology)?.host ?? was.host
  const is = host === was.host ? was : relocated(was, topology, host)
  return {
    moves: move === undefined ? others : others.set(name, move),
    ...(is !== undefined && is !== was && { topology: withVm(topology, was, is) }),
  }
}
