// learn: Open vSwitch's learn_check (lib/learn.c).

import type { LearnSpec, Subfield } from '../../protocols/control/messages.ts'
import { knownOf, learnedAfter } from '../../protocols/known-frame.ts'
import type { Match } from '../../protocols/match.ts'
import type { ActionOf, Place } from './context.ts'
import { isBits, isLookupTable, refuseUnless } from './context.ts'
import { checkBits, checkSource, checkTarget } from './fields.ts'

export function checkLearn(action: ActionOf<'learn'>, place: Place): void {
  const { path } = place
  const bad = (holds: boolean, field: string, problem: string) =>
    refuseUnless(holds, 'OFPBAC_BAD_ARGUMENT', `${path}.${field}`, problem)
  bad(isLookupTable(action.table), 'table', `there is no table ${action.table}`)
  for (const name of ['priority', 'idleTimeout', 'hardTimeout', 'finIdleTimeout', 'finHardTimeout'] as const)
    bad(isBits(action[name], 16), name, `${action[name]}; expected 0 to 65535`)
  bad(isBits(action.limit, 32), 'limit', `${action.limit} flows`)
  if (action.result) {
    checkTarget(action.result, place, `${path}.result`)
    refuseUnless(action.result.bits === 1, 'OFPBAC_BAD_SET_LEN', `${path}.result`, 'it says yes or no, in one bit')
  }
  checkSpecs(action.specs, place)
}

/** What the learned flow matches grows with its specs, and their fields need what those before them match. */
function checkSpecs(specs: readonly LearnSpec[], place: Place): void {
  let learned: Match = []
  specs.forEach((spec, index) => {
    const path = `${place.path}.specs[${index}]`
    const { source, target, bits } = spec
    if (source.type === 'field') checkPart(source.from, place, bits, `${path}.source`)
    else
      refuseUnless(
        source.value >= 0n && source.value < 1n << BigInt(bits),
        'OFPBAC_BAD_ARGUMENT',
        `${path}.source.value`,
        `0x${source.value.toString(16)} does not fit ${bits} bits`,
      )
    if (target.type === 'output') return
    const there: Place = { ...place, frame: knownOf(learned) }
    if (target.type === 'match') checkPart(target.to, there, bits, `${path}.target`)
    else {
      checkTarget(target.to, there, `${path}.target`)
      checkWidth(target.to, bits, `${path}.target`)
    }
    learned = learnedAfter(spec, learned)
  })
}

function checkPart(subfield: Subfield, place: Place, bits: number, path: string): void {
  checkBits(subfield, path)
  checkSource(subfield, place, path)
  checkWidth(subfield, bits, path)
}

function checkWidth(subfield: Subfield, bits: number, path: string): void {
  refuseUnless(subfield.bits === bits, 'OFPBAC_BAD_SET_LEN', `${path}.bits`, `${subfield.bits} bits; expected ${bits}`)
}
