// The laws that a frame may meet: one, or several while a change is being carried out. It may be heard by whom any of them lets hear it, and has
// to be heard by those of whom all say so. In one thing it meets one of them alone: it is in one network, from its sender to each of its hearers.

import type { Topology } from '../../topologies/topology.ts'
import { Law, oneOf, type Ruling } from './law.ts'
import type { Sight } from './sight.ts'
import { Taps } from './taps.ts'

/** Law and taps of one topology. */
interface Edition {
  law: Law
  taps: Taps
}

export class Laws {
  /** Oldest first. */
  readonly #editions: readonly Edition[]

  private constructor(editions: readonly Edition[]) {
    this.#editions = editions
  }

  static of(topology: Topology): Laws {
    return new Laws([editionOf(topology)])
  }

  /** These, or that of `topology`. */
  with(topology: Topology): Laws {
    return new Laws([...this.#editions, editionOf(topology)])
  }

  /** These, or the newest of `others`. */
  withNewestOf(others: Laws): Laws {
    return new Laws([...this.#editions, others.#newest])
  }

  /** These without the `count` oldest. */
  without(count: number): Laws {
    return new Laws(this.#editions.slice(count))
  }

  get #newest(): Edition {
    return this.#editions.at(-1)!
  }

  judge(nic: string, seen: Sight): Ruling {
    const { law } = this.#newest
    if (this.#editions.length === 1) return law.judge(nic, seen)
    const rulings = this.#editions.map((edition) => edition.law.judge(nic, seen))
    const networks = [...new Set(rulings.map(({ network }) => network))].reverse()
    const each = networks.map((network) => {
      const all = rulings.filter((ruling) => ruling.network === network)
      return this.#isSurely(
        network,
        all.reduce((one, other) => either(one, other)),
      )
    })
    return oneOf(each)
  }

  /** `ruling`, which older laws have given to a frame that is on its way still, with the newest. */
  amended(ruling: Ruling, nic: string, seen: Sight): Ruling {
    const { network } = ruling
    if (network === undefined || ruling.refusal !== undefined) return ruling
    const now = this.#newest.law.judge(nic, seen)
    const both = now.network === network ? either(ruling, now) : ruling
    return this.#isSurely(network, { ...both, may: ruling.isForGroup ? ruling.may : both.may })
  }

  /** Due are those alone who are in the network by all laws, and do not start anew on another host. */
  #isSurely(network: string | undefined, ruling: Ruling): Ruling {
    if (network === undefined) return ruling
    return duly(
      ruling,
      ruling.must.filter((nic) =>
        this.#editions.every(({ law }) => law.isIn(network, nic) && law.hostOf(nic) === this.#newest.law.hostOf(nic)),
      ),
    )
  }

  /** Whether the vNIC may be in the network where it hears or says a frame with these tags. */
  isIn(network: string, nic: string, seen: Sight): boolean {
    return this.#editions.some(({ law }) => law.networkAt(nic, seen) === network)
  }

  /** The network, by the newest law that knows of one, in which the vNIC hears or says a frame with these tags. */
  networkAt(nic: string, seen: Sight): string | undefined {
    for (const { law } of this.#editions.toReversed()) {
      const network = law.networkAt(nic, seen)
      if (network !== undefined) return network
    }
    return undefined
  }

  flowOf(seen: Sight): number {
    return this.#newest.law.flowOf(seen)
  }

  /** vNICs to which copies go, by the newest law. */
  targets(): Iterable<string> {
    return this.#newest.taps.targets()
  }

  /** Whether copies may go to the vNIC. */
  mayBeTarget(nic: string): boolean {
    return this.#editions.some(({ taps }) => taps.isTarget(nic))
  }

  get areOne(): boolean {
    return this.#editions.length === 1
  }

  /** Whether what the vNIC says, or hears, on the network is surely copied to `target`. */
  isTapped(nic: string, way: 'said' | 'heard', network: string | undefined, target: string): boolean {
    return this.#editions.every(({ taps }) => taps.isTapped(nic, way, network, target))
  }

  /** Whether it may be: in a change, by who takes the vNIC for one of another network, too. */
  mayBeTapped(nic: string, way: 'said' | 'heard', network: string | undefined, target: string): boolean {
    if (this.areOne) return this.isTapped(nic, way, network, target)
    return this.#editions.some(({ taps }) => taps.isTappedSomewhere(nic, way, target))
  }

  /** vNICs whose frames may be copied. */
  tapped(): Iterable<string> {
    return this.#editions.length === 1
      ? this.#newest.taps.sources()
      : new Set(this.#editions.flatMap(({ taps }) => [...taps.sources()]))
  }
}

const editionOf = (topology: Topology): Edition => ({ law: new Law(topology), taps: new Taps(topology) })

const union = <T>(one: readonly T[], other: readonly T[]): readonly T[] => [...new Set([...one, ...other])]

/** What both of two rulings on a frame in one network ask for, and what either allows. */
function either(one: Ruling, other: Ruling): Ruling {
  const { dscps: _dscps, ...rest } = one
  const may = one.may === 'network' || other.may === 'network' ? 'network' : union(one.may, other.may)
  const must = one.must.filter((nic) => other.must.includes(nic))
  const answers = union(one.answers ?? [], other.answers ?? [])
  const ruling: Ruling = {
    ...rest,
    may,
    excuses: union(one.excuses, other.excuses),
    limited: union(one.limited, other.limited),
    ...(answers.length > 0 && { answers }),
    ...(one.dscps !== undefined && other.dscps !== undefined && { dscps: union(one.dscps, other.dscps) }),
  }
  return duly(ruling, must)
}

const duly = (ruling: Ruling, must: readonly string[]): Ruling => ({
  ...ruling,
  must,
  limited: ruling.limited.filter((nic) => must.includes(nic)),
})
