import type { MessageOf, MeterSpec } from '../../../protocols/control/messages.ts'
import { ReservedMeter } from '../../../protocols/control/messages.ts'
import { checkMeter } from '../../check/meter-mod.ts'
import type { MeterTable } from '../../meters.ts'
import { Refused } from '../../../protocols/control/refused.ts'

type MeterMod = MessageOf<'meterMod'>

/**
 * Changes of meters that are to be made together. A meter that is deleted and made anew in one plan counts as modified: flows
 * that use it stay.
 */
export class MeterPlan {
  readonly #meters: MeterTable
  /** Meters as they will be, of those that change; undefined for one that will be gone. */
  readonly #changes = new Map<number, MeterSpec | undefined>()

  constructor(meters: MeterTable) {
    this.#meters = meters
  }

  /** Whether there will be such a meter. */
  has(meter: number): boolean {
    return this.#changes.has(meter) ? this.#changes.get(meter) !== undefined : this.#meters.has(meter)
  }

  /** @throws Refused */
  add({ type: _type, command, ...spec }: MeterMod): void {
    const { meter } = spec
    if (command === 'delete') return this.#delete(meter)
    checkMeter(spec)
    if (command === 'add' && this.has(meter))
      throw new Refused('OFPMMFC_METER_EXISTS', 'meter', `there is a meter ${meter}`)
    if (command === 'modify' && !this.has(meter))
      throw new Refused('OFPMMFC_UNKNOWN_METER', 'meter', `there is no meter ${meter}`)
    this.#changes.set(meter, spec)
  }

  /** Makes and changes meters; gives what undoes that. */
  make(now: number): () => void {
    const undo: (() => void)[] = []
    for (const [meter, spec] of this.#changes) {
      if (spec === undefined) continue
      const before = this.#meters.get(meter)
      this.#meters.set(spec, now)
      undo.push(() => this.#meters.restore(meter, before))
    }
    return () => undo.reverse().forEach((step) => step())
  }

  /** Deletes meters; gives those that are gone. */
  delete(): number[] {
    const gone = [...this.#changes].filter(([, spec]) => spec === undefined).map(([meter]) => meter)
    for (const meter of gone) this.#meters.delete(meter)
    return gone
  }

  /** One that is not there is deleted already (OpenFlow 1.3 §6.5). */
  #delete(meter: number): void {
    const all = [...this.#meters.specs().map((spec) => spec.meter), ...this.#changes.keys()]
    for (const one of meter === ReservedMeter.All ? all : [meter]) if (this.has(one)) this.#changes.set(one, undefined)
  }
}
