// Who looks on by a mirror: how many copies of a frame a target may hear, how many there must be, and how many there were.

import type { MirrorVerdict } from '../verdict.ts'
import type { Findings } from './findings.ts'
import { choicesOf, type Ruling } from './law.ts'
import type { Record } from './open-records.ts'

export class Onlookers {
  /** Of each target there has been. */
  readonly #tallies = new Map<string, MirrorVerdict>()

  readonly #findings: Findings

  constructor(targets: Iterable<string>, findings: Findings) {
    this.#findings = findings
    this.amend(targets)
  }

  /** These are targets from now on; those of before are still told of. */
  amend(targets: Iterable<string>): void {
    for (const target of targets)
      if (!this.#tallies.has(target)) this.#tallies.set(target, { target, copies: 0, missing: 0, doubled: 0 })
  }

  /** A copy is heard by a target. False where it may not hear it, or has had all that there can be. */
  hear(record: Record, target: string): boolean {
    record.lookedOn.push(target)
    const copies = record.lookedOn.filter((one) => one === target).length
    return choicesOf(record.ruling).some((ruling) => copies <= mostCopies(record, ruling, target))
  }

  /** Nothing more comes of the frame. */
  settle(record: Record): void {
    for (const [target, tally] of this.#tallies) {
      const copies = record.lookedOn.length === 0 ? 0 : record.lookedOn.filter((one) => one === target).length
      const choices = choicesOf(record.ruling)
      const due = Math.min(...choices.map((ruling) => dueCopies(record, ruling, target, copies)))
      const enough = record.laws.areOne ? due : Math.max(...choices.map((one) => mostCopies(record, one, target)))
      tally.copies += copies
      if (copies > 0) this.#noteWhose(record, target, copies)
      tally.missing += Math.max(0, due - copies)
      tally.doubled += Math.max(0, copies - enough)
    }
  }

  /** Of whom the target has seen something: of who said it, and of those whose hearing it may have been told of. */
  #noteWhose({ nic, laws, ruling: { network }, heardBy }: Record, target: string, copies: number): void {
    this.#findings.pair(nic, target).copied += copies
    for (const hearer of heardBy)
      if (laws.mayBeTapped(hearer, 'heard', network, target)) this.#findings.pair(hearer, target).copied++
  }

  tallies(): MirrorVerdict[] {
    return [...this.#tallies.values()]
  }
}

/**
 * One as it was said, one for each that has heard it, and one of the answer to it. What its sender's rate had dropped as it entered has no
 * copy, but where `copies` came nevertheless.
 */
function dueCopies(
  { nic, laws, heardBy, answered, drops }: Record,
  { network }: Ruling,
  target: string,
  copies: number,
): number {
  const isCopied = copies > 0 || !drops.some(({ reason }) => reason === 'rate_limited')
  let due = isCopied && laws.isTapped(nic, 'said', network, target) ? 1 : 0
  if (answered && laws.isTapped(nic, 'heard', network, target)) due++
  for (const hearer of heardBy) if (laws.isTapped(hearer, 'heard', network, target)) due++
  return due
}

/** The same for each that may hear it; twice for what goes to many, which a vNIC that moves may be sent at both of its places. */
function mostCopies({ nic, laws, heardBy }: Record, { network, may, answers }: Ruling, target: string): number {
  let most = laws.mayBeTapped(nic, 'said', network, target) ? 1 : 0
  if (answers !== undefined && laws.mayBeTapped(nic, 'heard', network, target)) most++
  const hearers = may === 'network' ? laws.tapped() : new Set([...may, ...heardBy])
  const each = may === 'network' || may.length > 1 ? 2 : 1
  for (const hearer of hearers) if (hearer !== nic && laws.mayBeTapped(hearer, 'heard', network, target)) most += each
  return most
}
