// `learn(…)`.

import type { LearnAction, LearnSpec, Subfield } from '../control/messages.ts'
import { fieldOf } from '../fields.ts'
import { DEFAULT_PRIORITY } from './defaults.ts'
import { hexadecimal } from './numbers.ts'
import type { FlowTextOptions } from './ports.ts'
import { actionName, formatSubfield, isWhole } from './subfields.ts'
import { formatInAction } from './values.ts'

export function printLearn(learn: LearnAction, options: FlowTextOptions): string {
  const number = (name: string, value: number, usual = 0) => (value === usual ? [] : [`${name}=${value}`])
  const said = [
    `table=${learn.table}`,
    ...number('idle_timeout', learn.idleTimeout),
    ...number('hard_timeout', learn.hardTimeout),
    ...number('fin_idle_timeout', learn.finIdleTimeout),
    ...number('fin_hard_timeout', learn.finHardTimeout),
    ...number('priority', learn.priority, DEFAULT_PRIORITY),
    ...(learn.sendFlowRemoved ? ['send_flow_rem'] : []),
    ...(learn.deleteLearned ? ['delete_learned'] : []),
    ...(learn.cookie === 0n ? [] : [`cookie=${hexadecimal(learn.cookie)}`]),
    ...number('limit', learn.limit),
    ...(learn.result === undefined ? [] : [`result_dst=${formatSubfield(learn.result)}`]),
    ...learn.specs.map((spec) => printSpec(spec, options)),
  ]
  return `learn(${said.join(',')})`
}

function printSpec({ source, target }: LearnSpec, options: FlowTextOptions): string {
  if (target.type === 'output') return `output:${source.type === 'field' ? formatSubfield(source.from) : source.value}`
  if (target.type === 'load') {
    const from = source.type === 'field' ? formatSubfield(source.from) : hexadecimal(source.value)
    return `load:${from}->${formatSubfield(target.to)}`
  }
  if (source.type === 'value') return printMatched(target.to, source.value, options)
  return sameBits(source.from, target.to)
    ? formatSubfield(target.to)
    : `${formatSubfield(target.to)}=${formatSubfield(source.from)}`
}

/** The whole of a field in its own format, part of it in hexadecimal. */
function printMatched(to: Subfield, value: bigint, options: FlowTextOptions): string {
  if (!isWhole(to)) return `${formatSubfield(to)}=${hexadecimal(value)}`
  return `${actionName(to.field)}=${formatInAction(fieldOf(to.field), { value: widened(to, value) }, options)}`
}

/** OpenFlow 1.0's reserved ports, of 16 bits, stand for those of 32. */
const widened = (to: Subfield, value: bigint): bigint =>
  to.field === 'in_port' && to.bits === 16 && value >= 0xff00n ? value | 0xffff0000n : value

const sameBits = (a: Subfield, b: Subfield) => a.field === b.field && a.offset === b.offset && a.bits === b.bits
