// VXLAN (RFC 7348) over IPv4: what comes out of tunnels, and at which port. How frames go in: tunnels/outer-headers.ts. An IPv6
// underlay is not supported.

import { foldSum, onesSum, pseudoHeaderSum4 } from '../protocols/checksum.ts'
import type { TunnelOptions } from '../protocols/control/messages.ts'
import { Word } from '../protocols/fields.ts'
import { EtherType, IpProtocol } from '../protocols/match.ts'
import { vxlanHasVni, VXLAN_HEADER_SIZE, VXLAN_PORT, vxlanVni } from '../protocols/packet/vxlan.ts'
import type { FrameArena, FrameHandle } from './frames.ts'
import { applySet } from './rewrite.ts'
import { locate } from './rewrite/layout.ts'
import { combinedEcn, ECN_MASK } from './tunnels/ecn.ts'
import { innerTos } from './tunnels/inner.ts'
import { IPV4, IPV4_SIZE, UDP, UDP_SIZE } from './tunnels/outer-headers.ts'
import { OuterTemplate } from './tunnels/outer-template.ts'

const FRAGMENT_BITS = 0x3fff

/** What `decapsulate` says: taken off, not VXLAN to one of `ports` at all (the frame is untouched), or VXLAN that is to be dropped. */
export const Decapsulation = { Done: 0, NotTunnelled: 1, Invalid: 2 } as const
export type DecapsulationCode = (typeof Decapsulation)[keyof typeof Decapsulation]

/** The outer headers of the frame that `decapsulate` last took them off. One object, for speed: read it at once. */
export const outer = { vni: 0, source: 0, destination: 0, destinationPort: 0, tos: 0, ttl: 0 }

/**
 * Takes the outer headers off a frame that is VXLAN to a UDP port for which `isTunnelPort` holds, leaves them in `outer`, and
 * brings the inner packet's ECN field up to date (RFC 6040 §4.2). Invalid: a fragment, a wrong checksum or length, no
 * valid VNI, an inner packet that can not say Congestion Experienced where the outer one does.
 */
export function decapsulate(
  arena: FrameArena,
  frame: FrameHandle,
  isTunnelPort: (port: number) => boolean = isVxlanPort,
): DecapsulationCode {
  const { view } = arena
  const start = arena.offset[frame]!
  const length = arena.length[frame]!
  const ip = start + IPV4
  if (length < UDP + UDP_SIZE || view.getUint16(ip - 2) !== EtherType.Ipv4) return Decapsulation.NotTunnelled
  const udp = ip + (view.getUint8(ip) & 15) * 4
  if (view.getUint8(ip + 9) !== IpProtocol.Udp || udp + UDP_SIZE > start + length) return Decapsulation.NotTunnelled
  if (!isTunnelPort(view.getUint16(udp + 2))) return Decapsulation.NotTunnelled
  if (!isWholeIpv4(arena, ip, start + length) || !isWholeUdp(arena, ip, udp)) return Decapsulation.Invalid
  if (!vxlanHasVni(view, udp + UDP_SIZE)) return Decapsulation.Invalid
  readOuter(view, ip, udp)
  const inner = udp + UDP_SIZE + VXLAN_HEADER_SIZE
  arena.length[frame] = udp + view.getUint16(udp + 4) - start
  arena.grow(frame, start - inner)
  return combineEcn(arena, frame) ? Decapsulation.Done : Decapsulation.Invalid
}

const isVxlanPort = (port: number) => port === VXLAN_PORT

/** RFC 1122 §3.2.1: version, lengths, checksum; and nothing that would have to be put together first. */
function isWholeIpv4(arena: FrameArena, ip: number, end: number): boolean {
  const { view } = arena
  const first = view.getUint8(ip)
  const headerSize = (first & 15) * 4
  const total = view.getUint16(ip + 2)
  return (
    first >> 4 === 4 &&
    headerSize >= IPV4_SIZE &&
    total >= headerSize + UDP_SIZE + VXLAN_HEADER_SIZE &&
    ip + total <= end &&
    (view.getUint16(ip + 6) & FRAGMENT_BITS) === 0 &&
    foldSum(onesSum(arena.bytes, ip, headerSize)) === 0xffff
  )
}

/** The length fits; the checksum is right or 0, which stands for none. */
function isWholeUdp(arena: FrameArena, ip: number, udp: number): boolean {
  const { view } = arena
  const length = view.getUint16(udp + 4)
  if (length < UDP_SIZE + VXLAN_HEADER_SIZE || udp + length > ip + view.getUint16(ip + 2)) return false
  if (view.getUint16(udp + 6) === 0) return true
  const pseudoHeader = pseudoHeaderSum4(arena.bytes, ip, IpProtocol.Udp, length)
  return foldSum(onesSum(arena.bytes, udp, length, pseudoHeader)) === 0xffff
}

function readOuter(view: DataView, ip: number, udp: number): void {
  outer.vni = vxlanVni(view, udp + UDP_SIZE)
  outer.source = view.getUint32(ip + 12)
  outer.destination = view.getUint32(ip + 16)
  outer.destinationPort = view.getUint16(udp + 2)
  outer.tos = view.getUint8(ip + 1)
  outer.ttl = view.getUint8(ip + 8)
}

/** False where the frame must be dropped. An outer header without a mark leaves the inner packet's as it is. */
function combineEcn(arena: FrameArena, frame: FrameHandle): boolean {
  if ((outer.tos & ECN_MASK) === 0) return true
  const inner = innerTos(locate(arena, frame))
  if (inner < 0) return true
  const ecn = combinedEcn(inner & ECN_MASK, outer.tos & ECN_MASK)
  if (ecn < 0) return false
  if (ecn !== (inner & ECN_MASK)) applySet(arena, frame, Word.trafficClass, ecn, ECN_MASK)
  return true
}

/** What `TunnelTable.receive` says where no port takes the frame; a port's number is positive. */
export const NotReceived = { NotTunnelled: -1, Invalid: -2, Unknown: -3 } as const

interface Tunnel {
  port: number
  localIp: number
  key: number | 'flow'
  destinationPort: number
}

/** A switch's tunnel ports: which one takes the frame from these endpoints with this VNI. */
export class TunnelTable {
  readonly #options = new Map<number, TunnelOptions>()
  /** By remote endpoint; those that take any remote endpoint under `flow`. */
  readonly #byRemote = new Map<number | 'flow', Tunnel[]>()
  /** UDP ports that are listened at. */
  #listening = new Set<number>()
  readonly #isListening = (port: number) => this.#listening.has(port)
  /** What `find` was asked last, and found: frames of one tunnel come together. */
  readonly #last = { vni: -1, remote: 0, local: 0, destinationPort: 0, port: 0 }

  readonly #alike = new OuterTemplate()

  /** Adds or replaces the tunnel of a port. False where another port has just the same tunnel. */
  add(port: number, options: TunnelOptions): boolean {
    if (this.conflicts(port, options)) return false
    this.remove(port)
    this.#options.set(port, options)
    const { localIp, remoteIp, key, destinationPort = VXLAN_PORT } = options
    const tunnels = this.#byRemote.get(remoteIp) ?? []
    this.#byRemote.set(remoteIp, [...tunnels, { port, localIp, key, destinationPort }])
    this.#listening.add(destinationPort)
    this.#forgetLast()
    return true
  }

  /** Whether another port has just the same tunnel. */
  conflicts(port: number, { localIp, remoteIp, key, destinationPort = VXLAN_PORT }: TunnelOptions): boolean {
    const taken = this.#among(remoteIp, key, localIp, destinationPort)
    return taken !== NotReceived.Unknown && taken !== port
  }

  remove(port: number): void {
    const options = this.#options.get(port)
    if (options === undefined) return
    this.#options.delete(port)
    this.#forgetLast()
    const left = this.#byRemote.get(options.remoteIp)!.filter((tunnel) => tunnel.port !== port)
    if (left.length > 0) this.#byRemote.set(options.remoteIp, left)
    else this.#byRemote.delete(options.remoteIp)
    this.#listening = new Set([...this.#options.values()].map(({ destinationPort = VXLAN_PORT }) => destinationPort))
  }

  /**
   * The port that takes frames with this VNI from `remote` to `local`: as Open vSwitch, an exact key before `flow`, and then
   * an exact remote endpoint before `flow`. NotReceived.Unknown where none does.
   */
  find(vni: number, remote: number, local: number, destinationPort: number): number {
    const last = this.#last
    const isLast = last.vni === vni && last.remote === remote && last.local === local
    if (isLast && last.destinationPort === destinationPort) return last.port
    last.vni = vni
    last.remote = remote
    last.local = local
    last.destinationPort = destinationPort
    return (last.port = this.#search(vni, remote, local, destinationPort))
  }

  #forgetLast(): void {
    this.#last.vni = -1
    this.#alike.forget()
  }

  #search(vni: number, remote: number, local: number, destinationPort: number): number {
    let port = this.#among(remote, vni, local, destinationPort)
    if (port < 0) port = this.#among('flow', vni, local, destinationPort)
    if (port < 0) port = this.#among(remote, 'flow', local, destinationPort)
    return port < 0 ? this.#among('flow', 'flow', local, destinationPort) : port
  }

  /**
   * Takes the outer headers off (see `decapsulate`; they are left in `outer`) and gives the number of the port that the frame
   * came in on, or one of NotReceived. Only a frame that is NotTunnelled is as it was.
   */
  receive(arena: FrameArena, frame: FrameHandle): number {
    const start = arena.offset[frame]
    const code = decapsulate(arena, frame, this.#isListening)
    if (code === Decapsulation.NotTunnelled) return NotReceived.NotTunnelled
    if (code === Decapsulation.Invalid) return NotReceived.Invalid
    const port = this.find(outer.vni, outer.source, outer.destination, outer.destinationPort)
    if (port >= 0) this.#alike.learn(arena, frame, start)
    else this.#alike.forget()
    return port
  }

  /**
   * The same in less time for a frame out of the same tunnel as the last one, by its outer headers. False, with nothing done, where it is
   * not, or where more would have to be looked at.
   */
  receiveAlike(arena: FrameArena, frame: FrameHandle): boolean {
    return this.#alike.takeOff(arena, frame)
  }

  #among(remote: number | 'flow', key: number | 'flow', local: number, destinationPort: number): number {
    const tunnels = this.#byRemote.get(remote)
    if (tunnels === undefined) return NotReceived.Unknown
    for (const tunnel of tunnels) {
      if (tunnel.key === key && tunnel.localIp === local && tunnel.destinationPort === destinationPort)
        return tunnel.port
    }
    return NotReceived.Unknown
  }
}
