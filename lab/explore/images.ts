// What a controller has on its disk, read. Most processes of all runs start with much the same there, and most runs end so: the same
// entries give the same object, so that what is made of it can be kept.

import type { SwitchState } from '../../controller/reconcile/switch-state.ts'
import { imageOf, type Image } from '../../controller/state/image.ts'
import type { StoredEntry } from '../../runtime/store.ts'
import { statesOf } from './measure.ts'

/** Kinds of entries that say nothing of what switches are to have. */
const BESIDE = new Set(['generation', 'journal', 'migration', 'relocation', 'arrival', 'unfinished', 'wire', 'guest'])
/** So many are kept. */
const KEPT = 200

interface Known {
  readonly image: Image
  states?: ReadonlyMap<string, SwitchState>
}

export class Images {
  /** By their entries, in text. */
  readonly #known = new Map<string, Known>()

  /** As `imageOf`. */
  of(entries: readonly StoredEntry[], epoch: number): Image {
    const { migrations, relocations, arrivals, unfinished, wires, guestPlaces } = imageOf(
      entries.filter(({ kind }) => BESIDE.has(kind)),
      epoch,
    )
    return { ...this.#knownOf(entries).image, migrations, relocations, arrivals, unfinished, wires, guestPlaces }
  }

  /** What every switch is to have with these entries on the disk. */
  statesOf(entries: readonly StoredEntry[]): ReadonlyMap<string, SwitchState> {
    const known = this.#knownOf(entries)
    return (known.states ??= statesOf(known.image))
  }

  #knownOf(entries: readonly StoredEntry[]): Known {
    const wanted = entries.filter(({ kind }) => !BESIDE.has(kind))
    const key = wanted.map(asText).sort().join('\n')
    let known = this.#known.get(key)
    if (known !== undefined) return known
    if (this.#known.size >= KEPT) this.#known.clear()
    this.#known.set(key, (known = { image: imageOf(wanted, 0) }))
    return known
  }
}

const asText = ({ kind, key, value }: StoredEntry): string =>
  `${kind} ${key} ${typeof value === 'string' ? value : Buffer.from(value).toString('latin1')}`
