// What is wanted, and what of it is told. A switch is to have nothing that a restart would not know, so what is wanted becomes what
// switches and hosts are to be only once it is durable. Two things do not wait for that:
//
//   addresses that traffic has shown    nobody is answered for them, and switches that keep them are asked after a restart
//   the end of a move                   it comes to its end even where the disk fails, as it would after a restart

import { vmNamed } from '../topologies/lookup.ts'
import { relocated } from '../topologies/relocation.ts'
import type { Topology } from '../topologies/topology.ts'
import type { LearnedAddresses } from './network/learned.ts'
import type { Intent } from './network/intent.ts'
import type { Assignments, View } from './network/view.ts'
import { withVm } from './network/vm-changes.ts'
import { type Views, VIEWS } from './shared-work.ts'

export class Wanted {
  /** Called when `told` is another. */
  onTold: () => void = () => {}
  #view: View
  #told: View
  readonly #views: Views
  /** By VM, what was wanted as its move was told ahead of the disk, and which of these times it was. */
  readonly #ahead = new Map<string, { intent: Intent; turn: number }>()
  #turn = 0

  /** As it was kept. */
  constructor(intent: Intent, assignments: Assignments, views: Views = VIEWS) {
    this.#views = views
    this.#view = this.#told = views.build(intent, assignments)
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
    this.#view = this.#views.patch(this.#view, { ...this.intent, ...change })
  }

  /** What could not be kept is not wanted any more: names get the numbers again that they have with the switches. */
  takeBack(topology: Topology): void {
    this.#view = this.#views.patch(this.#told, { ...this.intent, topology })
  }

  learn(learned: LearnedAddresses): void {
    const before = this.#view
    this.amend({ learned })
    this.#tell(before === this.#told ? this.#view : this.#withLearned(this.#told, learned))
  }

  /** All that is wanted now, and what is to be called once it is durable. */
  snapshot(): { view: View; kept: () => void } {
    const view = this.#view
    const turn = this.#turn
    return { view, kept: () => this.#kept(view, turn) }
  }

  /** What has been told ahead since the view was wanted stays told. */
  #kept(view: View, upTo: number): void {
    let told = this.#withLearned(view, this.intent.learned)
    for (const [vm, { intent, turn }] of this.#ahead)
      if (turn <= upTo) this.#ahead.delete(vm)
      else told = this.#withMove(told, vm, intent)
    this.#tell(told)
  }

  /** How far the VM's move has come, and where it has ended: told as it is wanted, whether it is durable or not. */
  tell(vm: string): void {
    this.#ahead.set(vm, { intent: this.intent, turn: ++this.#turn })
    this.#tell(this.#withMove(this.#told, vm, this.intent))
  }

  #withMove(view: View, vm: string, wanted: Intent): View {
    return this.#views.patch(view, { ...view.intent, ...movedAs(vm, wanted, view.intent) })
  }

  #withLearned(view: View, learned: LearnedAddresses): View {
    return view.intent.learned === learned ? view : this.#views.patch(view, { ...view.intent, learned })
  }

  #tell(view: View): void {
    this.#told = view
    this.onTold()
  }
}

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
