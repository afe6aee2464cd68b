// The physical network between the hosts: switches that learn behind which host an address lives, send to it along a shortest
// path (equal ones are shared out by flow), and flood what they do not know along a spanning tree.
//
// As in IEEE 802.1aq, a frame is learned against the edge where it entered the fabric, not against a port, so a
// failed link changes the path and forgets no address. Tunnel endpoints are known from the start: their addresses are the hosts' own.

import { announcesVlan } from '../../protocols/packet/vlan.ts'
import type { Clock, Nanoseconds } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'
import type { Stopwatch } from '../../runtime/stopwatch.ts'
import type { Link, Topology } from '../../topologies/topology.ts'
import type { DropReason } from '../drops.ts'
import type { FrameArena, FrameHandle } from '../frames.ts'
import { LinkDirection } from './link.ts'
import { Paths } from './paths.ts'
import type { Trail } from './trail.ts'
import { vtepMac } from './vtep.ts'

export interface FabricEvents {
  /** The frames have reached the host's network card. */
  receive(host: string, frames: readonly FrameHandle[]): void
  /** The frame, or a copy that never came to be, ends at `place`: a fabric switch or a link. It is not the receiver's. */
  drop(frame: FrameHandle, reason: DropReason, place: string): void
}

export interface World {
  arena: FrameArena
  clock: Clock
  random: Random
  trail: Trail
  /** Times the stages of some frames. */
  stopwatch?: Stopwatch
}

/** Of the longest path to be expected: from leaf to leaf of a tree of depth four. */
const LINKS_ON_A_PATH = 8

/** A MAC address as a number of 48 bits. */
type Mac = number

const linkName = (a: string, b: string) => `${a} - ${b}`

export class Fabric {
  readonly #world: World
  readonly #events: FabricEvents
  readonly #hosts: ReadonlySet<string>
  readonly #paths: Paths
  /** By the node that sends, then the one that receives. */
  readonly #directions = new Map<string, Map<string, LinkDirection>>()
  /** By fabric switch, then VLAN: address -> host behind which it was last seen. */
  readonly #learned = new Map<string, Map<number, Map<Mac, string>>>()
  readonly #vteps: ReadonlyMap<Mac, string>
  /** By frame handle: the host at which the frame entered. */
  readonly #edge: string[] = []
  /** By frame handle: the generation of the paths on which its copies were last sent out. */
  readonly #generation: number[] = []

  constructor(topology: Topology, world: World, events: FabricEvents) {
    this.#world = world
    this.#events = events
    this.#hosts = new Set(topology.hosts.map(({ name }) => name))
    this.#paths = new Paths([...this.#hosts], topology.fabric)
    this.#vteps = new Map(
      topology.hosts.flatMap(({ name, vtep }) => (vtep === undefined ? [] : [[Number(vtepMac(vtep)), name]])),
    )
    for (const { name } of topology.fabric.switches) this.#learned.set(name, new Map())
    for (const link of topology.fabric.links) this.#lay(link)
  }

  /** How long a frame that is on its way now may still be: as many links as paths have, each as slow as the slowest. */
  get crossingTime(): Nanoseconds {
    const links = [...this.#directions.values()].flatMap((directions) => [...directions.values()])
    return LINKS_ON_A_PATH * Math.max(0, ...links.map((link) => link.crossingTime))
  }

  /** A frame leaves a host's network card. */
  send(host: string, frame: FrameHandle): void {
    this.#edge[frame] = host
    this.#generation[frame] = this.#paths.generation
    this.#forward(host, frame, undefined)
  }

  /** The hosts that a frame sent by `host` would come to, as far as anybody knows now. Nothing is sent, and nothing learned. */
  reach(host: string, frame: FrameHandle): string[] {
    const { arena } = this.#world
    const destination = macAt(arena, arena.offset[frame]!)
    const known = isGroup(destination) ? undefined : this.#whereIs(host, frame, destination)
    const wanted = known === undefined ? [...this.#hosts] : [known]
    return wanted.filter((other) => other !== host && this.#paths.nextHops(host, other).length > 0)
  }

  /** @returns false where no such link exists. */
  fail(a: string, b: string): boolean {
    return this.#setUp(a, b, false)
  }

  /** @returns false where no such link exists. */
  heal(a: string, b: string): boolean {
    return this.#setUp(a, b, true)
  }

  #setUp(a: string, b: string, up: boolean): boolean {
    const directions = [this.#directions.get(a)?.get(b), this.#directions.get(b)?.get(a)]
    if (directions[0] === undefined) return false
    for (const direction of directions) if (direction!.up !== up) direction![up ? 'heal' : 'fail']()
    this.#paths[up ? 'heal' : 'fail'](a, b)
    return true
  }

  #lay(link: Link): void {
    const [a, b] = link.endpoints
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const world = { ...this.#world, random: this.#world.random.fork(linkName(from, to)) }
      const direction = new LinkDirection(link, world, {
        arrive: (frames) => this.#arrive(to, frames, from),
        drop: (frame, reason) => this.#events.drop(frame, reason, linkName(from, to)),
      })
      if (!this.#directions.has(from)) this.#directions.set(from, new Map())
      this.#directions.get(from)!.set(to, direction)
    }
  }

  #arrive(node: string, frames: readonly FrameHandle[], from: string): void {
    if (this.#hosts.has(node)) return this.#events.receive(node, frames)
    for (const frame of frames) {
      this.#world.trail.add(frame, node)
      this.#learn(node, frame)
      this.#forward(node, frame, from)
    }
  }

  #forward(node: string, frame: FrameHandle, from: string | undefined): void {
    const { arena } = this.#world
    if (arena.length[frame]! < 14) return this.#drop(frame, 'malformed', node)
    const destination = macAt(arena, arena.offset[frame]!)
    const host = isGroup(destination) ? undefined : this.#whereIs(node, frame, destination)
    if (host === undefined) return this.#flood(node, frame, from)
    const hops = this.#paths.nextHops(node, host)
    if (hops.length === 0) return this.#drop(frame, host === node ? 'no_recipient' : 'no_route', node)
    this.#transmit(node, hops.length === 1 ? hops[0]! : hops[flowHash(arena, frame) % hops.length]!, frame)
  }

  /** A host asks the first switch it is attached to: the card itself knows nothing. */
  #whereIs(node: string, frame: FrameHandle, destination: Mac): string | undefined {
    const known = this.#vteps.get(destination)
    if (known !== undefined) return known
    const tables = this.#learned.get(node) ?? this.#learned.get([...this.#paths.treeNeighbours(node)][0] ?? '')
    return tables?.get(vlanOf(this.#world.arena, frame))?.get(destination)
  }

  #learn(node: string, frame: FrameHandle): void {
    const { arena } = this.#world
    const source = macAt(arena, arena.offset[frame]! + 6)
    if (isGroup(source) || this.#vteps.has(source)) return
    const tables = this.#learned.get(node)!
    const vlan = vlanOf(arena, frame)
    let addresses = tables.get(vlan)
    if (addresses === undefined) tables.set(vlan, (addresses = new Map()))
    addresses.set(source, this.#edge[frame]!)
  }

  /**
   * Where failures keep some hosts from being reached at all, that is a drop too, once, beside the copies that leave; so it is
   * where the tree has changed under a frame, which may then miss a branch.
   */
  #flood(node: string, frame: FrameHandle, from: string | undefined): void {
    const { arena } = this.#world
    const out = [...this.#paths.treeNeighbours(node)].filter((next) => next !== from)
    const { generation } = this.#paths
    const mayMiss = from === undefined ? !this.#paths.floodsToAll(node) : this.#generation[frame] !== generation
    if (out.length === 0)
      return this.#drop(frame, from === undefined ? 'link_down' : mayMiss ? 'no_route' : 'no_recipient', node)
    if (mayMiss) this.#events.drop(frame, 'no_route', node)
    out.forEach((next, index) => {
      const copy = index < out.length - 1 ? arena.clone(frame) : frame
      this.#edge[copy] = this.#edge[frame]!
      this.#generation[copy] = generation
      this.#transmit(node, next, copy)
    })
  }

  #transmit(from: string, to: string, frame: FrameHandle): void {
    this.#directions.get(from)!.get(to)!.send(frame)
  }

  #drop(frame: FrameHandle, reason: DropReason, place: string): void {
    this.#events.drop(frame, reason, place)
    this.#world.arena.release(frame)
  }
}

const isGroup = (mac: Mac) => Math.floor(mac / 2 ** 40) % 2 === 1

const macAt = (arena: FrameArena, at: number): Mac => arena.view.getUint16(at) * 2 ** 32 + arena.view.getUint32(at + 2)

/** VLAN id of the outer 802.1Q or 802.1ad tag, 0 where there is none. */
function vlanOf(arena: FrameArena, frame: FrameHandle): number {
  const start = arena.offset[frame]!
  const etherType = arena.view.getUint16(start + 12)
  const tagged = announcesVlan(etherType) && arena.length[frame]! >= 18
  return tagged ? arena.view.getUint16(start + 14) & 0x0fff : 0
}

/** Over MAC addresses, and for IPv4 addresses and ports as well: frames of one flow take one way. */
function flowHash(arena: FrameArena, frame: FrameHandle): number {
  const { view } = arena
  const start = arena.offset[frame]!
  const network = start + (vlanOf(arena, frame) === 0 ? 14 : 18)
  let hash = 0x811c9dc5
  for (let at = start; at < start + 12; at += 4) hash = mix(hash, view.getUint32(at))
  const isIpv4 = view.getUint16(network - 2) === 0x0800 && arena.length[frame]! >= network - start + 24
  if (isIpv4) for (const at of [12, 16, 20]) hash = mix(hash, view.getUint32(network + at))
  return (hash ^ (hash >>> 15)) >>> 0
}

const mix = (hash: number, word: number) => Math.imul(hash ^ word ^ (word >>> 16), 0x01000193)
