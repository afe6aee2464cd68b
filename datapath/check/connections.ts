// ct and nat: Open vSwitch's check_CT, check_NAT and what decoding them asks (lib/ofp-actions.c).

import type { NatAction } from '../../protocols/control/messages.ts'
import type { ActionOf, Place } from './context.ts'
import { isBits, isLookupTable, refuseUnless } from './context.ts'
import { checkSource } from './fields.ts'

const ZONE_BITS = 16

/** `actions` of a ct are checked by the caller, as a list within it. */
export function checkCt(action: ActionOf<'ct'>, place: Place): void {
  const { commit, force, zone, table, alg } = action
  const { path } = place
  const bad = (holds: boolean, field: string, problem: string) =>
    refuseUnless(holds, 'OFPBAC_BAD_ARGUMENT', `${path}.${field}`, problem)
  bad(commit || !force, 'force', 'only a commit can be forced')
  bad(table === undefined || isLookupTable(table), 'table', `there is no table ${table}`)
  bad(isBits(alg, 16), 'alg', `${alg} is no port`)
  const needsCommit = action.actions.some((inner) => inner.type !== 'nat' || inner.direction !== undefined)
  bad(commit || !needsCommit, 'actions', 'only a commit can change the connection')
  checkZone(zone, place)
}

function checkZone(zone: ActionOf<'ct'>['zone'], place: Place): void {
  const path = `${place.path}.zone`
  if (typeof zone === 'number')
    return refuseUnless(isBits(zone, ZONE_BITS), 'OFPBAC_BAD_ARGUMENT', path, `no zone ${zone}`)
  checkSource(zone, place, path)
  const problem = `${zone.bits} bits; expected ${ZONE_BITS}`
  refuseUnless(zone.bits === ZONE_BITS, 'OFPBAC_BAD_SET_LEN', path, problem)
}

export function checkNat(action: NatAction, { path, within }: Place): void {
  refuseUnless(within === 'ct', 'OFPBAC_BAD_SET_ARGUMENT', path, 'nat stands in a ct only')
  const { direction, addresses, ports, persistent, algorithm } = action
  const isPlain = addresses === undefined && ports === undefined && !persistent && algorithm === undefined
  refuseUnless(direction !== undefined || isPlain, 'OFPBAC_BAD_ARGUMENT', path, 'a range belongs to src or dst')
  checkRanges(action, path)
}

function checkRanges({ addresses, ports }: NatAction, path: string): void {
  if (addresses) {
    const { family, first, last } = addresses
    const end = 1n << (family === 4 ? 32n : 128n)
    const isRange = first >= 0n && first <= last && last < end
    refuseUnless(isRange, 'OFPBAC_BAD_ARGUMENT', `${path}.addresses`, 'the last address is before the first')
  }
  if (ports === undefined) return
  const isRange = isBits(ports.first, 16) && isBits(ports.last, 16) && ports.first <= ports.last
  refuseUnless(isRange, 'OFPBAC_BAD_ARGUMENT', `${path}.ports`, `${ports.first}-${ports.last} is no range of ports`)
}
