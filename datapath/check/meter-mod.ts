import type { MeterBand, MeterSpec } from '../../protocols/control/messages.ts'
import { ReservedMeter } from '../../protocols/control/messages.ts'
import { isBits, refuseUnless } from './context.ts'

/** Open vSwitch's userspace datapath: MAX_BANDS. */
const MOST_BANDS = 8
/** Buckets count in numbers. */
const LARGEST_COUNT = BigInt(Number.MAX_SAFE_INTEGER)
const HIGHEST_DSCP = 63
const HIGHEST_PRECEDENCE = 255

const VIRTUAL: ReadonlySet<number> = new Set([ReservedMeter.Slowpath, ReservedMeter.Controller])

/** A number that a meter may have; the two virtual ones limit what goes up to the controllers. */
const isMeterNumber = (meter: number) =>
  (Number.isInteger(meter) && meter >= 1 && meter <= ReservedMeter.Max) || VIRTUAL.has(meter)

/**
 * Of a meter to be made or changed.
 * @throws Refused As Open vSwitch, one without a band by the code for too many.
 */
export function checkMeter({ meter, bands }: MeterSpec): void {
  refuseUnless(isMeterNumber(meter), 'OFPMMFC_INVALID_METER', 'meter', `${meter} is no meter number`)
  const isCount = bands.length > 0 && bands.length <= MOST_BANDS
  refuseUnless(isCount, 'OFPMMFC_OUT_OF_BANDS', 'bands', `${bands.length} bands; expected 1 to ${MOST_BANDS}`)
  bands.forEach((band, index) => checkBand(band, `bands[${index}]`))
}

function checkBand({ type, rate, burst, dscp, precedence }: MeterBand, path: string): void {
  const isRate = rate >= 1n && rate <= LARGEST_COUNT
  refuseUnless(isRate, 'OFPMMFC_BAD_RATE', `${path}.rate`, `${rate} a second; expected 1 to ${LARGEST_COUNT}`)
  const isBurst = burst >= 0n && burst <= LARGEST_COUNT
  refuseUnless(isBurst, 'OFPMMFC_BAD_BURST', `${path}.burst`, `${burst}; expected 0 to ${LARGEST_COUNT}`)
  if (type === 'drop') return
  const bad = (holds: boolean, field: string, words: string) =>
    refuseUnless(holds, 'OFPMMFC_BAD_BAND_VALUE', `${path}.${field}`, words)
  bad(
    (dscp === undefined) !== (precedence === undefined),
    'dscp',
    'expected either a DSCP or a step of drop precedence',
  )
  bad(isBits(dscp ?? 0, 6), 'dscp', `${dscp}; expected 0 to ${HIGHEST_DSCP}`)
  bad(isBits(precedence ?? 0, 8), 'precedence', `${precedence}; expected 0 to ${HIGHEST_PRECEDENCE}`)
}
