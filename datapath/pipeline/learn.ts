// The learn action: a flow made of the frame that meets it (Open vSwitch's lib/learn.c).

import type { Action, FlowMod } from '../../protocols/control/messages.ts'
import { FIELDS } from '../../protocols/fields.ts'
import type { Field } from '../../protocols/fields.ts'
import type { Match } from '../../protocols/match.ts'
import { InvalidField } from '../../protocols/errors.ts'
import { portFromWire16 } from '../../protocols/port-numbers.ts'
import type { FlowTables } from '../flow-tables.ts'
import { packMatch } from '../packed-match.ts'
import type { Effect } from './effects.ts'
import { canLearnOutput, portFrom } from './output.ts'
import type { LearnStep, Step } from './steps.ts'
import type { Translation } from './translation.ts'

type Learn = Extract<Step, { type: 'learn' }>

/** All bits of NXM_OF_IN_PORT, which are the lower ones of in_port. */
const PORT_OF_OPENFLOW_10 = 0xffffn

/** The flow that the frame makes. Consults what of the frame goes into it. */
export function learnedFlow(frame: Translation, { action, specs }: Learn): FlowMod {
  const match = new Map<Field, { value: bigint; mask: bigint }>()
  const apply: Action[] = []
  if (action.finIdleTimeout > 0 || action.finHardTimeout > 0)
    apply.push({ type: 'fin_timeout', idleTimeout: action.finIdleTimeout, hardTimeout: action.finHardTimeout })
  for (const spec of specs) {
    const value = valueOf(frame, spec)
    const { target } = spec.spec
    if (target.type === 'load') apply.push({ type: 'load', value, to: target.to })
    else if (target.type === 'output') {
      const port = portFrom(value)
      if (port !== undefined && canLearnOutput(port)) apply.push({ type: 'output', port })
    } else addTo(match, spec, value)
  }
  return {
    type: 'flowMod',
    command: 'add',
    table: action.table,
    priority: action.priority,
    match: matchOf(match),
    cookie: action.cookie,
    cookieMask: 0n,
    idleTimeout: action.idleTimeout,
    hardTimeout: action.hardTimeout,
    flags: action.sendFlowRemoved ? { sendFlowRemoved: true } : {},
    instructions: { apply, clear: false, write: [] },
  }
}

function valueOf(frame: Translation, { spec, from }: LearnStep): bigint {
  if (from !== undefined) return frame.readPart(from)
  return spec.source.type === 'value' ? BigInt.asUintN(spec.bits, spec.source.value) : 0n
}

function addTo(match: Map<Field, { value: bigint; mask: bigint }>, { to }: LearnStep, value: bigint): void {
  if (to === undefined) return
  const known = match.get(to.field) ?? { value: 0n, mask: 0n }
  const mask = to.ones << to.offset
  match.set(to.field, { value: (known.value & ~mask) | ((value << to.offset) & mask), mask: known.mask | mask })
}

/** Of a field that can not be masked, a part is not matched, as in Open vSwitch. */
const matchOf = (parts: ReadonlyMap<Field, { value: bigint; mask: bigint }>): Match =>
  FIELDS.flatMap((field) => {
    const part = parts.get(field)
    if (part === undefined) return []
    const { value, mask } = part
    if (mask === field.ones) return [{ field: field.name, value }]
    if (field.name === 'in_port' && mask === PORT_OF_OPENFLOW_10)
      return [{ field: field.name, value: BigInt(portFromWire16(Number(value))) }]
    return field.maskable ? [{ field: field.name, value, mask }] : []
  })

/**
 * Whether there is room for the flow under its action's limit: for so many in its table as have its cookie, those among
 * `effects` counted in. Undefined where no table could have it.
 */
export function hasRoom(
  tables: Pick<FlowTables, 'mayLearn'>,
  { match, table, cookie }: FlowMod,
  limit: number,
  effects: readonly Effect[],
): boolean | undefined {
  try {
    packMatch(match)
  } catch (error) {
    if (error instanceof InvalidField) return undefined
    throw error
  }
  if (limit === 0) return true
  const coming = effects.filter(
    (effect) => effect.type === 'learn_flow' && effect.mod.table === table && effect.mod.cookie === cookie,
  ).length
  return coming < limit && tables.mayLearn(table, cookie, limit - coming)
}
