// Actions that choose by hash or by chance: multipath, bundle, sample.

import { HASH_FIELDS } from '../messages.ts'
import type { ActionCodec } from './action-codecs.ts'
import { subfieldFromWire, subfieldToWire } from './match.ts'
import { bounded, given, optional, UINT16, UINT32, Vocabulary } from './values.ts'

const hashFields = new Vocabulary(HASH_FIELDS)
const multipathAlgorithms = new Vocabulary(['modulo_n', 'hash_threshold', 'hrw', 'iter_hash'])
const bundleAlgorithms = new Vocabulary(['active_backup', 'hrw'])
const sampleDirections = new Vocabulary(['ingress', 'egress'])

/** OpenFlow's wire has one less, in 16 bits. */
const MAXIMUM_LINKS = 0x10000

export const multipathCodec: ActionCodec<'multipath'> = {
  toWire: (action, path) => ({
    fields: hashFields.number(action.fields, `${path}.fields`),
    basis: bounded(action.basis, UINT16, `${path}.basis`),
    algorithm: multipathAlgorithms.number(action.algorithm, `${path}.algorithm`),
    links: bounded(action.links, MAXIMUM_LINKS, `${path}.links`),
    argument: bounded(action.argument, UINT32, `${path}.argument`),
    to: subfieldToWire(action.to),
  }),
  fromWire: (wire, path) => ({
    type: 'multipath',
    fields: hashFields.word(wire.fields, `${path}.fields`),
    basis: bounded(wire.basis, UINT16, `${path}.basis`),
    algorithm: multipathAlgorithms.word(wire.algorithm, `${path}.algorithm`),
    links: bounded(wire.links, MAXIMUM_LINKS, `${path}.links`),
    argument: wire.argument ?? 0,
    to: subfieldFromWire(wire.to, `${path}.to`),
  }),
}

export const bundleCodec: ActionCodec<'bundle'> = {
  toWire: (action, path) => ({
    fields: hashFields.number(action.fields, `${path}.fields`),
    basis: bounded(action.basis, UINT16, `${path}.basis`),
    algorithm: bundleAlgorithms.number(action.algorithm, `${path}.algorithm`),
    members: action.members.map((port) => bounded(port, UINT32, `${path}.members`)),
    ...(action.to !== undefined && { to: subfieldToWire(action.to) }),
  }),
  fromWire: (wire, path) => ({
    type: 'bundle',
    fields: hashFields.word(wire.fields, `${path}.fields`),
    basis: bounded(wire.basis, UINT16, `${path}.basis`),
    algorithm: bundleAlgorithms.word(wire.algorithm, `${path}.algorithm`),
    members: [...(wire.members ?? [])],
    ...(wire.to && { to: subfieldFromWire(wire.to, `${path}.to`) }),
  }),
}

export const sampleCodec: ActionCodec<'sample'> = {
  toWire: (action, path) => ({
    probability: bounded(action.probability, UINT16, `${path}.probability`),
    collectorSet: bounded(action.collectorSet, UINT32, `${path}.collectorSet`),
    observationDomain: bounded(action.observationDomain, UINT32, `${path}.observationDomain`),
    observationPoint: bounded(action.observationPoint, UINT32, `${path}.observationPoint`),
    samplingPort: optional(action.samplingPort, UINT32, `${path}.samplingPort`),
    direction: action.direction === undefined ? 0 : sampleDirections.number(action.direction, `${path}.direction`),
  }),
  fromWire: (wire, path) => ({
    type: 'sample',
    probability: bounded(wire.probability, UINT16, `${path}.probability`),
    collectorSet: wire.collectorSet ?? 0,
    observationDomain: wire.observationDomain ?? 0,
    observationPoint: wire.observationPoint ?? 0,
    ...given('samplingPort', wire.samplingPort, UINT32, `${path}.`),
    ...(wire.direction && { direction: sampleDirections.word(wire.direction, `${path}.direction`) }),
  }),
}
