// The match of a flow, word by word. What a word means may hang on the protocol, which may be named after it (`tp_dst=80,tcp`):
// so protocols are read first.

import type { Field } from '../fields.ts'
import { FIELDS, fieldNamed, fieldOf } from '../fields.ts'
import type { FieldMatch, Match } from '../match.ts'
import { EtherType, IpProtocol, missingBeside } from '../match.ts'
import { parseNumber } from './numbers.ts'
import type { FlowTextOptions } from './ports.ts'
import { PROTOCOL_NAMES } from './protocol-names.ts'
import { agreed, narrowed } from './registers.ts'
import { suggestion } from './suggestion.ts'
import { FlowSyntaxError } from './syntax-error.ts'
import { parseMasked } from './values.ts'
import type { TagBits } from './vlan.ts'
import { bitsOf, combineTagBits, contradict, priorityBits, tagMatch, untaggedBits, vlanBits } from './vlan.ts'
import type { Piece, Word } from './words.ts'
import { valueOf } from './words.ts'

const TAG_KEYWORDS = new Set(['dl_vlan', 'dl_vlan_pcp', 'vlan_pcp', 'vlan_vid', 'vlan_tci'])
const PROTOCOL_KEYWORDS = new Set(['dl_type', 'eth_type', 'nw_proto', 'ip_proto'])
/** Keywords whose field hangs on the protocol, or whose value is written unlike the field's. */
const SPECIAL_KEYWORDS = ['dl_vlan', 'tp_src', 'tp_dst', 'icmp_type', 'icmp_code', 'nw_tos']
const NO_VLAN = 0xffffn
const NO_FIELD_EXPECTED = 'a match field, a protocol or a property of the flow'

/** Every keyword that a match may have. */
export const matchKeywords = (): string[] => [
  ...FIELDS.flatMap((field) => [field.name, ...field.aliases]),
  ...PROTOCOL_NAMES.keys(),
  ...SPECIAL_KEYWORDS,
]

/**
 * The match that `words` ask for, fields in the order of fields.ts, each in its one form (see vlan.ts for tags).
 * @throws FlowSyntaxError
 */
export function readMatch(
  words: readonly Word[],
  options: FlowTextOptions,
  otherKeywords: Iterable<string> = [],
): Match {
  const reader = new MatchReader(options, [...otherKeywords])
  for (const word of words) reader.readProtocol(word)
  for (const word of words) reader.read(word)
  return reader.match()
}

class MatchReader {
  readonly #options: FlowTextOptions
  readonly #otherKeywords: readonly string[]
  readonly #parts = new Map<string, FieldMatch>()
  /** The word that asked for each field, to blame. */
  readonly #asked = new Map<string, Piece>()
  #tag: TagBits | undefined

  constructor(options: FlowTextOptions, otherKeywords: readonly string[]) {
    this.#options = options
    this.#otherKeywords = otherKeywords
  }

  /** Takes in `tcp`, `dl_type=0x800`, `nw_proto=6`; leaves every other word alone. */
  readProtocol(word: Word): void {
    const name = PROTOCOL_NAMES.get(word.key.text)
    if (name !== undefined && word.value === undefined) {
      this.#set({ field: 'eth_type', value: BigInt(name.etherType) }, word.key)
      if (name.protocol !== undefined) this.#set({ field: 'nw_proto', value: BigInt(name.protocol) }, word.key)
    } else if (PROTOCOL_KEYWORDS.has(word.key.text)) {
      const field = fieldNamed(word.key.text)!
      this.#set({ field: field.name, value: parseNumber(valueOf(word), field.ones) }, word.key)
    }
  }

  read(word: Word): void {
    const keyword = word.key.text
    if (PROTOCOL_NAMES.has(keyword) || PROTOCOL_KEYWORDS.has(keyword)) return this.#refuseValue(word)
    if (TAG_KEYWORDS.has(keyword)) return this.#addTag(word)
    if (keyword === 'nw_tos') return this.#set({ field: 'ip_dscp', value: parseTos(valueOf(word)) }, word.key)
    const field = this.#fieldFor(word)
    const part = { field: field.name, ...parseMasked(field, valueOf(word), this.#options) }
    for (const narrow of narrowed(part)) if (narrow.mask !== 0n) this.#set(narrow, word.key)
  }

  match(): Match {
    const found = this.#tag === undefined ? [] : tagMatch(this.#tag)
    const parts = [...this.#parts.values(), ...found]
    const match = FIELDS.flatMap((field) => parts.filter((part) => part.field === field.name))
    for (const [name, asked] of this.#asked) requirePrerequisite(fieldNamed(name), match, asked)
    return match
  }

  #refuseValue(word: Word): void {
    if (PROTOCOL_NAMES.has(word.key.text) && word.value !== undefined) {
      throw new FlowSyntaxError(word.value.column, `${word.key.text} takes no value`, 'the keyword alone')
    }
  }

  #set(part: FieldMatch, asked: Piece): void {
    const earlier = this.#parts.get(part.field)
    const both = earlier === undefined ? part : agreed(earlier, part)
    if (both === undefined) {
      throw new FlowSyntaxError(
        asked.column,
        `${asked.text} gives ${part.field} a second value`,
        'one value for each field',
      )
    }
    this.#parts.set(part.field, both)
    this.#asked.set(part.field, asked)
  }

  #addTag(word: Word): void {
    const bits = readTag(word, this.#options)
    if (bits.mask === 0n) return
    if (this.#tag !== undefined && contradict(this.#tag, bits)) {
      throw new FlowSyntaxError(
        word.key.column,
        `${word.key.text} contradicts what was said of the tag before`,
        'one value for each bit',
      )
    }
    this.#tag = this.#tag === undefined ? bits : combineTagBits(this.#tag, bits)
  }

  #fieldFor(word: Word): Field {
    const keyword = word.key.text
    if (keyword === 'tp_src' || keyword === 'tp_dst') return transportField(keyword, this.#protocol(), word.key)
    if (keyword === 'icmp_type' || keyword === 'icmp_code')
      return fieldOf(this.#isIpv6() ? `icmpv6_${keyword.slice(5) as 'type'}` : keyword)
    const field = fieldNamed(keyword)
    if (field === undefined) throw this.#unknown(word)
    if (field.name === 'nw_src' && this.#isArp()) return fieldOf('arp_spa')
    if (field.name === 'nw_dst' && this.#isArp()) return fieldOf('arp_tpa')
    return field
  }

  #unknown(word: Word): FlowSyntaxError {
    const { text, column } = word.key
    const meant = suggestion(text, [...matchKeywords(), ...this.#otherKeywords])
    return new FlowSyntaxError(
      column,
      text === '' ? 'a keyword is missing' : `unknown keyword '${text}'`,
      NO_FIELD_EXPECTED,
      meant,
    )
  }

  #protocol = () => this.#parts.get('nw_proto')?.value
  #isIpv6 = () => this.#parts.get('eth_type')?.value === BigInt(EtherType.Ipv6)
  #isArp = () => [EtherType.Arp, EtherType.Rarp].some((type) => this.#parts.get('eth_type')?.value === BigInt(type))
}

/** The ports' field for TCP, UDP or SCTP. */
export function transportField(keyword: 'tp_src' | 'tp_dst', protocol: bigint | undefined, asked: Piece): Field {
  const side = keyword === 'tp_src' ? 'src' : 'dst'
  if (protocol === BigInt(IpProtocol.Tcp)) return fieldOf(`tcp_${side}`)
  if (protocol === BigInt(IpProtocol.Udp)) return fieldOf(`udp_${side}`)
  if (protocol === BigInt(IpProtocol.Sctp)) return fieldOf(`sctp_${side}`)
  throw missing(asked, 'tcp, udp or sctp')
}

/** `field` in a match, asked for by the word `asked`. */
function requirePrerequisite(field: Field | undefined, match: Match, asked: Piece): void {
  const wanted = field === undefined ? undefined : missingBeside(field, match)
  if (wanted !== undefined) throw missing(asked, wanted)
}

const missing = (asked: Piece, wanted: string) =>
  new FlowSyntaxError(asked.column, `${asked.text} needs ${wanted} beside it`, `${wanted} in the match`)

/** DSCP as the octet's upper six bits; ECN has a keyword of its own. */
export function parseTos(piece: Piece): bigint {
  const tos = parseNumber(piece, 255n)
  if ((tos & 3n) !== 0n)
    throw new FlowSyntaxError(piece.column, `${piece.text} has ECN bits set`, 'a DSCP times four; ECN is nw_ecn')
  return tos >> 2n
}

function readTag(word: Word, options: FlowTextOptions): TagBits {
  const value = valueOf(word)
  switch (word.key.text) {
    case 'dl_vlan':
      return readVlan(value)
    case 'dl_vlan_pcp':
    case 'vlan_pcp':
      return priorityBits(parseNumber(value, 7n))
    default: {
      const field = fieldNamed(word.key.text)!
      return bitsOf({ field: field.name, ...parseMasked(field, value, options) })
    }
  }
}

function readVlan(piece: Piece): TagBits {
  const vid = parseNumber(piece, NO_VLAN)
  if (vid === NO_VLAN) return untaggedBits
  if (vid > 0xfffn)
    throw new FlowSyntaxError(piece.column, `${piece.text} is out of range`, '0 to 4095, or 0xffff for no tag')
  return vlanBits(vid)
}
