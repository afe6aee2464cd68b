// What a few hosts say to each other across a connection tracker, drawn from a seed: conversations in TCP, UDP, ICMP and SCTP
// that mostly go on as they should, ICMP errors about them, fragments, and damaged frames.

import { parseIpv4, parseIpv6 } from '../../protocols/address.ts'
import { internetChecksum } from '../../protocols/checksum.ts'
import { EtherType, IpProtocol } from '../../protocols/match.ts'
import {
  icmpEchoFrame,
  icmpv6EchoFrame,
  ipFrame,
  sctpFrame,
  tcpFrame,
  udpFrame,
} from '../../protocols/packet/compose.ts'
import { TcpFlag } from '../../protocols/packet/tcp.ts'
import type { Random } from '../../runtime/random.ts'
import { oneOf, randomBytes } from './frames.ts'

export type Address = number | bigint

/** The sides of the tracker: 0 is where most conversations begin. */
export type Side = 0 | 1

export interface Saying {
  side: Side
  bytes: Uint8Array
  /** Of which conversation it is, if of any. */
  conversation?: Conversation
}

/** How the host of one side sees a conversation: whom it takes itself and the other for. */
interface View {
  source: Address
  destination: Address
  sourcePort: number
  destinationPort: number
}

interface Conversation {
  /** Counted from 0. */
  number: number
  protocol: number
  views: [View, View]
  /** Next sequence numbers, and how many frames have been said. */
  sequences: [number, number]
  said: number
}

const ETHERNET = { ethSrc: 0x020000000001n, ethDst: 0x020000000002n }

export const HOSTS = {
  4: [
    [parseIpv4('10.0.0.1'), parseIpv4('10.0.0.2')],
    [parseIpv4('10.0.1.1'), parseIpv4('10.0.1.2')],
  ],
  6: [
    [parseIpv6('fd00::1'), parseIpv6('fd00::2')],
    [parseIpv6('fd01::1'), parseIpv6('fd01::2')],
  ],
} as const

const PROTOCOLS = [IpProtocol.Tcp, IpProtocol.Tcp, IpProtocol.Tcp, IpProtocol.Udp, IpProtocol.Udp, 0, IpProtocol.Sctp]
const STEADY_PROTOCOLS = PROTOCOLS.filter((protocol) => protocol !== IpProtocol.Sctp)
const { Fin, Syn, Rst, Psh, Ack } = TcpFlag
/** Whose turn it is and what is said, from the opening to the end. */
const SCRIPT: readonly (readonly [Side, number, number])[] = [
  [0, Syn, 0],
  [1, Syn | Ack, 0],
  [0, Ack, 0],
  [0, Psh | Ack, 30],
  [1, Psh | Ack, 200],
  [0, Ack, 0],
  [1, Fin | Ack, 0],
  [0, Ack, 0],
  [0, Fin | Ack, 0],
  [1, Ack, 0],
]
const SCALE = 3

interface TrafficOptions {
  /** How much ICMP errors quote: as little as they may, whole transport headers at least, or there are none. */
  quotes?: 'any' | 'long' | 'none'
  /** Long datagrams come in fragments. */
  fragments?: boolean
  /** Some fragments come twice. */
  repeats?: boolean
  /**
   * What is said hangs on no choice of a translator's: no frame is damaged, an echo conversation has one identifier, and of SCTP,
   * whose connections are told apart by addresses alone, there is none.
   */
  steady?: boolean
}

export class Traffic {
  readonly #random: Random
  readonly #family: 4 | 6
  readonly #quotes: 'any' | 'long' | 'none'
  readonly #cuts: boolean
  readonly #repeats: boolean
  readonly #steady: boolean
  readonly #conversations: Conversation[] = []
  readonly #heard: { side: Side; bytes: Uint8Array }[] = []

  constructor(
    random: Random,
    family: 4 | 6,
    { quotes = 'any', fragments = true, repeats = true, steady = false }: TrafficOptions = {},
  ) {
    this.#random = random
    this.#family = family
    this.#quotes = quotes
    this.#cuts = fragments
    this.#repeats = repeats
    this.#steady = steady
  }

  /** One or, where a datagram is fragmented, several frames. */
  next(): Saying[] {
    const luck = this.#random.fraction()
    if (luck < 0.08 && this.#quotes !== 'none' && this.#heard.length > 0) return [this.#error()]
    const saying = this.#say()
    if (!this.#steady && luck < 0.14 && this.#random.fraction() < 0.5) return [this.#damaged(saying)]
    return this.#cuts && saying.bytes.length > 1000 ? this.#fragments(saying) : [saying]
  }

  /** What has come through the tracker: the other side answers to that. */
  heard({ side, conversation }: Saying, bytes: Uint8Array): void {
    if (!conversation) return
    const other = side === 0 ? 1 : 0
    this.#heard.push({ side: other, bytes: bytes.slice() })
    const seen = viewOf(bytes)
    if (seen) conversation.views[other] = seen
  }

  #chance(probability: number): boolean {
    return this.#random.fraction() < probability
  }

  #say(): Saying {
    const isNew = this.#conversations.length === 0 || this.#chance(0.12)
    const conversation = isNew ? this.#begin() : oneOf(this.#random, this.#conversations)
    return conversation.protocol === IpProtocol.Tcp ? this.#segment(conversation) : this.#datagram(conversation)
  }

  #begin(): Conversation {
    const random = this.#random
    const [near, far] = HOSTS[this.#family]
    const view: View = {
      source: oneOf<Address>(random, near),
      destination: oneOf<Address>(random, far),
      sourcePort: oneOf(random, [300, 700, 40000, 40001]),
      destinationPort: oneOf(random, [80, 443]),
    }
    const protocol = oneOf(random, this.#steady ? STEADY_PROTOCOLS : PROTOCOLS)
    const sequences: [number, number] = [random.uint32(), random.uint32()]
    const number = this.#conversations.length
    const conversation: Conversation = { number, protocol, views: [view, opposite(view)], sequences, said: 0 }
    this.#conversations.push(conversation)
    return conversation
  }

  #segment(conversation: Conversation): Saying {
    const random = this.#random
    const scripted = this.#chance(0.8)
    const step = SCRIPT[conversation.said % SCRIPT.length]!
    const side = scripted ? step[0] : (random.below(2) as Side)
    const flags = scripted
      ? step[1]
      : oneOf(random, [Syn, Syn | Ack, Ack, Fin | Ack, Rst, Rst | Ack, 0, random.below(256)])
    const length = scripted ? step[2] : oneOf(random, [0, 0, 10, 500])
    if (scripted) conversation.said++
    const [own, other] = side === 0 ? [0, 1] : ([1, 0] as const)
    const sequence = conversation.sequences[own]! + this.#noise()
    const acknowledgement = (flags & Ack) === 0 ? 0 : conversation.sequences[other]! + this.#noise()
    if (scripted) conversation.sequences[own]! += length + ((flags & (Syn | Fin)) === 0 ? 0 : 1)
    const isSyn = (flags & Syn) !== 0
    const bytes = tcpFrame({
      ...ETHERNET,
      ...this.#ends(conversation, side),
      flags,
      sequence: sequence >>> 0,
      acknowledgement: acknowledgement >>> 0,
      // A multiple of every scale: from what it has rounded up, Open vSwitch makes a window of 0 where the other end offers no scale.
      window: oneOf(random, [0, 1000, 0xfff8]),
      options:
        isSyn && this.#chance(0.5)
          ? [
              { kind: 1, data: new Uint8Array(0) },
              { kind: 3, data: new Uint8Array([SCALE]) },
            ]
          : [],
      payload: randomBytes(random, length),
    })
    return { side, bytes, conversation }
  }

  /** Mostly none. */
  #noise(): number {
    if (this.#chance(0.85)) return 0
    return oneOf(this.#random, [1, -1, 100, -100, 70000, -70000, 1 << 30, this.#random.uint32()])
  }

  #datagram(conversation: Conversation): Saying {
    const random = this.#random
    const side: Side = conversation.said++ === 0 || this.#chance(0.5) ? 0 : 1
    const ends = { ...ETHERNET, ...this.#ends(conversation, side) }
    const payload = randomBytes(random, this.#chance(0.15) ? 1000 + random.below(400) : random.below(40))
    if (conversation.protocol === IpProtocol.Udp) return { side, bytes: udpFrame({ ...ends, payload }), conversation }
    if (conversation.protocol === IpProtocol.Sctp) return { side, bytes: sctpFrame({ ...ends, payload }), conversation }
    const echo = {
      identifier: this.#steady ? conversation.number + 1 : 1 + random.below(3),
      sequence: 1,
      reply: side === 1,
      payload,
    }
    const { ipSrc, ipDst, identification } = ends
    const bytes =
      typeof ipSrc === 'number'
        ? icmpEchoFrame({ ...ETHERNET, ...echo, identification, ipSrc, ipDst: Number(ipDst) })
        : icmpv6EchoFrame({ ...ETHERNET, ...echo, ipSrc, ipDst: BigInt(ipDst) })
    return { side, bytes, conversation }
  }

  #ends({ views }: Conversation, side: Side) {
    const { source, destination, sourcePort, destinationPort } = views[side]
    const identification = this.#random.below(0x10000)
    return { ipSrc: source, ipDst: destination, srcPort: sourcePort, dstPort: destinationPort, identification }
  }

  /** An error about something that was heard, from the one who heard it or from a router. */
  #error(): Saying {
    const random = this.#random
    const { side, bytes } = oneOf(random, this.#heard)
    const least = (this.#family === 4 ? 20 : 40) + (this.#quotes === 'long' ? 20 : 8)
    const quoted = bytes.subarray(
      14,
      14 + least + oneOf(random, this.#quotes === 'long' ? [0, 20] : [-1, 0, 0, 12, 20, 40]),
    )
    const header = new Uint8Array(8)
    header[0] = this.#family === 4 ? oneOf(random, [3, 11, 12, 4, 5]) : oneOf(random, [1, 2, 3, 4])
    header[1] = random.below(3)
    const view = viewOf(bytes)
    const [source, destination] = view ? [view.source, view.destination] : HOSTS[this.#family][0]
    const router = this.#family === 4 ? parseIpv4('10.0.7.7') : parseIpv6('fd07::7')
    const protocol = this.#family === 4 ? IpProtocol.Icmp : IpProtocol.Icmpv6
    const segment = Uint8Array.of(...header, ...quoted)
    const ends = { ipSrc: this.#chance(0.5) ? router : source!, ipDst: destination! }
    return { side, bytes: ipFrame({ ...ETHERNET, ...ends, protocol, segment }) }
  }

  /** A byte behind the Ethernet header is another, or the end is missing. */
  #damaged(saying: Saying): Saying {
    const { bytes, side } = saying
    if (this.#chance(0.3)) return { side, bytes: bytes.subarray(0, 14 + this.#random.below(bytes.length - 14)) }
    const damaged = bytes.slice()
    const at = 14 + this.#random.below(Math.min(bytes.length - 14, 60))
    // No fragment of a datagram that never gets whole.
    if (at === 20 || at === 21) return saying
    damaged[at]! ^= 1 << this.#random.below(8)
    return { side, bytes: damaged }
  }

  /** Of at least 400 bytes of IP but for the last; all of them, in any order, and some twice. */
  #fragments(saying: Saying): Saying[] {
    const size = oneOf(this.#random, [404, 424, 600])
    const bytes =
      this.#family === 4 ? fragments4(saying.bytes, size) : fragments6(saying.bytes, size, this.#random.uint32())
    const sayings = bytes.map((fragment) => ({ ...saying, bytes: fragment }))
    if (this.#chance(0.5)) sayings.sort(() => this.#random.fraction() - 0.5)
    if (this.#repeats && this.#chance(0.2)) sayings.splice(1, 0, sayings[0]!)
    return sayings
  }
}

const opposite = (view: View): View => ({
  source: view.destination,
  destination: view.source,
  sourcePort: view.destinationPort,
  destinationPort: view.sourcePort,
})

/** How the one who hears this frame sees itself and who sent it; undefined where that can't be told. */
function viewOf(bytes: Uint8Array): View | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const isV4 = view.getUint16(12) === EtherType.Ipv4
  const transport = isV4 ? 34 : 54
  if (bytes.length < transport + 4 || (isV4 && (view.getUint16(20) & 0x1fff) !== 0)) return undefined
  if (!isV4 && view.getUint8(20) === 44) return undefined
  const address = (at: number): Address =>
    isV4 ? view.getUint32(at) : (view.getBigUint64(at) << 64n) | view.getBigUint64(at + 8)
  return {
    source: address(isV4 ? 30 : 38),
    destination: address(isV4 ? 26 : 22),
    sourcePort: view.getUint16(transport + 2),
    destinationPort: view.getUint16(transport),
  }
}

/** The frame's IPv4 packet in fragments of at most `size` bytes; RFC 791 §2.3. */
export function fragments4(bytes: Uint8Array, size: number): Uint8Array[] {
  const HEADERS = 34
  const step = (size - 20) & ~7
  const pieces: Uint8Array[] = []
  for (let at = HEADERS; at < bytes.length; at += step) {
    const payload = bytes.subarray(at, at + step)
    const piece = Uint8Array.of(...bytes.subarray(0, HEADERS), ...payload)
    const view = new DataView(piece.buffer)
    view.setUint16(16, piece.length - 14)
    view.setUint16(20, ((at - HEADERS) >> 3) | (at + step < bytes.length ? 0x2000 : 0))
    view.setUint16(24, 0)
    view.setUint16(24, internetChecksum(piece, 14, 20))
    pieces.push(piece)
  }
  return pieces
}

/** The same for IPv6 without extension headers; RFC 8200 §4.5. */
export function fragments6(bytes: Uint8Array, size: number, identification: number): Uint8Array[] {
  const HEADERS = 54
  const step = (size - 48) & ~7
  const pieces: Uint8Array[] = []
  for (let at = HEADERS; at < bytes.length; at += step) {
    const payload = bytes.subarray(at, at + step)
    const piece = Uint8Array.of(...bytes.subarray(0, HEADERS), ...new Uint8Array(8), ...payload)
    const view = new DataView(piece.buffer)
    view.setUint16(18, payload.length + 8)
    view.setUint8(HEADERS, view.getUint8(20))
    view.setUint8(20, 44)
    view.setUint16(HEADERS + 2, (at - HEADERS) | (at + step < bytes.length ? 1 : 0))
    view.setUint32(HEADERS + 4, identification)
    pieces.push(piece)
  }
  return pieces
}
