// Who looks on by a mirror, from the topology alone: of which frames its target may hear a copy, and how many there must be.

import type { Topology } from '../../topologies/topology.ts'
import { networksOf } from '../../topologies/lookup.ts'
import type { MirrorVerdict } from '../verdict.ts'
import type { Record } from './open-records.ts'

/** That a vNIC's frames are copied to a target: on one of its networks, or whatever it is on. */
interface Tap {
  target: string
  network: string | undefined
  said: boolean
  heard: boolean
}

export class Onlookers {
  /** By vNIC that is copied. */
  readonly #taps = new Map<string, Tap[]>()
  #targets = new Set<string>()
  /** Of each target there has been. */
  readonly #tallies = new Map<string, MirrorVerdict>()

  constructor(topology: Topology) {
    this.amend(topology)
  }

  amend({ mirrors = [], vms }: Topology): void {
    this.#taps.clear()
    this.#targets = new Set(mirrors.flatMap(({ target }) => (target.kind === 'port' ? target.port : [])))
    for (const target of this.#targets)
      if (!this.#tallies.has(target)) this.#tallies.set(target, { target, copies: 0, missing: 0, doubled: 0 })
    const nics = vms.flatMap((vm) => vm.nics)
    for (const { source, direction, target } of mirrors) {
      if (target.kind !== 'port') continue
      const [said, heard] = [direction !== 'to-lport', direction !== 'from-lport']
      const network = source.kind === 'network' ? source.network : undefined
      for (const nic of nics) {
        const isSource = source.kind === 'port' ? nic.id === source.port : networksOf(nic).includes(source.network)
        if (!isSource) continue
        const taps = this.#taps.get(nic.id) ?? []
        this.#taps.set(nic.id, [...taps, { target: target.port, network, said, heard }])
      }
    }
  }

  isTarget(nic: string): boolean {
    return this.#targets.has(nic)
  }

  /** A copy is heard by a target. False where it may not hear it, or has had all that there can be. */
  hear(record: Record, target: string): boolean {
    record.lookedOn.push(target)
    const copies = record.lookedOn.filter((one) => one === target).length
    return copies <= this.#mostCopies(record, target)
  }

  /** Nothing more comes of the frame. */
  settle(record: Record): void {
    for (const [target, tally] of this.#tallies) {
      const copies = record.lookedOn.length === 0 ? 0 : record.lookedOn.filter((one) => one === target).length
      const due = this.#dueCopies(record, target, copies)
      tally.copies += copies
      if (copies < due) tally.missing += due - copies
      else tally.doubled += copies - due
    }
  }

  tallies(): MirrorVerdict[] {
    return [...this.#tallies.values()]
  }

  /**
   * One as it was said, one for each that has heard it, and one of the answer to it. What its sender's rate had dropped as it entered has no
   * copy, but where `copies` came nevertheless.
   */
  #dueCopies({ nic, ruling: { network }, heardBy, answered, drops }: Record, target: string, copies: number): number {
    const isCopied = copies > 0 || !drops.some(({ reason }) => reason === 'rate_limited')
    let due = isCopied && this.#isTapped(nic, 'said', network, target) ? 1 : 0
    if (answered && this.#isTapped(nic, 'heard', network, target)) due++
    for (const hearer of heardBy) if (this.#isTapped(hearer, 'heard', network, target)) due++
    return due
  }

  /** The same for each that may hear it; twice for what goes to many, which a vNIC that moves may be sent at both of its places. */
  #mostCopies({ nic, ruling, heardBy }: Record, target: string): number {
    const { network, may, answer } = ruling
    let most = this.#isTapped(nic, 'said', network, target) ? 1 : 0
    if (answer !== undefined && this.#isTapped(nic, 'heard', network, target)) most++
    const hearers = may === 'network' ? this.#taps.keys() : new Set([...may, ...heardBy])
    const each = may === 'network' || may.length > 1 ? 2 : 1
    for (const hearer of hearers) if (hearer !== nic && this.#isTapped(hearer, 'heard', network, target)) most += each
    return most
  }

  #isTapped(nic: string, way: 'said' | 'heard', network: string | undefined, target: string): boolean {
    const taps = this.#taps.get(nic)
    return (
      taps !== undefined &&
      taps.some((tap) => tap.target === target && tap[way] && (tap.network === undefined || tap.network === network))
    )
  }
}
