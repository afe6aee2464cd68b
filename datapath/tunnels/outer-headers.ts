// What VXLAN (RFC 7348) over IPv4 puts in front of a frame. All of it but a few fields is the same for all frames of a tunnel,
// and is made once.
//
//   | Ethernet 14 | IPv4 20 | UDP 8 | VXLAN 8 | inner Ethernet frame …

import { foldSum, onesSum } from '../../protocols/checksum.ts'
import { EtherType, IpProtocol } from '../../protocols/match.ts'
import { VXLAN_HEADER_SIZE, writeVxlan } from '../../protocols/packet/vxlan.ts'
import { hasPlainPorts, shapeOf } from '../cache/frame-shape.ts'
import type { FrameArena, FrameHandle } from '../frames.ts'
import { locate } from '../rewrite/layout.ts'
import { ECN_MASK } from './ecn.ts'
import { sourcePortFor, sourcePortOfPlain } from './entropy.ts'
import { innerTos, innerTtl } from './inner.ts'

export const IPV4 = 14
export const IPV4_SIZE = 20
export const UDP = IPV4 + IPV4_SIZE
export const UDP_SIZE = 8
const VXLAN = UDP + UDP_SIZE
/** What encapsulation adds to a frame. */
export const VXLAN_OVERHEAD = VXLAN + VXLAN_HEADER_SIZE
/** Of that, so many words are copied four octets at a time. */
const WORDS = VXLAN_OVERHEAD >> 2

const LONGEST_IPV4_PACKET = 65535
const DEFAULT_TTL = 64
const DO_NOT_FRAGMENT = 0x4000

export interface Encapsulation {
  /** 32-bit numbers. */
  localIp: number
  remoteIp: number
  vni: number
  destinationPort: number
  /** `inherit`: the inner packet's; 64 for what is no IP. */
  ttl: number | 'inherit'
  /** DSCP in the upper six bits; `inherit`: the inner packet's, 0 for what is no IP. The ECN bits are always the inner packet's. */
  tos: number | 'inherit'
}

export class OuterHeaders {
  readonly #options: Encapsulation
  readonly #words = new Int32Array(WORDS)
  readonly #lastBytes: number
  /** Of the IPv4 header with TOS, length and TTL of 0. */
  readonly #sum: number

  constructor(options: Encapsulation) {
    const view = new DataView(new ArrayBuffer(VXLAN_OVERHEAD))
    view.setUint16(IPV4 - 2, EtherType.Ipv4)
    view.setUint8(IPV4, 0x45)
    // Identification 0 is right for a packet that may not be fragmented (RFC 6864 §4.1).
    view.setUint16(IPV4 + 6, DO_NOT_FRAGMENT)
    view.setUint8(IPV4 + 9, IpProtocol.Udp)
    view.setUint32(IPV4 + 12, options.localIp)
    view.setUint32(IPV4 + 16, options.remoteIp)
    view.setUint16(UDP + 2, options.destinationPort)
    writeVxlan(options.vni, view, VXLAN)
    this.#options = options
    for (let word = 0; word < WORDS; word++) this.#words[word] = view.getInt32(4 * word)
    this.#lastBytes = view.getUint16(4 * WORDS)
    this.#sum = onesSum(new Uint8Array(view.buffer), IPV4, IPV4_SIZE)
  }

  /**
   * Puts the outer headers in front of the frame. Both outer MAC addresses are left zero: which of them lead to the remote
   * endpoint is for the host's own network stack to fill in. False, with the frame untouched, where it is too long for IPv4.
   */
  putOnto(arena: FrameArena, frame: FrameHandle): boolean {
    const packetSize = arena.length[frame] + VXLAN_OVERHEAD - IPV4
    if (packetSize > LONGEST_IPV4_PACKET) return false
    const { ttl, tos } = this.#options
    readInner(arena, frame)
    const outerTos = ((tos === 'inherit' ? inner.tos : tos) & ~ECN_MASK) | (inner.tos & ECN_MASK)
    const outerTtl = ttl === 'inherit' ? inner.ttl : ttl
    const { sourcePort } = inner
    arena.grow(frame, VXLAN_OVERHEAD)
    const { view } = arena
    const start = arena.offset[frame]
    this.#write(view, start)
    const ip = start + IPV4
    view.setUint8(ip + 1, outerTos)
    view.setUint16(ip + 2, packetSize)
    view.setUint8(ip + 8, outerTtl)
    view.setUint16(ip + 10, ~foldSum(this.#sum + outerTos + packetSize + (outerTtl << 8)) & 0xffff)
    view.setUint16(ip + IPV4_SIZE, sourcePort)
    view.setUint16(ip + IPV4_SIZE + 4, packetSize - IPV4_SIZE)
    return true
  }

  /** The same for the frames from `start` to `end`, none of which is too long. Gives how many bytes that adds. */
  putOntoAll(arena: FrameArena, frames: Int32Array, start: number, end: number): number {
    for (let index = start; index < end; index++) this.putOnto(arena, frames[index])
    return VXLAN_OVERHEAD * (end - start)
  }

  #write(view: DataView, at: number): void {
    const words = this.#words
    for (let word = 0; word < WORDS; word++) view.setInt32(at + 4 * word, words[word])
    view.setUint16(at + 4 * WORDS, this.#lastBytes)
  }
}

/** What outer headers take from the frame that was looked at last. One object, for speed. */
const inner = { tos: 0, ttl: 0, sourcePort: 0 }

function readInner(arena: FrameArena, frame: FrameHandle): void {
  const { view } = arena
  const start = arena.offset[frame]
  const length = arena.length[frame]
  if (arena.packetType[frame] === 0 && hasPlainPorts(shapeOf(view, start, length))) {
    // Most frames, and the same for them as below.
    const ip = start + IPV4
    inner.tos = view.getUint8(ip + 1)
    inner.ttl = view.getUint8(ip + 8)
    inner.sourcePort = sourcePortOfPlain(view, ip)
    return
  }
  const layout = locate(arena, frame)
  inner.tos = Math.max(innerTos(layout), 0)
  inner.ttl = innerTtl(layout, DEFAULT_TTL)
  inner.sourcePort = sourcePortFor(layout, start, length)
}

/** Puts such headers in front of one frame. */
export const encapsulate = (arena: FrameArena, frame: FrameHandle, options: Encapsulation): boolean =>
  new OuterHeaders(options).putOnto(arena, frame)
