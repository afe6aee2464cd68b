// One host: its bridges, the patch cables between them, and the network card that uplink and tunnels share.

import type { PortConfig } from '../../protocols/control/messages.ts'
import { VXLAN_PORT } from '../../protocols/packet/vxlan.ts'
import type { HoldRoom } from '../hold-queue.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Stopwatch } from '../../runtime/stopwatch.ts'
import { Agent } from '../control/agent.ts'
import type { DropReason } from '../drops.ts'
import type { Flow } from '../flow.ts'
import { VECTOR } from '../cache/vector.ts'
import type { FrameArena, FrameHandle } from '../frames.ts'
import type { Port } from '../port.ts'
import { PBB_OVERHEAD, serviceInstanceOf } from '../rewrite/pbb.ts'
import { Switch } from '../switch.ts'
import { VTEP_HIGH, vtepLow } from './vtep.ts'

/** OpenFlow number of the integration bridge's uplink; it is there before any controller speaks. */
export const UPLINK_PORT = 1

export interface HostSpec {
  name: string
  /** IPv4 address of the tunnel endpoint, absent on hosts without overlays. */
  vtep?: number
  /** The first is the integration bridge: it has the uplink and the tunnel. */
  bridges: readonly { name: string; datapathId: bigint }[]
}

export interface HostWorld {
  arena: FrameArena
  clock: Clock
  /** Remembers where frames have been. */
  trail?: { add(frame: FrameHandle, node: string, flow: Flow | undefined, hits: readonly Flow[]): void }
  /** Times the stages of some frames. */
  stopwatch?: Stopwatch
  /** Whether a port that is made now has a link; each has where absent. */
  hasLink?: (port: PortConfig) => boolean
  /** See PortTable: for a clock that begins anew with the process. */
  numberFrom?: () => number
  /** Of all its ports; there is no end of it where absent. */
  holdRoom?: HoldRoom
}

/** Whose frame it is. */
export interface Copied {
  readonly vnic: string
  readonly way: 'said' | 'heard'
}

export interface HostEvents {
  /** A frame comes out of a vNIC's port: the guest hears it. The receiver owns it. */
  vnic(host: string, nic: string, frame: FrameHandle): void
  /** A frame leaves the network card. The receiver owns it. */
  uplink(host: string, frame: FrameHandle): void
  /** One that leaves in a tunnel, its outer headers on. The receiver owns it. */
  underlay(host: string, frame: FrameHandle): void
  /** A copy of what the guest of a vNIC has said, or hears, leaves for a file. The receiver owns it. */
  captured(host: string, file: string, copied: Copied, frame: FrameHandle): void
  /** See SwitchEvents. */
  stirred(frame: FrameHandle): void
  /** A frame ends at `place`; it is released afterwards. */
  drop(frame: FrameHandle, reason: DropReason, place: string, flow?: Flow): void
}

export interface Bridge {
  switch: Switch
  agent: Agent
}

/** Where a vNIC's frames come in, and those that are to. */
export interface Dock {
  host: Host
  bridge: Switch
  port: number
  frames: Int32Array
  count: number
}

/** A list for one frame, read before anything else can be written to it. */
const single = new Int32Array(1)

export class Host {
  readonly name: string
  /** By switch name, `h1/br-int` first. */
  readonly bridges = new Map<string, Bridge>()
  readonly #world: HostWorld
  readonly #events: HostEvents
  readonly #switches: Switch[]
  readonly #integration: Switch
  /** Of its own tunnel endpoint's MAC address, the last four octets. */
  readonly #vtepLow: number | undefined
  #tunnelled = new Int32Array(VECTOR)
  #plain = new Int32Array(VECTOR)
  /** Frames from the fabric that are dealt with together, later. */
  readonly #kept = new Int32Array(VECTOR)
  #keptCount = 0
  /** Frames are at instants of their own now, not at the clock's. */
  #outOfStep = false

  constructor(spec: HostSpec, world: HostWorld, events: HostEvents) {
    this.name = spec.name
    this.#world = world
    this.#events = events
    this.#vtepLow = spec.vtep === undefined ? undefined : vtepLow(spec.vtep)
    for (const bridge of spec.bridges) {
      const name = `${spec.name}/${bridge.name}`
      this.bridges.set(name, this.#makeBridge(name, bridge.datapathId))
    }
    this.#switches = [...this.bridges.values()].map((bridge) => bridge.switch)
    this.#integration = this.#switches[0]!
    this.#integration.ports.add({ number: UPLINK_PORT, name: 'uplink', type: 'uplink', state: 'open' })
  }

  /** Frames from the fabric: tunnelled ones for this host's endpoint are unpacked, the others come in at the uplink. */
  receive(frames: ArrayLike<FrameHandle>, count: number): void {
    if (count > this.#plain.length) {
      this.#tunnelled = new Int32Array(2 * count)
      this.#plain = new Int32Array(2 * count)
    }
    const [tunnelled, plain] = [this.#tunnelled, this.#plain]
    let tunnelledCount = 0
    let plainCount = 0
    for (let index = 0; index < count; index++) {
      const frame = frames[index]!
      if (this.#isForVtep(frame)) tunnelled[tunnelledCount++] = frame
      else plain[plainCount++] = frame
    }
    if (tunnelledCount > 0) this.receiveTunnelled(tunnelled, tunnelledCount)
    if (plainCount > 0) this.receivePlain(plain, plainCount)
  }

  /** Frames in their outer headers. */
  receiveTunnelled(frames: ArrayLike<FrameHandle>, count: number): void {
    this.#integration.receiveTunnelled(frames, count, this.#outOfStep)
  }

  /** Frames that come in at the uplink, whatever is in them. */
  receivePlain(frames: ArrayLike<FrameHandle>, count: number): void {
    this.#integration.receive(frames, count, UPLINK_PORT, this.#outOfStep)
  }

  /** The same for a frame at its own instant, by and by. True where it is the first to be kept. */
  keep(frame: FrameHandle): boolean {
    if (this.#keptCount === VECTOR) this.receiveKept()
    this.#kept[this.#keptCount++] = frame
    return this.#keptCount === 1
  }

  receiveKept(): void {
    const count = this.#keptCount
    this.#keptCount = 0
    this.#outOfStep = true
    this.receive(this.#kept, count)
    this.#outOfStep = false
  }

  /** Where frames of the vNIC come in, if it has a port. */
  dockOf(nic: string): Dock | undefined {
    for (const bridge of this.#switches) {
      const port = bridge.ports.byName(nic)
      if (port !== undefined) return { host: this, bridge, port: port.number, frames: new Int32Array(VECTOR), count: 0 }
    }
    return undefined
  }

  /** Frames that guests have sent, each at its own instant. */
  enterTogether(dock: Dock): void {
    const { count } = dock
    dock.count = 0
    this.#outOfStep = true
    dock.bridge.receive(dock.frames, count, dock.port, true)
    this.#outOfStep = false
  }

  /** A frame that a guest sends. Takes ownership, unless false is returned: no bridge has the vNIC's port. */
  enter(nic: string, frame: FrameHandle): boolean {
    for (const bridge of this.#switches) {
      const port = bridge.ports.byName(nic)
      if (port === undefined) continue
      single[0] = frame
      bridge.receive(single, 1, port.number)
      return true
    }
    return false
  }

  /** What is at the other end of the port has come, or has gone. */
  setLink(port: string, up: boolean): void {
    for (const { ports } of this.#switches) if (ports.byName(port) !== undefined) ports.setLink(port, up)
  }

  /** The frame has left the port's switch and could not be sent. It stays the caller's. */
  unsent(port: string, frame: FrameHandle): void {
    const length = this.#world.arena.length[frame]!
    for (const bridge of this.#switches) {
      const counters = bridge.ports.byName(port)?.counters
      if (counters === undefined) continue
      counters.sentPackets--
      counters.sentBytes -= length
      counters.sentDropped++
    }
  }

  /** The frames that its ports keep are lost. */
  discardHeld(): void {
    for (const { switch: bridge } of this.bridges.values()) bridge.ports.discardHeld('link_down')
  }

  /** The host is no more. */
  close(): void {
    this.discardHeld()
    for (const { switch: bridge } of this.bridges.values()) bridge.close()
  }

  #makeBridge(name: string, datapathId: bigint): Bridge {
    const { arena, clock, trail, stopwatch, hasLink, numberFrom, holdRoom } = this.#world
    const made: Switch = new Switch({
      name,
      host: this.name,
      datapathId,
      arena,
      clock,
      ...(stopwatch && { stopwatch }),
      ports: { holdRoom, ...(hasLink && { hasLink }) },
      events: {
        transmit: (port, frame) => this.#transmit(made, port, frame),
        drop: (frame, reason, at) => this.#events.drop(frame, reason, name, at.flow),
        output: (frame, port, flow, hits) => {
          if (!port.passesAll) this.#events.stirred(frame)
          trail?.add(frame, name, flow, hits)
        },
        stirred: (frame) => this.#events.stirred(frame),
        message: (message, by) => agent.publish(message, by),
      },
    })
    made.ports.numberFrom = numberFrom
    const agent = new Agent(made)
    return { switch: made, agent }
  }

  #transmit(bridge: Switch, port: Port, frame: FrameHandle): void {
    switch (port.config.type) {
      case 'vnic':
        return this.#events.vnic(this.name, port.config.name, frame)
      case 'patch':
        return this.#crossPatch(port, frame)
      case 'tunnel':
        return this.#sendTunnelled(frame)
      case 'uplink':
        return this.#events.uplink(this.name, frame)
      case 'capture':
        return this.#capture(bridge, port, frame)
      case 'local':
      case 'dgram':
        return this.#drop(frame, 'no_recipient')
    }
  }

  #crossPatch(port: Port, frame: FrameHandle): void {
    const peer = port.config.patchPeer
    const other = peer && this.bridges.get(peer.switch)?.switch
    const otherPort = peer && other?.ports.byName(peer.port)
    if (other === undefined || otherPort === undefined) return this.#drop(frame, 'link_down')
    single[0] = frame
    other.receive(single, 1, otherPort.config.number, this.#outOfStep)
  }

  /** The header around the copy says whose it is (protocols/control/ports.ts). What has none is nobody's. */
  #capture(bridge: Switch, port: Port, frame: FrameHandle): void {
    const { arena } = this.#world
    const whose = serviceInstanceOf(arena, frame)
    const vnic = whose === undefined ? undefined : bridge.ports.byNumber(whose >>> 1)?.name
    if (whose === undefined || vnic === undefined) return this.#drop(frame, 'no_recipient')
    arena.grow(frame, -PBB_OVERHEAD)
    this.#events.captured(this.name, port.config.name, { vnic, way: whose % 2 === 0 ? 'said' : 'heard' }, frame)
  }

  /** The tunnel wrote the outer IP header; which MAC addresses lead there is the host's to know. */
  #sendTunnelled(frame: FrameHandle): void {
    const { view, offset } = this.#world.arena
    if (this.#vtepLow === undefined) return this.#drop(frame, 'unknown_tunnel')
    const start = offset[frame]!
    view.setUint16(start, VTEP_HIGH)
    view.setUint32(start + 2, vtepLow(view.getUint32(start + 30)))
    view.setUint16(start + 6, VTEP_HIGH)
    view.setUint32(start + 8, this.#vtepLow)
    this.#events.underlay(this.name, frame)
  }

  #isForVtep(frame: FrameHandle): boolean {
    if (this.#vtepLow === undefined) return false
    const { view, offset, length } = this.#world.arena
    const start = offset[frame]!
    if (length[frame]! < 42) return false
    if (view.getUint16(start) !== VTEP_HIGH || view.getUint32(start + 2) !== this.#vtepLow) return false
    const headerLength = (view.getUint8(start + 14) & 0x0f) * 4
    const isUdp = view.getUint16(start + 12) === 0x0800 && view.getUint8(start + 23) === 17
    return (
      isUdp && length[frame]! >= 14 + headerLength + 8 && view.getUint16(start + 14 + headerLength + 2) === VXLAN_PORT
    )
  }

  #drop(frame: FrameHandle, reason: DropReason): void {
    this.#events.drop(frame, reason, this.name)
    this.#world.arena.release(frame)
  }
}
