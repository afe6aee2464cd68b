// One host: its bridges, the patch cables between them, and the network card that uplink and tunnels share.

import { formatIpv4 } from '../../protocols/address.ts'
import type { Message } from '../../protocols/control/messages.ts'
import { switchName, type Host as HostSpec } from '../../topologies/topology.ts'
import { Agent } from '../control/agent.ts'
import type { DropReason } from '../drops.ts'
import type { Flow } from '../flow.ts'
import type { FrameHandle } from '../frames.ts'
import type { Port } from '../ports.ts'
import { Switch } from '../switch.ts'
import type { World } from './fabric.ts'
import { vtepMac } from './vtep.ts'

/** OpenFlow number of the integration bridge's uplink; it is there before any controller speaks. */
export const UPLINK_PORT = 1

const VXLAN_PORT = 4789

export interface HostEvents {
  /** A frame comes out of a vNIC's port: the guest hears it. The receiver owns it. */
  vnic(host: string, nic: string, frame: FrameHandle): void
  /** A frame leaves the network card. The receiver owns it. */
  uplink(host: string, frame: FrameHandle): void
  /** A frame ends at `place`; it is released afterwards. */
  drop(frame: FrameHandle, reason: DropReason, place: string, flow?: Flow): void
}

export interface Bridge {
  switch: Switch
  agent: Agent
}

export class Host {
  readonly name: string
  /** By switch name, `h1/br-int` first. */
  readonly bridges = new Map<string, Bridge>()
  readonly #world: World
  readonly #events: HostEvents
  readonly #integration: Switch
  readonly #vtepMac: bigint | undefined

  constructor(spec: HostSpec, firstDatapathId: bigint, world: World, events: HostEvents) {
    this.name = spec.name
    this.#world = world
    this.#events = events
    this.#vtepMac = spec.vtep === undefined ? undefined : vtepMac(spec.vtep)
    spec.bridges.forEach((bridge, index) => {
      const name = switchName(spec, bridge)
      this.bridges.set(name, this.#makeBridge(name, firstDatapathId + BigInt(index)))
    })
    this.#integration = this.bridges.get(switchName(spec, spec.bridges[0]!))!.switch
    this.#integration.ports.add({ number: UPLINK_PORT, name: 'uplink', type: 'uplink', state: 'open' })
  }

  /** Frames from the fabric: tunnelled ones for this host's endpoint are unpacked, the others come in at the uplink. */
  receive(frames: readonly FrameHandle[]): void {
    const tunnelled: FrameHandle[] = []
    const plain: FrameHandle[] = []
    for (const frame of frames) {
      if (this.#isForVtep(frame)) tunnelled.push(frame)
      else plain.push(frame)
    }
    if (tunnelled.length > 0) this.#integration.receiveTunnelled(tunnelled, tunnelled.length)
    if (plain.length > 0) this.#integration.receive(plain, plain.length, UPLINK_PORT)
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
    const { arena, clock, trail, stopwatch } = this.#world
    const made: Switch = new Switch({
      name,
      host: this.name,
      datapathId,
      arena,
      clock,
      ...(stopwatch && { stopwatch }),
      events: {
        transmit: (port, frame) => this.#transmit(port, frame),
        drop: (frame, reason, at) => this.#events.drop(frame, reason, name, at.flow),
        output: (frame, _port, flow, hits) => trail.add(frame, name, flow, hits),
        message: (message: Message) => agent.publish(message),
      },
    })
    const agent = new Agent(made)
    return { switch: made, agent }
  }

  #transmit(port: Port, frame: FrameHandle): void {
    switch (port.config.type) {
      case 'vnic':
        return this.#events.vnic(this.name, port.config.name, frame)
      case 'patch':
        return this.#crossPatch(port, frame)
      case 'tunnel':
        return this.#sendTunnelled(frame)
      case 'uplink':
        return this.#events.uplink(this.name, frame)
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
    other.receive([frame], 1, otherPort.config.number)
  }

  /** The tunnel wrote the outer IP header; which MAC addresses lead there is the host's to know. */
  #sendTunnelled(frame: FrameHandle): void {
    const { arena } = this.#world
    if (this.#vtepMac === undefined) return this.#drop(frame, 'unknown_tunnel')
    const start = arena.offset[frame]!
    const destination = vtepMac(formatIpv4(arena.view.getUint32(start + 30)))
    writeMac(arena.view, start, destination)
    writeMac(arena.view, start + 6, this.#vtepMac)
    this.#events.uplink(this.name, frame)
  }

  #isForVtep(frame: FrameHandle): boolean {
    if (this.#vtepMac === undefined) return false
    const { view, offset, length } = this.#world.arena
    const start = offset[frame]!
    if (length[frame]! < 42) return false
    const toMe =
      view.getUint16(start) === Number(this.#vtepMac >> 32n) &&
      view.getUint32(start + 2) === Number(this.#vtepMac & 0xffffffffn)
    const headerLength = (view.getUint8(start + 14) & 0x0f) * 4
    const isUdp = view.getUint16(start + 12) === 0x0800 && view.getUint8(start + 23) === 17
    return (
      toMe &&
      isUdp &&
      length[frame]! >= 14 + headerLength + 8 &&
      view.getUint16(start + 14 + headerLength + 2) === VXLAN_PORT
    )
  }

  #drop(frame: FrameHandle, reason: DropReason): void {
    this.#events.drop(frame, reason, this.name)
    this.#world.arena.release(frame)
  }
}

function writeMac(view: DataView, at: number, mac: bigint): void {
  view.setUint16(at, Number(mac >> 32n))
  view.setUint32(at + 2, Number(mac & 0xffffffffn))
}
