// Where the frames of a live host go: out of vNICs to their wires, out of the uplink to its own, out of tunnels to the underlay's
// socket; and from all of these in.

import { formatIpv4 } from '../../protocols/address.ts'
import { ETHERNET_HEADER_SIZE } from '../../protocols/packet/ethernet.ts'
import { announcesVlan } from '../../protocols/packet/vlan.ts'
import type { PortConfig } from '../../protocols/control/messages.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Stopwatch } from '../../runtime/stopwatch.ts'
import { wallMicroseconds } from '../../runtime/wall-clock.ts'
import type { Wire } from '../../runtime/wires/wire.ts'
import type { DropReason } from '../drops.ts'
import type { FrameHandle } from '../frames.ts'
import { FrameArena, MAX_FRAME_LENGTH } from '../frames.ts'
import { VLAN_TAG_SIZE } from '../../protocols/packet/vlan.ts'
import type { CopySource } from '../../protocols/capture/copies-writer.ts'
import type { CopyFiles } from './copy-files.ts'
import { Host, type Bridge, type HostSpec } from './host.ts'
import { Underlay } from './underlay.ts'

export interface LiveDatapathOptions {
  clock: Clock
  /** Times the stages of some frames. */
  stopwatch?: Stopwatch
  vxlan: {
    /** Where tunnelled frames come in: the host's tunnel endpoint where absent. */
    address?: string
    /** Of ours and of everybody else's. */
    port: number
  }
  /** Bytes of an IP packet that the network between hosts carries. */
  mtu: number
  /** Bytes of frames that its ports keep for VMs that move, all together; any number where absent. */
  holdMemory?: number
  /** Where copies for files go; nowhere if absent. */
  copies?: CopyFiles
  /** Where frames for a vNIC go, if they do. */
  wireOf: (vnic: string) => Wire | undefined
  log: (line: string) => void
}

/** Name of the port (host.ts). */
const UPLINK = 'uplink'

/** A list for one frame, read before anything else can be written to it. */
const single = new Int32Array(1)

export class LiveDatapath {
  readonly #options: LiveDatapathOptions
  readonly #arena = new FrameArena()
  /** Frames that no socket took, by why. */
  readonly #drops = new Map<DropReason, number>()
  #host: Host | undefined
  #underlay: Underlay | undefined
  #uplink: Wire | undefined

  constructor(options: LiveDatapathOptions) {
    this.#options = options
  }

  /** By switch name. */
  get bridges(): ReadonlyMap<string, Bridge> {
    return this.#host?.bridges ?? new Map<string, Bridge>()
  }

  /** Where the frames of VLAN networks leave for other hosts. */
  get uplink(): Wire | undefined {
    return this.#uplink
  }

  set uplink(wire: Wire | undefined) {
    this.#uplink = wire
    if (wire === undefined) return
    wire.onLink = () => this.followLink(UPLINK)
    this.followLink(UPLINK)
  }

  /** The wire of the port has come, has gone, or somebody at its other end has. */
  followLink(port: string): void {
    this.#host?.setLink(port, this.#wireAt(port)?.connected ?? false)
  }

  #wireAt(port: string): Wire | undefined {
    return port === UPLINK ? this.#uplink : this.#options.wireOf(port)
  }

  /** Begins anew with the bridges of `spec`; without their flows, until a controller has told them. */
  async rebuild(spec: HostSpec | undefined): Promise<void> {
    const { clock, stopwatch, holdMemory } = this.#options
    this.#host?.close()
    this.#host = undefined
    await this.#underlay?.close()
    this.#underlay = undefined
    if (spec === undefined) return
    const hasLink = ({ type, name }: PortConfig) =>
      (type !== 'vnic' && type !== 'uplink') || (this.#wireAt(name)?.connected ?? false)
    const world = {
      arena: this.#arena,
      clock,
      ...(stopwatch && { stopwatch }),
      ...(holdMemory !== undefined && { holdRoom: { bytes: holdMemory, used: 0 } }),
      hasLink,
      numberFrom: wallMicroseconds,
    }
    this.#host = new Host(spec, world, {
      vnic: (_host, vnic, frame) => this.#sendTo(this.#options.wireOf(vnic), vnic, frame),
      uplink: (_host, frame) => this.#sendUplink(frame),
      underlay: (_host, frame) => this.#sendTunnelled(frame),
      captured: (host, file, copied, frame) => this.#capture(file, { ...copied, host }, frame),
      stirred: () => {},
      drop: () => {},
    })
  }

  /** Lets tunnels through to `vtep`. Rejects where the address can not be had. */
  async openUnderlay(vtep: number): Promise<void> {
    const { vxlan, mtu } = this.#options
    const address = vxlan.address ?? formatIpv4(vtep)
    const received = (frame: FrameHandle) => {
      single[0] = frame
      if (this.#host === undefined) this.#arena.release(frame)
      else this.#host.receiveTunnelled(single, 1)
    }
    this.#underlay = await Underlay.open({
      arena: this.#arena,
      address,
      port: vxlan.port,
      vtep,
      mtu,
      received,
      dropped: (reason) => this.#count(reason),
    })
  }

  /** A frame from a vNIC's wire. */
  fromVnic(vnic: string, bytes: Uint8Array): void {
    if (this.#host === undefined || bytes.length > MAX_FRAME_LENGTH) return this.#count('no_recipient')
    if (!this.#arena.hasRoom(bytes.length)) return this.#count('queue_full')
    const frame = this.#arena.allocateFrom(bytes)
    if (this.#host.enter(vnic, frame)) return
    this.#arena.release(frame)
    this.#count('inactive_binding')
  }

  /** A frame from the uplink's wire: whatever is in it, it is no tunnel's. */
  fromUplink(bytes: Uint8Array): void {
    if (this.#host === undefined || bytes.length > MAX_FRAME_LENGTH) return this.#count('no_recipient')
    if (!this.#arena.hasRoom(bytes.length)) return this.#count('queue_full')
    single[0] = this.#arena.allocateFrom(bytes)
    this.#host.receivePlain(single, 1)
  }

  #sendUplink(frame: FrameHandle): void {
    const { view, offset, length } = this.#arena
    const tag = announcesVlan(view.getUint16(offset[frame]! + ETHERNET_HEADER_SIZE - 2)) ? VLAN_TAG_SIZE : 0
    if (length[frame]! - ETHERNET_HEADER_SIZE - tag > this.#options.mtu) this.#drop(frame, 'mtu_exceeded')
    else this.#sendTo(this.#uplink, UPLINK, frame)
  }

  #sendTunnelled(frame: FrameHandle): void {
    const reason = this.#underlay === undefined ? 'link_down' : this.#underlay.send(frame)
    if (reason !== undefined) this.#count(reason)
    this.#arena.release(frame)
  }

  #capture(file: string, source: CopySource, frame: FrameHandle): void {
    const { copies } = this.#options
    if (copies?.write(file, source, this.#arena.read(frame))) return this.#arena.release(frame)
    this.#host?.unsent(file, frame)
    this.#drop(frame, copies === undefined ? 'no_recipient' : 'queue_full')
  }

  /** What the wire does not take has not been sent. */
  #sendTo(wire: Wire | undefined, port: string, frame: FrameHandle): void {
    if (wire?.send(this.#arena.read(frame))) this.#arena.release(frame)
    else {
      this.#host?.unsent(port, frame)
      this.#drop(frame, wire === undefined ? 'no_recipient' : wire.connected ? 'queue_full' : 'link_down')
    }
  }

  #drop(frame: FrameHandle, reason: DropReason): void {
    this.#count(reason)
    this.#arena.release(frame)
  }

  /** Says so the first time, and whenever twice as many are. */
  #count(reason: DropReason): void {
    const count = (this.#drops.get(reason) ?? 0) + 1
    this.#drops.set(reason, count)
    if (Number.isInteger(Math.log2(count))) this.#options.log(`frames dropped: ${count} ${reason}`)
  }
}
