// Frames of one tunnel come together, and their outer headers differ in little: lengths, identification, TTL, checksum and source port.
// Word by word, the octets count from the frame's first:
//
//   | 12 type 16, version 8, TOS 8 | 16 length 16, id 16 | 20 fragment 16, TTL 8, protocol 8 | 24 checksum 16, addresses …
//   | 34 source port 16 | 36 destination port 16, length 16 | 40 checksum 16, VXLAN …

import { IpProtocol } from '../../protocols/match.ts'
import type { FrameArena, FrameHandle } from '../frames.ts'
import { ECN_MASK } from './ecn.ts'
import { IPV4, IPV4_SIZE, VXLAN_OVERHEAD } from './outer-headers.ts'

/** The ethertype of IPv4, and a header of it without options. */
const PLAIN_IPV4 = 0x080045
const FRAGMENT_AND_PROTOCOL = 0x3fff00ff
const UDP_AND_VXLAN_SIZE = VXLAN_OVERHEAD - IPV4 - IPV4_SIZE

/** The outer headers that were taken off last. */
export class OuterTemplate {
  /** 0 where there are none. */
  #typeAndTos = 0
  #sourceHigh = 0
  #addresses = 0
  #destinationLow = 0
  #destinationPort = 0
  /** The UDP checksum, which there is none of, and the VXLAN header. */
  #vxlan0 = 0
  #vxlan1 = 0
  #vxlan2 = 0

  /** Remembers those that stand at `at` and have just been taken off the frame, where none is longer than it must be. */
  learn({ view, offset }: FrameArena, frame: FrameHandle, at: number): void {
    this.#typeAndTos = 0
    if (offset[frame] !== at + VXLAN_OVERHEAD) return
    const typeAndTos = view.getInt32(at + IPV4 - 2)
    const vxlan = view.getInt32(at + 40)
    // The ECN bits of the inner packet would have to be looked at, or a checksum over all of it.
    if (typeAndTos >>> 8 !== PLAIN_IPV4 || (typeAndTos & ECN_MASK) !== 0 || vxlan >>> 16 !== 0) return
    this.#typeAndTos = typeAndTos
    this.#sourceHigh = view.getUint16(at + 26)
    this.#addresses = view.getInt32(at + 28)
    this.#destinationLow = view.getUint16(at + 32)
    this.#destinationPort = view.getUint16(at + 36)
    this.#vxlan0 = vxlan
    this.#vxlan1 = view.getInt32(at + 44)
    this.#vxlan2 = view.getInt16(at + 48)
  }

  forget(): void {
    this.#typeAndTos = 0
  }

  /** Takes the outer headers off the frame if they are like these, right and whole; else false, and it is as it was. */
  takeOff({ view, offset, length }: FrameArena, frame: FrameHandle): boolean {
    const at = offset[frame]
    const size = length[frame]
    if (size < VXLAN_OVERHEAD) return false
    const typeAndTos = view.getInt32(at + 12)
    const lengthAndId = view.getInt32(at + 16)
    const fragmentAndProtocol = view.getInt32(at + 20)
    const checksumAndSource = view.getInt32(at + 24)
    const addresses = view.getInt32(at + 28)
    const destinationLow = view.getUint16(at + 32)
    const portAndLength = view.getInt32(at + 36)
    if (
      typeAndTos !== this.#typeAndTos ||
      (fragmentAndProtocol & FRAGMENT_AND_PROTOCOL) !== IpProtocol.Udp ||
      (checksumAndSource & 0xffff) !== this.#sourceHigh ||
      addresses !== this.#addresses ||
      destinationLow !== this.#destinationLow ||
      portAndLength >>> 16 !== this.#destinationPort ||
      view.getInt32(at + 40) !== this.#vxlan0 ||
      view.getInt32(at + 44) !== this.#vxlan1 ||
      view.getInt16(at + 48) !== this.#vxlan2
    )
      return false
    const packetSize = lengthAndId >>> 16
    const datagramSize = portAndLength & 0xffff
    if (packetSize > size - IPV4 || datagramSize > packetSize - IPV4_SIZE || datagramSize < UDP_AND_VXLAN_SIZE)
      return false
    const sum =
      (typeAndTos & 0xffff) +
      halves(lengthAndId) +
      halves(fragmentAndProtocol) +
      halves(checksumAndSource) +
      halves(addresses) +
      destinationLow
    // A sum of ones' complement that is right is a multiple of this (RFC 1071).
    if (sum % 0xffff !== 0) return false
    offset[frame] = at + VXLAN_OVERHEAD
    length[frame] = datagramSize - UDP_AND_VXLAN_SIZE
    return true
  }
}

const halves = (word: number) => (word >>> 16) + (word & 0xffff)
