// Numbers by which frames are spread: the same for all frames of a flow, and where a rule is symmetric for both its directions.
// Links, members and buckets chosen by the same rule are those that Open vSwitch chooses: its numbers are those of lib/flow.c,
// lib/hash.h and lib/jhash.c on a machine with the least significant octet first and without instructions for checksums.

import type { HashFields } from '../../protocols/control/messages.ts'
import { Word } from '../../protocols/fields.ts'
import { EtherType, IpProtocol } from '../../protocols/match.ts'
import type { Translation } from './translation.ts'

// ---- of words ----------------------------------------------------------------------------------------------------

/** One round of MurmurHash3 (Austin Appleby), 32 bits. */
export function mixed(hash: number, word: number): number {
  const bits = Math.imul(turned(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593)
  return (Math.imul(turned(hash ^ bits, 13), 5) + 0xe6546b64) >>> 0
}

/** The last round: every bit of the answer depends on every bit of what went in. */
export function finished(hash: number): number {
  let bits = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return (bits ^ (bits >>> 16)) >>> 0
}

/** Of two words. */
export const hashOfPair = (one: number, other: number): number => finished(mixed(mixed(one, 0), other) ^ 8)

const turned = (word: number, bits: number) => (word << bits) | (word >>> (32 - bits))

/** A word of network order as it is read off memory. */
export const inMemory = (word: number): number =>
  (((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0

const inMemory16 = (half: number) => ((half & 0xff) << 8) | (half >>> 8)

/** Bob Jenkins' lookup3 of `size` octets: words of network order, and 0 behind the last octet. */
function jenkinsHash(words: readonly number[], size: number, basis: number): number {
  let a = (0xdeadbeef + size + basis) | 0
  let b = a
  let c = a
  const word = (index: number) => inMemory(words[index] ?? 0)
  let at = 0
  for (let left = size; left >= 12; left -= 12, at += 3) {
    a = (a + word(at)) | 0
    b = (b + word(at + 1)) | 0
    c = (c + word(at + 2)) | 0
    ;[a, b, c] = stirred(a, b, c)
  }
  if (size % 12 === 0) return c >>> 0
  return lastStirred((a + word(at)) | 0, (b + word(at + 1)) | 0, (c + word(at + 2)) | 0)
}

function stirred(first: number, second: number, third: number): [number, number, number] {
  let [a, b, c] = [first, second, third]
  a = (a - c) ^ turned(c, 4)
  c = (c + b) | 0
  b = (b - a) ^ turned(a, 6)
  a = (a + c) | 0
  c = (c - b) ^ turned(b, 8)
  b = (b + a) | 0
  a = (a - c) ^ turned(c, 16)
  c = (c + b) | 0
  b = (b - a) ^ turned(a, 19)
  a = (a + c) | 0
  c = (c - b) ^ turned(b, 4)
  b = (b + a) | 0
  return [a, b, c]
}

function lastStirred(first: number, second: number, third: number): number {
  let [a, b, c] = [first, second, third]
  c = ((c ^ b) - turned(b, 14)) | 0
  a = ((a ^ c) - turned(c, 11)) | 0
  b = ((b ^ a) - turned(a, 25)) | 0
  c = ((c ^ b) - turned(b, 16)) | 0
  a = ((a ^ c) - turned(c, 4)) | 0
  b = ((b ^ a) - turned(a, 14)) | 0
  return ((c ^ b) - turned(b, 24)) >>> 0
}

// ---- of frames ---------------------------------------------------------------------------------------------------

const { Tcp, Udp, Sctp } = IpProtocol
const WITHOUT_UDP: readonly number[] = [Tcp, Sctp]
const WITH_UDP: readonly number[] = [Tcp, Udp, Sctp]

/** Open vSwitch's `flow_hash_fields`. Consults the fields that it goes by. */
export function hashOfFields(frame: Translation, fields: HashFields, basis: number): number {
  switch (fields) {
    case 'eth_src': {
      const [high, low] = [frame.read(Word.ethernetSource), frame.read(Word.ethernetSource + 1)]
      return jenkinsHash([(high << 16) | (low >>> 16), low << 16], 6, basis)
    }
    case 'symmetric_l4':
      return hashOfLayers(frame, basis)
    case 'symmetric_l3l4':
      return hashOfPackets(frame, WITHOUT_UDP, basis)
    case 'symmetric_l3l4+udp':
      return hashOfPackets(frame, WITH_UDP, basis)
    case 'symmetric_l3':
      return jenkinsHash([...addressesOf(frame), frame.read(Word.etherType) << 16], 20, basis)
    case 'nw_src':
      return hashOfAddress(frame, Word.ipv4Source, Word.ipv6Source, basis)
    case 'nw_dst':
      return hashOfAddress(frame, Word.ipv4Destination, Word.ipv6Destination, basis)
  }
}

/** Goes by the five-tuple of an IP frame in either direction, and by the stations of any other. */
export const hashOfFlow = (frame: Translation, basis: number): number => hashOfPackets(frame, WITH_UDP, basis)

/** Of stations, VLANs, type, addresses, protocol, and ports but for UDP (`flow_hash_symmetric_l4`). */
function hashOfLayers(frame: Translation, basis: number): number {
  const addresses = addressesOf(frame)
  const protocol = isIp(frame) ? frame.read(Word.protocol) : 0
  const ports = WITHOUT_UDP.includes(protocol) ? bothWays(frame, Word.transportSource, Word.transportDestination) : 0
  const [high, low] = stationsOf(frame)
  const type = (frame.read(Word.etherType) << 16) | vlansOf(frame)
  return jenkinsHash([...addresses, type, (ports << 16) | high, low, protocol << 24], 32, basis)
}

/** Of addresses, protocol and ports; of stations where there are none (`flow_hash_symmetric_l3l4`). */
function hashOfPackets(frame: Translation, withPorts: readonly number[], basis: number): number {
  const type = frame.read(Word.etherType)
  if (type !== EtherType.Ipv4 && type !== EtherType.Ipv6) return hashOfStations(frame, basis)
  const words = type === EtherType.Ipv4 ? 1 : 4
  let hash = addressesOf(frame).slice(0, words).map(inMemory).reduce(mixed, basis)
  const protocol = frame.read(Word.protocol)
  hash = mixed(hash, protocol)
  // Pieces of a datagram stay together: only the first of them has ports.
  if (withPorts.includes(protocol) && frame.read(Word.fragment) === 0)
    hash = mixed(hash, inMemory16(bothWays(frame, Word.transportSource, Word.transportDestination)))
  return finished(hash ^ basis)
}

/** `flow_hash_symmetric_l2`. */
function hashOfStations(frame: Translation, basis: number): number {
  if (frame.bare) return 0
  const [high, low] = stationsOf(frame)
  const type = (frame.read(Word.etherType) << 16) | vlansOf(frame)
  const words = [type, (high << 16) | (low >>> 16), low << 16]
  return finished(words.map(inMemory).reduce(mixed, basis) ^ basis)
}

function hashOfAddress(frame: Translation, ipv4: number, ipv6: number, basis: number): number {
  const type = frame.read(Word.etherType)
  if (type === EtherType.Ipv4) return jenkinsHash([frame.read(ipv4)], 4, basis)
  if (type !== EtherType.Ipv6) return basis
  return jenkinsHash(
    [0, 1, 2, 3].map((word) => frame.read(ipv6 + word)),
    16,
    basis,
  )
}

const isIp = (frame: Translation) => {
  const type = frame.read(Word.etherType)
  return type === EtherType.Ipv4 || type === EtherType.Ipv6
}

const bothWays = (frame: Translation, source: number, destination: number) =>
  (frame.read(source) ^ frame.read(destination)) >>> 0

const stationsOf = (frame: Translation) => [
  bothWays(frame, Word.ethernetSource, Word.ethernetDestination),
  bothWays(frame, Word.ethernetSource + 1, Word.ethernetDestination + 1),
]

const vlansOf = (frame: Translation) => frame.tags.reduce((vlans, tag) => vlans ^ (tag & 0x0fff), 0)

/** Four words: the addresses of an IP frame laid over each other. */
function addressesOf(frame: Translation): number[] {
  const type = frame.read(Word.etherType)
  if (type === EtherType.Ipv4) return [bothWays(frame, Word.ipv4Source, Word.ipv4Destination), 0, 0, 0]
  if (type !== EtherType.Ipv6) return [0, 0, 0, 0]
  return [0, 1, 2, 3].map((word) => bothWays(frame, Word.ipv6Source + word, Word.ipv6Destination + word))
}
