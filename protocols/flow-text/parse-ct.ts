// `ct(…)` and its `nat(…)`: ovs-actions(7), THE CT ACTION.

import { parseIpv4, parseIpv6 } from '../address.ts'
import type { Action, CtAction, NatAction, Subfield } from '../control/messages.ts'
import { APPLICATION_GATEWAYS, LAST_TABLE } from '../control/messages.ts'
import { InvalidField } from '../errors.ts'
import { lackingFor } from '../known-frame.ts'
import { parseSmall, UINT16 } from './numbers.ts'
import { readSource } from './parse-writes.ts'
import type { Reading } from './reading.ts'
import { oneOf, readOptions, refuseLacking } from './reading.ts'
import { FlowSyntaxError } from './syntax-error.ts'
import type { Piece, Word } from './words.ts'
import { cutAt, slice, valueOf, valueOrNothing } from './words.ts'

const ZONE_BITS = 16

export type ListReader = (piece: Piece, reading: Reading) => Action[]

/** `ct(commit,force,zone=…,table=…,alg=…,nat…,exec(…))`; `readList` reads what stands in `exec`. */
export function readCt(word: Word, reading: Reading, readList: ListReader): Action {
  const inCt: Reading = { ...reading, inside: 'ct' }
  const ct: CtAction = { type: 'ct', commit: false, force: false, zone: 0, alg: 0, actions: [] }
  readOptions(valueOrNothing(word), 'ct', {
    commit: () => {
      ct.commit = true
    },
    force: () => {
      ct.force = true
    },
    table: (option) => {
      ct.table = parseSmall(valueOf(option), LAST_TABLE)
    },
    zone: (option) => {
      ct.zone = readZone(valueOf(option), reading)
    },
    alg: (option) => {
      ct.alg = APPLICATION_GATEWAYS[oneOf(valueOf(option), ['ftp', 'tftp'], 'gateway')]
    },
    nat: (option) => {
      ct.actions.push(readNat(option, inCt))
    },
    exec: (option) => {
      ct.actions.push(...readList(valueOrNothing(option), inCt))
    },
  })
  requireCommit(ct, word.key)
  return ct
}

/** What is said of a connection is said as it is committed. */
function requireCommit(ct: CtAction, asked: Piece): void {
  if (ct.commit) return
  const changes = ct.actions.some((action) => action.type !== 'nat' || action.direction !== undefined)
  if (ct.force || changes)
    throw new FlowSyntaxError(asked.column, `ct has ${ct.force ? 'force' : 'actions'} without commit`, 'ct(commit,…)')
}

function readZone(piece: Piece, reading: Reading): number | Subfield {
  if (/^\d/.test(piece.text)) return parseSmall(piece, UINT16)
  const zone = readSource(piece, reading)
  if (zone.bits !== ZONE_BITS)
    throw new FlowSyntaxError(piece.column, `${piece.text} has ${zone.bits} bits`, `${ZONE_BITS} bits for a zone`)
  return zone
}

/** `nat`, `nat(src=10.0.0.1-10.0.0.9:1000-2000,random,persistent)`. */
export function readNat(word: Word, reading: Reading): NatAction {
  if (reading.inside !== 'ct') throw new FlowSyntaxError(word.key.column, 'nat stands outside of ct', 'ct(…,nat(…))')
  const nat: NatAction = { type: 'nat' }
  let mode: Piece | undefined
  const towards = (direction: 'src' | 'dst') => (option: Word) => {
    if (nat.direction !== undefined)
      throw new FlowSyntaxError(option.key.column, 'nat has two directions', 'either src or dst')
    nat.direction = direction
    if (option.value !== undefined) Object.assign(nat, parseRange(option.value))
  }
  const choosing = (algorithm: 'hash' | 'random') => (option: Word) => {
    if (nat.algorithm !== undefined && nat.algorithm !== algorithm)
      throw new FlowSyntaxError(option.key.column, 'nat has both hash and random', 'one of them')
    nat.algorithm = algorithm
    mode = option.key
  }
  readOptions(valueOrNothing(word), 'nat', {
    src: towards('src'),
    dst: towards('dst'),
    hash: choosing('hash'),
    random: choosing('random'),
    persistent: (option) => {
      nat.persistent = true
      mode = option.key
    },
  })
  if (mode !== undefined && nat.direction === undefined)
    throw new FlowSyntaxError(mode.column, `${mode.text} stands without src or dst`, 'src or dst')
  if (reading.known !== undefined) refuseLacking(word.key, lackingFor(nat, reading.known))
  return nat.addresses === undefined ? withoutModes(nat) : nat
}

/** There is nothing to choose from: Open vSwitch forgets how to. */
const withoutModes = ({ direction }: NatAction): NatAction => ({ type: 'nat', ...(direction && { direction }) })

/** `10.0.0.1`, `10.0.0.1-10.0.0.9:1000-2000`, `[::1]-[::9]:80`. */
function parseRange(piece: Piece): Pick<NatAction, 'addresses' | 'ports'> {
  const [addresses, ports] = splitPorts(piece)
  const [first, last] = cutAt(addresses, '-') ?? [addresses, addresses]
  const family = addresses.text.includes('.') && !addresses.text.includes(':') ? 4 : 6
  const range = { family, first: parseAddress(first, family), last: parseAddress(last, family) } as const
  if (range.last < range.first) throw backwards(addresses)
  if (ports === undefined) return { addresses: range }
  const [from, to] = cutAt(ports, '-') ?? [ports, ports]
  const portRange = { first: parseSmall(from, UINT16), last: parseSmall(to, UINT16) }
  if (portRange.last < portRange.first) throw backwards(ports)
  return portRange.last === 0 ? { addresses: range } : { addresses: range, ports: portRange }
}

/** An IPv6 address with ports behind it stands in square brackets. */
function splitPorts(piece: Piece): [Piece, Piece | undefined] {
  const { text } = piece
  const bare = text.includes('[') ? text.lastIndexOf(']:') + 1 : text.includes('.') ? text.lastIndexOf(':') : 0
  return bare > 0 ? [slice(piece, 0, bare), slice(piece, bare + 1)] : [piece, undefined]
}

/** Characters of an address. */
const LONGEST_ADDRESS = 64

function parseAddress(piece: Piece, family: 4 | 6): bigint {
  const text = piece.text.startsWith('[') && piece.text.endsWith(']') ? piece.text.slice(1, -1) : piece.text
  try {
    if (text.length > LONGEST_ADDRESS) throw new InvalidField('nat', 'too long', 'an address')
    return family === 4 ? BigInt(parseIpv4(text)) : parseIpv6(text)
  } catch (error) {
    if (!(error instanceof InvalidField)) throw error
    throw new FlowSyntaxError(piece.column, `'${piece.text}' is not an address`, 'as 10.0.0.1-10.0.0.9:1000-2000')
  }
}

const backwards = (piece: Piece) => new FlowSyntaxError(piece.column, `${piece.text} runs backwards`, 'FIRST-LAST')
