import { InvalidField } from '../../errors.ts'
import type { signalbox } from '../generated/control.js'
import type { LearnAction, LearnSpec } from '../messages.ts'
import type { ActionCodec } from './action-codecs.ts'
import { constantFromWire, constantToWire } from './big-endian.ts'
import { subfieldFromWire, subfieldToWire } from './match.ts'
import { bounded, each, fromUint64, toUint64, UINT16, UINT32, UINT8 } from './values.ts'

type WireLearn = signalbox.control.Learn.$Properties
type WireSpec = signalbox.control.LearnSpec.$Properties

/** As many as Open vSwitch's NX_LEARN_N_BITS_MASK holds. */
const MAXIMUM_BITS = 0x3ff

export const learnCodec: ActionCodec<'learn'> = { toWire: learnToWire, fromWire: learnFromWire }

function learnToWire(action: LearnAction, path: string): WireLearn {
  const wire: WireLearn = {
    table: bounded(action.table, UINT8, `${path}.table`),
    priority: bounded(action.priority, UINT16, `${path}.priority`),
    cookie: toUint64(action.cookie, `${path}.cookie`),
    idleTimeout: bounded(action.idleTimeout, UINT16, `${path}.idleTimeout`),
    hardTimeout: bounded(action.hardTimeout, UINT16, `${path}.hardTimeout`),
    finIdleTimeout: bounded(action.finIdleTimeout, UINT16, `${path}.finIdleTimeout`),
    finHardTimeout: bounded(action.finHardTimeout, UINT16, `${path}.finHardTimeout`),
    sendFlowRemoved: action.sendFlowRemoved,
    deleteLearned: action.deleteLearned,
    limit: bounded(action.limit, UINT32, `${path}.limit`),
    specs: each(action.specs, `${path}.specs`, specToWire),
  }
  if (action.result !== undefined) wire.result = subfieldToWire(action.result)
  return wire
}

function learnFromWire(wire: WireLearn, path: string): LearnAction {
  const action: LearnAction = {
    type: 'learn',
    table: bounded(wire.table, UINT8, `${path}.table`),
    priority: bounded(wire.priority, UINT16, `${path}.priority`),
    cookie: fromUint64(wire.cookie),
    idleTimeout: bounded(wire.idleTimeout, UINT16, `${path}.idleTimeout`),
    hardTimeout: bounded(wire.hardTimeout, UINT16, `${path}.hardTimeout`),
    finIdleTimeout: bounded(wire.finIdleTimeout, UINT16, `${path}.finIdleTimeout`),
    finHardTimeout: bounded(wire.finHardTimeout, UINT16, `${path}.finHardTimeout`),
    sendFlowRemoved: wire.sendFlowRemoved ?? false,
    deleteLearned: wire.deleteLearned ?? false,
    limit: wire.limit ?? 0,
    specs: each(wire.specs, `${path}.specs`, specFromWire),
  }
  if (wire.result) action.result = subfieldFromWire(wire.result, `${path}.result`)
  return action
}

function specToWire({ bits, source, target }: LearnSpec, path: string): WireSpec {
  const wire: WireSpec = { bits: bounded(bits, MAXIMUM_BITS, `${path}.bits`) }
  if (source.type === 'field') wire.from = subfieldToWire(source.from)
  else wire.value = constantToWire(source.value, bits, `${path}.source.value`)
  if (target.type === 'output') wire.output = {}
  else wire[target.type] = subfieldToWire(target.to)
  return wire
}

function specFromWire(wire: WireSpec, path: string): LearnSpec {
  const bits = bounded(wire.bits, MAXIMUM_BITS, `${path}.bits`)
  return { bits, source: sourceFromWire(wire, bits, `${path}.source`), target: targetFromWire(wire, `${path}.target`) }
}

function sourceFromWire(wire: WireSpec, bits: number, path: string): LearnSpec['source'] {
  if (wire.from) return { type: 'field', from: subfieldFromWire(wire.from, `${path}.from`) }
  if (wire.value) return { type: 'value', value: constantFromWire(wire.value, bits, `${path}.value`) }
  throw new InvalidField(path, 'is missing', 'a field or a value')
}

function targetFromWire(wire: WireSpec, path: string): LearnSpec['target'] {
  if (wire.match) return { type: 'match', to: subfieldFromWire(wire.match, `${path}.to`) }
  if (wire.load) return { type: 'load', to: subfieldFromWire(wire.load, `${path}.to`) }
  if (wire.output) return { type: 'output' }
  throw new InvalidField(path, 'is missing', 'a match, a load or an output')
}
