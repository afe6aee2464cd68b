// What VXLAN (RFC 7348) over IPv4 puts in front of a frame. All of it but a few fields is the same for all frames of a tunnel,
// and is made once.
//
//   | Ethernet 14 | IPv4 20 | UDP 8 | VXLAN 8 | inner Ethernet frame …

import { onesSum } from '../../protocols/checksum.ts'
import { EtherType, IpProtocol } from '../../protocols/match.ts'
import { VXLAN_HEADER_SIZE } from '../../protocols/packet/vxlan.ts'
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

/** Where the words of it that begin so have nothing else in them, or what is or'ed to them. */
const ETHERTYPE_AND_VERSION = (EtherType.Ipv4 << 16) | 0x4500
const VALID_VNI = 0x0800

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
  /** TOS and TTL that are the same for all frames, and which bits of the inner packet's come on top. */
  readonly #tos: number
  readonly #innerTosMask: number
  readonly #ttl: number
  readonly #innerTtlMask: number
  readonly #localIp: number
  readonly #remoteIp: number
  readonly #destinationPort: number
  readonly #vni: number
  /** Of the IPv4 header with TOS, length and TTL of 0. */
  readonly #sum: number

  constructor({ localIp, remoteIp, vni, destinationPort, ttl, tos }: Encapsulation) {
    this.#tos = tos === 'inherit' ? 0 : tos & ~ECN_MASK
    this.#innerTosMask = tos === 'inherit' ? 0xff : ECN_MASK
    this.#ttl = ttl === 'inherit' ? 0 : ttl
    this.#innerTtlMask = ttl === 'inherit' ? 0xff : 0
    this.#localIp = localIp | 0
    this.#remoteIp = remoteIp | 0
    this.#destinationPort = destinationPort
    this.#vni = vni << 8
    const header = new DataView(new ArrayBuffer(VXLAN_OVERHEAD))
    this.#sum = 0
    this.#write(header, 0, 0, 0, 0, 0)
    for (const octet of [1, 2, 3, 8, 10, 11]) header.setUint8(IPV4 + octet, 0)
    this.#sum = onesSum(new Uint8Array(header.buffer), IPV4, IPV4_SIZE)
  }

  /**
   * Puts the outer headers in front of the frame. Both outer MAC addresses are left zero: which of them lead to the remote
   * endpoint is for the host's own network stack to fill in. False, with the frame untouched, where it is too long for IPv4.
   */
  putOnto(arena: FrameArena, frame: FrameHandle): boolean {
    const length = arena.length[frame]
    if (length + VXLAN_OVERHEAD - IPV4 > LONGEST_IPV4_PACKET) return false
    const layout = locate(arena, frame)
    const tos = Math.max(innerTos(layout), 0)
    const ttl = innerTtl(layout, DEFAULT_TTL)
    const sourcePort = sourcePortFor(layout, arena.offset[frame], length)
    arena.grow(frame, VXLAN_OVERHEAD)
    this.#write(arena.view, arena.offset[frame], length, tos, ttl, sourcePort)
    return true
  }

  /** The same for the frames from `start` to `end`, with Ethernet headers and none too long. Gives how many bytes that adds. */
  putOntoAll(arena: FrameArena, frames: Int32Array, start: number, end: number): number {
    for (let index = start; index < end; index++) {
      const frame = frames[index]
      const { view } = arena
      const at = arena.offset[frame]
      const length = arena.length[frame]
      if (hasPlainPorts(shapeOf(view, at, length))) {
        // Most frames. What is read here is what `locate` would find.
        const tos = view.getUint8(at + IPV4 + 1)
        const ttl = view.getUint8(at + IPV4 + 8)
        const sourcePort = sourcePortOfPlain(view, at + IPV4)
        arena.grow(frame, VXLAN_OVERHEAD)
        this.#write(arena.view, arena.offset[frame], length, tos, ttl, sourcePort)
      } else this.putOnto(arena, frame)
    }
    return VXLAN_OVERHEAD * (end - start)
  }

  /** `length`, `tos` and `ttl` are of the inner frame. Word by word: that takes half the time of a copy with fields filled in later. */
  #write(view: DataView, at: number, length: number, tos: number, ttl: number, sourcePort: number): void {
    const packetSize = length + VXLAN_OVERHEAD - IPV4
    const ownTos = this.#tos | (tos & this.#innerTosMask)
    const ownTtl = this.#ttl | (ttl & this.#innerTtlMask)
    const sum = this.#sum + ownTos + packetSize + (ownTtl << 8)
    const checksum = ~((sum & 0xffff) + (sum >>> 16)) & 0xffff
    const local = this.#localIp
    const remote = this.#remoteIp
    view.setInt32(at, 0)
    view.setInt32(at + 4, 0)
    view.setInt32(at + 8, 0)
    view.setInt32(at + 12, ETHERTYPE_AND_VERSION | ownTos)
    // Identification 0 is right for a packet that may not be fragmented (RFC 6864 §4.1).
    view.setInt32(at + 16, packetSize << 16)
    view.setInt32(at + 20, (DO_NOT_FRAGMENT << 16) | (ownTtl << 8) | IpProtocol.Udp)
    view.setInt32(at + 24, (checksum << 16) | (local >>> 16))
    view.setInt32(at + 28, (local << 16) | (remote >>> 16))
    view.setInt32(at + 32, (remote << 16) | sourcePort)
    view.setInt32(at + 36, (this.#destinationPort << 16) | (packetSize - IPV4_SIZE))
    view.setInt32(at + 40, VALID_VNI)
    view.setInt32(at + 44, this.#vni >>> 16)
    view.setInt16(at + 48, this.#vni)
  }
}

/** Puts such headers in front of one frame. */
export const encapsulate = (arena: FrameArena, frame: FrameHandle, options: Encapsulation): boolean =>
  new OuterHeaders(options).putOnto(arena, frame)
