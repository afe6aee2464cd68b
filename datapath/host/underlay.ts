// A host's tunnels on a real UDP socket (RFC 7348). The switch writes and reads outer headers as if it had the network card; the
// machine's own stack writes them anew, so that what leaves here is what comes after them, and what arrives gets new ones.
//
//   | Ethernet 14 | IPv4 20 | UDP 8 | VXLAN 8 | inner Ethernet frame …
//   |<------- the stack's ------->|<--------- the datagram's payload

import { formatIpv4, parseIpv4 } from '../../protocols/address.ts'
import { foldSum, onesSum } from '../../protocols/checksum.ts'
import { EtherType, IpProtocol } from '../../protocols/match.ts'
import { VXLAN_PORT } from '../../protocols/packet/vxlan.ts'
import type { UnderlaySocket } from '../../runtime/underlay.ts'
import { openUnderlay } from '../../runtime/underlay.ts'
import type { DropReason } from '../drops.ts'
import type { FrameArena, FrameHandle } from '../frames.ts'
import { MAX_FRAME_LENGTH } from '../frames.ts'
import { IPV4, IPV4_SIZE, UDP, UDP_SIZE } from '../tunnels/outer-headers.ts'

const PAYLOAD = UDP + UDP_SIZE
const TTL = 64
/** Addresses whose other form is remembered. */
const REMEMBERED = 4096

export interface UnderlayOptions {
  arena: FrameArena
  /** Where datagrams come in. They go to the same port at other hosts; the switch knows only VXLAN's own. */
  address: string
  port: number
  /** IPv4 address of the tunnel endpoint, to which what comes in is addressed. */
  vtep: number
  /** Bytes of an IP packet that the network between hosts carries. */
  mtu: number
  /** A frame in its outer headers; the receiver owns it. */
  received: (frame: FrameHandle) => void
  /** Something was received for which there is no memory. */
  dropped: (reason: DropReason) => void
}

export class Underlay {
  readonly #options: UnderlayOptions
  readonly #texts = new Map<number, string>()
  readonly #numbers = new Map<string, number>()
  #socket!: UnderlaySocket

  private constructor(options: UnderlayOptions) {
    this.#options = options
  }

  /** Rejects where the address can not be had. */
  static async open(options: UnderlayOptions): Promise<Underlay> {
    const underlay = new Underlay(options)
    const local = { host: options.address, port: options.port }
    underlay.#socket = await openUnderlay(local, (payload, source, port) => underlay.#receive(payload, source, port))
    return underlay
  }

  /** Where it receives. */
  get local(): string {
    return `${this.#socket.local.host}:${this.#socket.local.port}`
  }

  /** Sends a frame in its outer headers; why not, where it can't. The frame stays the caller's. */
  send(frame: FrameHandle): DropReason | undefined {
    const { arena, mtu, port } = this.#options
    const start = arena.offset[frame]!
    const length = arena.length[frame]!
    if (length - IPV4 > mtu) return 'mtu_exceeded'
    const remote = this.#textOf(arena.view.getUint32(start + IPV4 + 16))
    return this.#socket.send(arena.bytes.subarray(start + PAYLOAD, start + length), remote, port)
      ? undefined
      : 'queue_full'
  }

  close(): Promise<void> {
    return this.#socket.close()
  }

  #receive(payload: Uint8Array, source: string, sourcePort: number): void {
    const { arena, vtep, received, dropped } = this.#options
    if (payload.length + PAYLOAD > MAX_FRAME_LENGTH) return
    if (!arena.hasRoom(payload.length + PAYLOAD)) return dropped('queue_full')
    const frame = arena.allocate(payload.length + PAYLOAD)
    const start = arena.offset[frame]!
    const { bytes, view } = arena
    bytes.fill(0, start, start + PAYLOAD)
    bytes.set(payload, start + PAYLOAD)
    view.setUint16(start + IPV4 - 2, EtherType.Ipv4)
    const ip = start + IPV4
    view.setUint8(ip, 0x45)
    view.setUint16(ip + 2, IPV4_SIZE + UDP_SIZE + payload.length)
    view.setUint8(ip + 8, TTL)
    view.setUint8(ip + 9, IpProtocol.Udp)
    view.setUint32(ip + 12, this.#numberOf(source))
    view.setUint32(ip + 16, vtep)
    view.setUint16(ip + 10, ~foldSum(onesSum(bytes, ip, IPV4_SIZE)) & 0xffff)
    const udp = start + UDP
    view.setUint16(udp, sourcePort)
    view.setUint16(udp + 2, VXLAN_PORT)
    view.setUint16(udp + 4, UDP_SIZE + payload.length)
    received(frame)
  }

  #textOf(address: number): string {
    return remembered(this.#texts, address, formatIpv4)
  }

  #numberOf(address: string): number {
    return remembered(this.#numbers, address, parseIpv4)
  }
}

function remembered<From, To>(known: Map<From, To>, from: From, convert: (from: From) => To): To {
  const before = known.get(from)
  if (before !== undefined) return before
  if (known.size === REMEMBERED) known.clear()
  const made = convert(from)
  known.set(from, made)
  return made
}
