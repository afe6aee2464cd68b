// Actions that choose by a hash or by what lives: multipath, bundle, bundle_load; and check_pkt_larger, sample, fin_timeout, conjunction.

import type { Action, BundleAction, SampleAction } from '../control/messages.ts'
import { HASH_FIELDS } from '../control/messages.ts'
import { parseNumber, parseSmall, UINT16, UINT32 } from './numbers.ts'
import { readTarget } from './parse-writes.ts'
import { parsePort } from './ports.ts'
import type { ActionReader, Reading } from './reading.ts'
import { oneOf, readOptions } from './reading.ts'
import { FlowSyntaxError } from './syntax-error.ts'
import type { Piece, Word } from './words.ts'
import { commaParts, sides, slice, valueOf, valueOrNothing } from './words.ts'

export const CHOICES: Readonly<Record<string, ActionReader>> = {
  multipath: readMultipath,
  bundle: (word, reading) => readBundle(word, reading, false),
  bundle_load: (word, reading) => readBundle(word, reading, true),
  check_pkt_larger: readCheckLarger,
  sample: readSample,
  fin_timeout: readFinTimeout,
  conjunction: readConjunction,
}

const MAX_LINKS = 65536
const PORT_BITS = 16
const MAX_CLAUSES = 64

/** `multipath(fields,basis,algorithm,links,argument,FIELD[..])`. */
function readMultipath(word: Word, reading: Reading): Action {
  const [fields, basis, algorithm, links, argument, to] = parts(word, 6)
  const target = readTarget(to, reading)
  const action: Action = {
    type: 'multipath',
    fields: oneOf(fields, HASH_FIELDS, 'hash'),
    basis: parseSmall(basis, UINT16),
    algorithm: oneOf(algorithm, ['modulo_n', 'hash_threshold', 'hrw', 'iter_hash'], 'algorithm'),
    links: parseSmall(links, MAX_LINKS),
    argument: parseSmall(argument, UINT16),
    to: target,
  }
  if (action.links < 1) throw new FlowSyntaxError(links.column, '0 is out of range', `1 to ${MAX_LINKS}`)
  if (target.bits < PORT_BITS && action.links > 1 << target.bits)
    throw new FlowSyntaxError(to.column, `${to.text} can not hold ${action.links} links`, 'more bits, or fewer links')
  return action
}

type Six = [Piece, Piece, Piece, Piece, Piece, Piece]

/** `count` parts between commas, 6 at most. */
function parts(word: Word, count: number): Six {
  const value = valueOf(word)
  const found = commaParts(value)
  if (found.length !== count)
    throw new FlowSyntaxError(value.column, `${word.key.text} has ${found.length} arguments`, `${count} of them`)
  return found as Six
}

/** `bundle(fields,basis,algorithm,ofport,members:1,2)`; `bundle_load` has the field to load before the members. */
function readBundle(word: Word, reading: Reading, loads: boolean): Action {
  const value = valueOf(word)
  const at = /\b(members|slaves)\s*:/.exec(value.text)
  if (at === null) throw new FlowSyntaxError(value.column, `${word.key.text} has no members`, 'members:PORT,PORT')
  const before = commaParts(slice(value, 0, at.index))
  if (before.length !== (loads ? 5 : 4))
    throw new FlowSyntaxError(
      value.column,
      `${word.key.text} has ${before.length} arguments before its members`,
      `fields,basis,algorithm,ofport${loads ? ',FIELD' : ''}`,
    )
  const [fields, basis, algorithm, kind, to] = before as Six
  oneOf(kind, ['ofport'], 'kind of member')
  const action: BundleAction = {
    type: 'bundle',
    fields: oneOf(fields, HASH_FIELDS, 'hash'),
    basis: parseSmall(basis, UINT16),
    algorithm: oneOf(algorithm, ['active_backup', 'hrw'], 'algorithm'),
    members: commaParts(slice(value, at.index + at[0].length)).map((port) => parsePort(port, reading.options)),
  }
  return loads ? { ...action, to: readPortTarget(to, reading) } : action
}

function readPortTarget(piece: Piece, reading: Reading) {
  const to = readTarget(piece, reading)
  if (to.bits < PORT_BITS)
    throw new FlowSyntaxError(
      piece.column,
      `${piece.text} has ${to.bits} bits`,
      `${PORT_BITS} bits for a port at least`,
    )
  return to
}

/** `check_pkt_larger(LENGTH)->FIELD[BIT]`. */
function readCheckLarger(word: Word, reading: Reading): Action {
  const [before, destination] = sides(valueOf(word))
  const length = before.text.endsWith(')') ? slice(before, 0, before.text.length - 1) : before
  const to = readTarget(destination, reading)
  if (to.bits !== 1)
    throw new FlowSyntaxError(
      destination.column,
      `${destination.text} has ${to.bits} bits`,
      'one bit, as NXM_NX_REG0[0]',
    )
  return { type: 'check_pkt_larger', length: parseSmall(length, UINT16), to }
}

/** `sample(probability=…,collector_set_id=…,obs_domain_id=…,obs_point_id=…,sampling_port=…,ingress)`. */
function readSample(word: Word, { options }: Reading): Action {
  const sample: SampleAction = {
    type: 'sample',
    probability: 0,
    collectorSet: 0,
    observationDomain: 0,
    observationPoint: 0,
  }
  const number = (name: 'collectorSet' | 'observationDomain' | 'observationPoint') => (option: Word) => {
    sample[name] = parseSmall(valueOf(option), UINT32)
  }
  readOptions(valueOrNothing(word), 'sample', {
    probability: (option) => {
      sample.probability = parseSmall(valueOf(option), UINT16)
    },
    collector_set_id: number('collectorSet'),
    obs_domain_id: number('observationDomain'),
    obs_point_id: number('observationPoint'),
    sampling_port: (option) => {
      sample.samplingPort = parsePort(valueOf(option), options)
    },
    ingress: () => {
      sample.direction = 'ingress'
    },
    egress: () => {
      sample.direction = 'egress'
    },
  })
  if (sample.probability === 0)
    throw new FlowSyntaxError(word.key.column, 'sample has no probability', `probability=1 to ${UINT16}`)
  return sample
}

function readFinTimeout(word: Word): Action {
  const timeouts = { idleTimeout: 0, hardTimeout: 0 }
  readOptions(valueOrNothing(word), 'fin_timeout', {
    idle_timeout: (option) => {
      timeouts.idleTimeout = parseSmall(valueOf(option), UINT16)
    },
    hard_timeout: (option) => {
      timeouts.hardTimeout = parseSmall(valueOf(option), UINT16)
    },
  })
  return { type: 'fin_timeout', ...timeouts }
}

/** `conjunction(ID,CLAUSE/CLAUSES)`. */
function readConjunction(word: Word): Action {
  const value = valueOf(word)
  const found = /^\s*(\w+)\s*,\s*(\w+)\s*\/\s*(\w+)\s*$/.exec(value.text)
  if (found === null)
    throw new FlowSyntaxError(value.column, `'${value.text}' is no clause`, 'conjunction(ID,CLAUSE/CLAUSES)')
  const [id, clause, clauses] = found
    .slice(1)
    .map((text) => Number(parseNumber({ text, column: value.column }, BigInt(UINT32)))) as [number, number, number]
  if (clauses < 2 || clauses > MAX_CLAUSES || clause < 1 || clause > clauses)
    throw new FlowSyntaxError(
      value.column,
      `${clause} of ${clauses} is no clause`,
      `1/2 to ${MAX_CLAUSES}/${MAX_CLAUSES}`,
    )
  return { type: 'conjunction', id, clause, clauses }
}
