// Who looks on by a mirror: how many copies of a frame a target may hear, how many there must be, and how many there were.

import type { Topology } from '../../topologies/topology.ts'
import type { MirrorVerdict } from '../verdict.ts'
import type { Record } from './open-records.ts'
import { Taps } from './taps.ts'

export class Onlookers {
  /** Of each target there has been. */
  readonly #tallies = new Map<string, MirrorVerdict>()

  constructor(topology: Topology) {
    this.amend(topology)
  }

  amend(topology: Topology): void {
    for (const target of new Taps(topology).targets())
      if (!this.#tallies.has(target)) this.#tallies.set(target, { target, copies: 0, missing: 0, doubled: 0 })
  }

  /** A copy is heard by a target. False where it may not hear it, or has had all that there can be. */
  hear(record: Record, target: string): boolean {
    record.lookedOn.push(target)
    const copies = record.lookedOn.filter((one) => one === target).length
    return copies <= mostCopies(record, target)
  }

  /** Nothing more comes of the frame. */
  settle(record: Record): void {
    for (const [target, tally] of this.#tallies) {
      const copies = record.lookedOn.length === 0 ? 0 : record.lookedOn.filter((one) => one === target).length
      const due = copiesOf(record, target, 'surely')
      const enough = Math.max(due, copiesOf(record, target, 'perhaps'))
      tally.copies += copies
      tally.missing += Math.max(0, due - copies)
      tally.doubled += Math.max(0, copies - enough)
    }
  }

  tallies(): MirrorVerdict[] {
    return [...this.#tallies.values()]
  }
}

/** One as it was said, one for each that has heard it, and one of the answer to it. */
function copiesOf(
  { nic, laws, ruling: { network }, heardBy, answered }: Record,
  target: string,
  how: 'surely' | 'perhaps',
): number {
  let copies = laws.isTapped(how, nic, 'said', network, target) ? 1 : 0
  if (answered && laws.isTapped(how, nic, 'heard', network, target)) copies++
  for (const hearer of heardBy) if (laws.isTapped(how, hearer, 'heard', network, target)) copies++
  return copies
}

/** The same for each that may hear it; twice for what goes to many, which a vNIC that moves may be sent at both of its places. */
function mostCopies({ nic, laws, ruling, heardBy }: Record, target: string): number {
  const { network, may, answers } = ruling
  let most = laws.isTapped('perhaps', nic, 'said', network, target) ? 1 : 0
  if (answers !== undefined && laws.isTapped('perhaps', nic, 'heard', network, target)) most++
  const hearers = may === 'network' ? laws.tapped() : new Set([...may, ...heardBy])
  const each = may === 'network' || may.length > 1 ? 2 : 1
  for (const hearer of hearers)
    if (hearer !== nic && laws.isTapped('perhaps', hearer, 'heard', network, target)) most += each
  return most
}
