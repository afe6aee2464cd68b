// Numbers by which frames are spread: the same for all frames of a flow, and where a rule is symmetric for both its directions.
// Which fields count is Open vSwitch's (`flow_hash_fields`, lib/flow.c); the numbers themselves are ours.

import type { HashFields } from '../../protocols/control/messages.ts'
import { Word } from '../../protocols/fields.ts'
import { EtherType, IpProtocol } from '../../protocols/match.ts'
import type { Translation } from './translation.ts'

/** One round of MurmurHash3 (Austin Appleby), 32 bits. */
export function mixed(hash: number, word: number): number {
  let bits = Math.imul(word, 0xcc9e2d51)
  bits = Math.imul((bits << 15) | (bits >>> 17), 0x1b873593)
  const next = hash ^ bits
  return (Math.imul((next << 13) | (next >>> 19), 5) + 0xe6546b64) >>> 0
}

/** The last round: every bit of the answer depends on every bit of what went in. */
export function finished(hash: number): number {
  let bits = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return (bits ^ (bits >>> 16)) >>> 0
}

interface Rule {
  /** Ethernet addresses, type and VLANs. */
  ethernet: boolean
  /** IP protocols whose ports count. */
  ports: readonly number[]
}

const { Tcp, Udp, Sctp } = IpProtocol
const SYMMETRIC: Partial<Record<HashFields, Rule>> = {
  symmetric_l4: { ethernet: true, ports: [Tcp, Sctp] },
  symmetric_l3l4: { ethernet: false, ports: [Tcp, Sctp] },
  'symmetric_l3l4+udp': { ethernet: false, ports: [Tcp, Udp, Sctp] },
  symmetric_l3: { ethernet: false, ports: [] },
}
const FLOW: Rule = { ethernet: false, ports: [Tcp, Udp, Sctp] }
const STATION: Rule = { ethernet: true, ports: [] }

/** Consults the fields that it goes by. */
export function hashOfFields(frame: Translation, fields: HashFields, basis: number): number {
  const rule = SYMMETRIC[fields]
  if (rule !== undefined) return symmetricHash(frame, rule, basis)
  switch (fields) {
    case 'nw_src':
      return finished(mixedWords(frame, addressWords(frame, Word.ipv4Source, Word.ipv6Source), basis))
    case 'nw_dst':
      return finished(mixedWords(frame, addressWords(frame, Word.ipv4Destination, Word.ipv6Destination), basis))
    default:
      return finished(mixedWords(frame, [Word.ethernetSource, Word.ethernetSource + 1], basis))
  }
}

/** Goes by the five-tuple of an IP frame in either direction, and by the stations of any other. */
export function hashOfFlow(frame: Translation, basis: number): number {
  return symmetricHash(frame, isIp(frame) ? FLOW : STATION, basis)
}

function symmetricHash(frame: Translation, { ethernet, ports }: Rule, basis: number): number {
  let hash = basis
  if (ethernet) {
    hash = mixedPairs(frame, Word.ethernetSource, Word.ethernetDestination, 2, hash)
    hash = mixed(hash, frame.read(Word.etherType))
    for (const tag of frame.tags) hash = mixed(hash, tag & 0x0fff)
  }
  const type = frame.read(Word.etherType)
  if (type === EtherType.Ipv4) hash = mixedPairs(frame, Word.ipv4Source, Word.ipv4Destination, 1, hash)
  else if (type === EtherType.Ipv6) hash = mixedPairs(frame, Word.ipv6Source, Word.ipv6Destination, 4, hash)
  else return finished(hash)
  const protocol = frame.read(Word.protocol)
  hash = mixed(hash, protocol)
  // Pieces of a datagram stay together: only the first of them has ports.
  if (ports.includes(protocol) && frame.read(Word.fragment) === 0)
    hash = mixedPairs(frame, Word.transportSource, Word.transportDestination, 1, hash)
  return finished(hash)
}

const isIp = (frame: Translation) => {
  const type = frame.read(Word.etherType)
  return type === EtherType.Ipv4 || type === EtherType.Ipv6
}

function mixedPairs(frame: Translation, source: number, destination: number, words: number, basis: number): number {
  let hash = basis
  for (let word = 0; word < words; word++)
    hash = mixed(hash, frame.read(source + word) ^ frame.read(destination + word))
  return hash
}

const mixedWords = (frame: Translation, words: readonly number[], basis: number) =>
  words.reduce((hash, word) => mixed(hash, frame.read(word)), basis)

function addressWords(frame: Translation, ipv4: number, ipv6: number): number[] {
  const type = frame.read(Word.etherType)
  if (type === EtherType.Ipv4) return [ipv4]
  return type === EtherType.Ipv6 ? [ipv6, ipv6 + 1, ipv6 + 2, ipv6 + 3] : []
}
