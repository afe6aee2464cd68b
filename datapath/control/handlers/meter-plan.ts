import type { MessageOf, MeterBand } from '../../../protocols/control/messages.ts'
import type { MeterTable } from '../../meters.ts'
import { Refused } from '../../../protocols/control/refused.ts'

type MeterMod = MessageOf<'meterMod'>

/** OpenFlow 1.3 §7.1.1: OFPM_MAX. */
const HIGHEST_METER = 0xffff0000
/** Buckets count whole bits in numbers. */
const LARGEST_COUNT = BigInt(Number.MAX_SAFE_INTEGER)

/**
 * Changes of meters that are to be made together. A meter that is deleted and made anew in one plan counts as modified: flows
 * that use it stay.
 */
export class MeterPlan {
  readonly #meters: MeterTable
  /** Meters as they will be, of those that change; undefined for one that will be gone. */
  readonly #changes = new Map<number, MeterBand[] | undefined>()

  constructor(meters: MeterTable) {
    this.#meters = meters
  }

  /** Whether there will be such a meter. */
  has(meter: number): boolean {
    return this.#changes.has(meter) ? this.#changes.get(meter) !== undefined : this.#meters.has(meter)
  }

  /** @throws Refused */
  add({ command, meter, bands }: MeterMod): void {
    if (command === 'delete') return this.#delete(meter)
    if (meter < 1 || meter > HIGHEST_METER)
      throw new Refused('bad_request', 'meter', `${meter} is no meter number; expected 1 to ${HIGHEST_METER}`)
    if (command === 'add' && this.has(meter)) throw new Refused('OFPMMFC_METER_EXISTS', 'meter', `there is a meter ${meter}`)
    if (command === 'modify' && !this.has(meter))
      throw new Refused('OFPMMFC_UNKNOWN_METER', 'meter', `there is no meter ${meter}`)
    checkBands(bands)
    this.#changes.set(meter, bands)
  }

  /** Makes and changes meters; gives what undoes that. */
  make(now: number): () => void {
    const undo: (() => void)[] = []
    for (const [meter, bands] of this.#changes) {
      if (bands === undefined) continue
      const before = this.#meters.get(meter)
      this.#meters.set(meter, bands, now)
      undo.push(() => this.#meters.restore(meter, before))
    }
    return () => undo.reverse().forEach((step) => step())
  }

  /** Deletes meters; gives those that are gone. */
  delete(): number[] {
    const gone = [...this.#changes].filter(([, bands]) => bands === undefined).map(([meter]) => meter)
    for (const meter of gone) this.#meters.delete(meter)
    return gone
  }

  /** One that is not there is deleted already (OpenFlow 1.3 §6.5). */
  #delete(meter: number): void {
    if (this.has(meter)) this.#changes.set(meter, undefined)
  }
}

function checkBands(bands: readonly MeterBand[]): void {
  if (bands.length === 0) throw new Refused('bad_request', 'bands', 'a meter needs a band')
  bands.forEach(({ type, rate, burst, dscp }, index) => {
    const at = `bands[${index}]`
    if (rate < 1n || rate > LARGEST_COUNT)
      throw new Refused('bad_request', `${at}.rate`, `${rate} bits a second; expected 1 to ${LARGEST_COUNT}`)
    if (burst < 0n || burst > LARGEST_COUNT)
      throw new Refused('bad_request', `${at}.burst`, `${burst} bits; expected 0 to ${LARGEST_COUNT}`)
    if (type === 'dscp_remark' && (dscp === undefined || dscp > 63))
      throw new Refused('bad_request', `${at}.dscp`, `${dscp ?? 'missing'}; expected 0 to 63`)
  })
}
