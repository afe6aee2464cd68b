// START HERE. A frame's way through the emulated network, from where it enters to where its copies are heard or end: at each
// switch what trace.ts of the datapath tells, between them patch ports, tunnels and the fabric. Nothing is sent and nothing changes.

import type { EmulatedNetwork } from '../../datapath/emulator/network.ts'
import type { Port } from '../../datapath/port.ts'
import type { FlowKey } from '../../datapath/flow-key.ts'
import type { Switch } from '../../datapath/switch.ts'
import { withHeaders } from '../../datapath/trace/request.ts'
import type { Trace, TracedOutput, TraceRequest } from '../../datapath/trace/trace.ts'
import { traceFrame } from '../../datapath/trace/trace.ts'
import { vtepMac } from '../../datapath/host/vtep.ts'
import { formatIpv4, parseIpv4 } from '../../protocols/address.ts'
import { keepsFrames } from '../../protocols/control/messages.ts'
import { KEY_WORDS, Word } from '../../protocols/fields.ts'
import { VXLAN_PORT } from '../../protocols/packet/vxlan.ts'
import type { Topology } from '../../topologies/topology.ts'
import { dropName } from '../drop-names.ts'

/** Switches on the way, all copies together, before it is given up. */
const MAX_HOPS = 4096

interface Entry {
  /** As h1/br-int. */
  switch: string
  port: number
}

export interface TracedHop {
  switch: string
  inPort: number
  /** Where the frame came from: a vNIC, another switch's port, a tunnel. */
  from: string
  trace: Trace
}

export interface TracedEnd {
  /** As h1/br-int, or h1 for what happens between switches. */
  place: string
  name: string
}

export interface FollowedFrame {
  hops: TracedHop[]
  /** vNICs that would hear it. */
  deliveries: { nic: string; frame: Uint8Array }[]
  drops: TracedEnd[]
}

export interface Arrival extends Entry {
  from: string
  frame: Uint8Array
  /** What is known of it as it enters; else what its bytes and the tunnel say. */
  key?: FlowKey
  tunnel?: { vni: number; source: number; destination: number }
}

/** What holds at every switch on the way, as in `TraceRequest`: of `connectionStates`, each begins anew. */
export type Assumptions = Pick<TraceRequest, 'connectionStates' | 'anyTcpFlags'>

/** Follows a frame from where it enters. */
export function followFrame(
  network: EmulatedNetwork,
  topology: Topology,
  arrival: Arrival,
  assumptions: Assumptions = {},
): FollowedFrame {
  return new Following(network, topology, assumptions).run(arrival)
}

class Following {
  readonly #network: EmulatedNetwork
  readonly #topology: Topology
  readonly #assumptions: Assumptions
  readonly #waiting: Arrival[] = []
  readonly #followed: FollowedFrame = { hops: [], deliveries: [], drops: [] }

  constructor(network: EmulatedNetwork, topology: Topology, assumptions: Assumptions) {
    this.#network = network
    this.#topology = topology
    this.#assumptions = assumptions
  }

  run(first: Arrival): FollowedFrame {
    this.#waiting.push(first)
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (this.#followed.hops.length < MAX_HOPS) this.#enter(next)
      else this.#drop(next.switch, 'too_many_resubmit')
    }
    return this.#followed
  }

  #enter(arrival: Arrival): void {
    const device = this.#network.switch(arrival.switch)
    const port = device?.ports.byNumber(arrival.port)
    if (device === undefined || port === undefined) return this.#drop(arrival.switch, 'unknown_port')
    const refusal = refusalAt(port) ?? (port.flags.noReceive ? 'no_recv' : undefined)
    if (refusal !== undefined) return this.#drop(device.name, refusal)
    const trace = traceFrame(device, {
      key: arrival.key ?? keyOf(arrival),
      frame: arrival.frame,
      ...this.#assumptions,
    })
    this.#followed.hops.push({ switch: device.name, inPort: port.number, from: arrival.from, trace })
    for (const { reason, flow } of trace.ends) this.#drop(device.name, dropName(reason, flow))
    for (const output of trace.outputs) this.#leave(device, output)
  }

  #leave(device: Switch, output: TracedOutput): void {
    const port = device.ports.byNumber(output.port)
    if (port === undefined) return this.#drop(device.name, 'unknown_port')
    const refusal = refusalAt(port) ?? (port.flags.noForward ? 'no_fwd' : undefined)
    if (refusal !== undefined) return this.#drop(device.name, refusal)
    if (port.config.mtu !== undefined && output.frame.length - HEADER_SIZE > port.config.mtu)
      return this.#drop(device.name, 'mtu_exceeded')
    this.#cross(device, port, output)
  }

  #cross(device: Switch, port: Port, output: TracedOutput): void {
    const { frame } = output
    switch (port.config.type) {
      case 'vnic':
        return void this.#followed.deliveries.push({ nic: port.config.name, frame })
      case 'patch':
        return this.#crossPatch(device, port, frame)
      case 'tunnel':
        return this.#crossTunnel(device, port, output)
      case 'uplink':
        return this.#crossFabric(device, frame)
      default:
        return this.#drop(device.name, 'no_recipient')
    }
  }

  #crossPatch(device: Switch, { config: { name, patchPeer } }: Port, frame: Uint8Array): void {
    const number = patchPeer && this.#network.switch(patchPeer.switch)?.ports.byName(patchPeer.port)?.number
    if (patchPeer === undefined || number === undefined) return this.#drop(device.host, 'link_down')
    this.#waiting.push({ switch: patchPeer.switch, port: number, from: `${device.name} ${name}`, frame })
  }

  #crossTunnel(device: Switch, { config }: Port, { frame, tunnel }: TracedOutput): void {
    if (tunnel === undefined) return this.#drop(device.name, 'unknown_tunnel')
    const remote = this.#topology.hosts.find(({ vtep }) => vtep !== undefined && parseIpv4(vtep) === tunnel.destination)
    const outer = new Uint8Array(HEADER_SIZE)
    writeMac(outer, vtepMac(formatIpv4(tunnel.destination)))
    if (remote === undefined || !this.#network.reach(device.host, outer).includes(remote.name))
      return this.#drop(device.host, remote === undefined ? 'no_recipient' : 'no_route')
    const ends = {
      vni: Number(tunnel.id & 0xffffffn),
      source: tunnel.source === 0 ? (config.tunnel?.localIp ?? 0) : tunnel.source,
      destination: tunnel.destination,
    }
    const far = this.#integrationOf(remote.name)
    const destinationPort = config.tunnel?.destinationPort ?? VXLAN_PORT
    const number = far?.ports.tunnels.find(ends.vni, ends.source, ends.destination, destinationPort) ?? -1
    if (far === undefined || number < 0) return this.#drop(far?.name ?? remote.name, 'unknown_tunnel')
    const from = `VXLAN ${ends.vni} ${formatIpv4(ends.source)} -> ${formatIpv4(ends.destination)}`
    this.#waiting.push({ switch: far.name, port: number, from, frame, tunnel: ends })
  }

  #crossFabric(device: Switch, frame: Uint8Array): void {
    const hosts = this.#network.reach(device.host, frame)
    if (hosts.length === 0) return this.#drop(device.host, 'no_route')
    for (const host of hosts) {
      const far = this.#integrationOf(host)
      const uplink = far && [...far.ports].find(({ config }) => config.type === 'uplink')
      if (far === undefined || uplink === undefined) this.#drop(host, 'link_down')
      else this.#waiting.push({ switch: far.name, port: uplink.number, from: `fabric, from ${device.host}`, frame })
    }
  }

  /** The first switch of a host has its uplink and its tunnels. */
  #integrationOf(host: string): Switch | undefined {
    return [...this.#network.switches().values()].find(({ switch: { host: at } }) => at === host)?.switch
  }

  #drop(place: string, name: string): void {
    this.#followed.drops.push({ place, name })
  }
}

const HEADER_SIZE = 14

function keyOf({ port, frame, tunnel }: Arrival): Uint32Array {
  const key = new Uint32Array(KEY_WORDS)
  key[Word.inPort] = port
  if (tunnel !== undefined) {
    key[Word.tunnelId + 1] = tunnel.vni
    key[Word.tunnelSource] = tunnel.source
    key[Word.tunnelDestination] = tunnel.destination
  }
  return withHeaders(key, frame)
}

/** What keeps frames from coming in as much as from going out. */
function refusalAt({ config, linkUp, flags }: Port): string | undefined {
  if (config.state === 'closed') return 'inactive_binding'
  return (!linkUp && !keepsFrames(config.state)) || flags.down ? 'link_down' : undefined
}

function writeMac(bytes: Uint8Array, mac: bigint): void {
  for (let index = 0; index < 6; index++) bytes[index] = Number((mac >> BigInt(8 * (5 - index))) & 0xffn)
}
