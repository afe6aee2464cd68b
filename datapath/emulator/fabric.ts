// The physical network between the hosts: switches that learn behind which host an address lives, send to it along a shortest
// path (equal ones are shared out by flow), and flood what they do not know along a spanning tree.
//
// As in IEEE 802.1aq, a frame is learned against the edge where it entered the fabric, not against a port, so a
// failed link changes the path and forgets no address. Tunnel endpoints are known from the start: their addresses are the hosts' own.

import { parseIpv4 } from '../../protocols/address.ts'
import type { Decode } from '../../protocols/control/codec.ts'
import { announcesVlan } from '../../protocols/packet/vlan.ts'
import type { Clock, Nanoseconds } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'
import type { Stopwatch } from '../../runtime/stopwatch.ts'
import type { Link, Topology } from '../../topologies/topology.ts'
import type { DropReason } from '../drops.ts'
import type { FrameArena, FrameHandle } from '../frames.ts'
import { AddressBook } from './address-book.ts'
import type { Agenda } from './agenda.ts'
import { LinkDirection } from './link.ts'
import { Paths } from './paths.ts'
import type { Trail } from './trail.ts'
import type { Way } from './way.ts'
import { isVtep, vtepNumber } from '../host/vtep.ts'

export interface FabricEvents {
  /** The first `count` frames have reached the host's network card. The list is good for this call. */
  receive(host: string, frames: ArrayLike<FrameHandle>, count: number): void
  /** The frame, or a copy that never came to be, ends at `place`: a fabric switch or a link. It is not the receiver's. */
  drop(frame: FrameHandle, reason: DropReason, place: string): void
  /** See LinkEvents. */
  stirred(frame: FrameHandle): void
}

export interface World {
  arena: FrameArena
  clock: Clock
  random: Random
  trail: Trail
  /** What frames on links wait for. */
  agenda: Agenda
  /** Times the stages of some frames. */
  stopwatch?: Stopwatch
  /** What reads messages of controllers; `decodeEnvelope` where absent. */
  decode?: Decode
}

/** Of the longest path to be expected: from leaf to leaf of a tree of depth four. */
const LINKS_ON_A_PATH = 8

/** On a way that is remembered. */
const MOST_LINKS = 32

const linkName = (a: string, b: string) => `${a} - ${b}`

/** A host's network card, or a switch between hosts. */
interface Node {
  name: string
  /** Its number as a host; -1 for a switch. */
  host: number
  /** Where to, by the name of the next node, in the order of the topology. */
  directions: Map<string, LinkDirection>
  /** Of a switch: behind which host an address was last seen. */
  learned: AddressBook
  /** By host: the first links of all shortest paths there, as far as they were asked for since the paths changed. */
  towards: (LinkDirection[] | undefined)[]
  /** The same of the spanning tree. */
  branches: Branch[] | undefined
}

interface Branch {
  to: Node
  direction: LinkDirection
}

export class Fabric {
  /** Goes up with everything that may change where frames go. */
  changes = 0
  readonly #world: World
  readonly #events: FabricEvents
  readonly #hosts: string[]
  readonly #nodes = new Map<string, Node>()
  readonly #paths: Paths
  /** Hosts by the last three octets of their tunnel endpoint's address. */
  readonly #vteps: ReadonlyMap<number, number>
  /** By frame handle: the number of the host at which the frame entered. */
  readonly #edge: number[] = []
  /** By frame handle: the way that is known of it, and how many of its links are behind the frame. */
  readonly #ways: (Way | undefined)[] = []
  readonly #hops: number[] = []
  /** By the names of their nodes, as of so many changes. */
  readonly #known = new Map<string, Way>()
  #knownAsOf = 0
  /** By frame handle: the generation of the paths on which its copies were last sent out. */
  readonly #generation: number[] = []

  constructor(topology: Topology, world: World, events: FabricEvents) {
    this.#world = world
    this.#events = events
    this.#hosts = topology.hosts.map(({ name }) => name)
    this.#paths = new Paths(this.#hosts, topology.fabric)
    this.#vteps = new Map(
      topology.hosts.flatMap(({ vtep }, index) => (vtep === undefined ? [] : [[vtepNumber(parseIpv4(vtep)), index]])),
    )
    this.#hosts.forEach((name, index) => this.#nodes.set(name, makeNode(name, index)))
    for (const { name } of topology.fabric.switches) this.#nodes.set(name, makeNode(name, -1))
    for (const link of topology.fabric.links) this.#lay(link)
  }

  /**
   * Switches that were in the fabric before know the addresses that they knew there, of hosts that are still here. What is still on its
   * way there teaches them, too, where all hosts have kept their numbers.
   */
  learnFrom(before: Fabric): void {
    const numbers = before.#hosts.map((name) => this.#hosts.indexOf(name))
    const areKept = numbers.every((number, index) => number === index)
    for (const [name, { learned }] of before.#nodes) {
      const node = this.#nodes.get(name)
      if (node !== undefined) node.learned = areKept ? learned : learned.renumbered(numbers)
    }
    this.changes++
  }

  /** How long a frame that is on its way now may still be: as many links as paths have, each as slow as the slowest. */
  get crossingTime(): Nanoseconds {
    const links = [...this.#nodes.values()].flatMap(({ directions }) => [...directions.values()])
    return LINKS_ON_A_PATH * Math.max(0, ...links.map((link) => link.crossingTime))
  }

  /** Frames that wait in queues of links. */
  waiting(): FrameHandle[] {
    return [...this.#nodes.values()].flatMap(({ directions }) =>
      [...directions.values()].flatMap((link) => link.waiting()),
    )
  }

  /** A frame leaves a host's network card. */
  send(host: string, frame: FrameHandle): void {
    // One that is no longer in the topology has no way to anywhere.
    const node = this.#nodes.get(host) ?? makeNode(host, -1)
    this.#edge[frame] = node.host
    this.#generation[frame] = this.#paths.generation
    this.#ways[frame] = undefined
    this.#forward(node, frame, undefined)
  }

  /** The same for one whose way is known. */
  sendAlong(way: Way, host: string, frame: FrameHandle): void {
    if (way.asOf !== this.changes) return this.send(host, frame)
    this.#edge[frame] = this.#nodes.get(host)!.host
    this.#generation[frame] = this.#paths.generation
    this.#ways[frame] = way
    this.#hops[frame] = 0
    way.links[0]!.send(frame)
  }

  /** The way of the frame if it left the host now, where it leads to one host and no switch learns anything by it. */
  wayOf(host: string, frame: FrameHandle): Way | undefined {
    const { length } = this.#world.arena
    let node = this.#nodes.get(host)
    if (node === undefined || length[frame]! < 14 || this.#isGroup(frame)) return undefined
    const edge = node.host
    const nodes = [node]
    while (nodes.length === 1 || node.host === -1) {
      const next = this.#nextOf(node, frame)
      if (next === undefined || nodes.length > MOST_LINKS) return undefined
      if (next.host === -1 && !this.#hasLearned(next, frame, edge)) return undefined
      nodes.push(next)
      node = next
    }
    return this.#wayThrough(nodes)
  }

  #wayThrough(nodes: readonly Node[]): Way {
    if (this.#knownAsOf !== this.changes) this.#known.clear()
    this.#knownAsOf = this.changes
    const names = nodes.map(({ name }) => name)
    const key = names.join(' ')
    let way = this.#known.get(key)
    if (way === undefined) {
      const links = nodes.slice(1).map(({ name }, index) => nodes[index]!.directions.get(name)!)
      const time = links.reduce((sum, link) => sum + link.plainTime, 0)
      way = { links, to: names.at(-1)!, time, asOf: this.changes }
      this.#known.set(key, way)
    }
    return way
  }

  /** Where the node sends the frame; undefined where that is nowhere, or everywhere. */
  #nextOf(node: Node, frame: FrameHandle): Node | undefined {
    const host = this.#whereIs(node, frame)
    const link = host === -1 ? undefined : this.#hopTo(node, host, frame)
    for (const [name, direction] of node.directions) if (direction === link) return this.#node(name)
    return undefined
  }

  /** The hosts that a frame sent by `host` would come to, as far as anybody knows now. Nothing is sent, and nothing learned. */
  reach(host: string, frame: FrameHandle): string[] {
    const known = this.#isGroup(frame) ? -1 : this.#whereIs(this.#nodes.get(host) ?? makeNode(host, -1), frame)
    const wanted = known === -1 ? this.#hosts : [this.#hosts[known]!]
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
    const directions = [this.#nodes.get(a)?.directions.get(b), this.#nodes.get(b)?.directions.get(a)]
    if (directions[0] === undefined) return false
    for (const direction of directions) if (direction!.up !== up) direction![up ? 'heal' : 'fail']()
    this.#paths[up ? 'heal' : 'fail'](a, b)
    this.changes++
    for (const node of this.#nodes.values()) {
      node.towards.length = 0
      node.branches = undefined
    }
    return true
  }

  #lay(link: Link): void {
    const [a, b] = link.endpoints
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const world = { ...this.#world, random: this.#world.random.fork(linkName(from, to)) }
      const [source, target] = [this.#node(from), this.#node(to)]
      const direction = new LinkDirection(link, world, {
        arrive:
          target.host === -1
            ? (frames, count) => this.#arrive(target, frames, count, source)
            : (frames, count) => this.#events.receive(to, frames, count),
        drop: (frame, reason) => this.#events.drop(frame, reason, linkName(from, to)),
        stirred: (frame) => this.#events.stirred(frame),
      })
      source.directions.set(to, direction)
    }
  }

  #node(name: string): Node {
    const node = this.#nodes.get(name)
    if (node === undefined) throw new Error(`no node '${name}' in the fabric`)
    return node
  }

  #arrive(node: Node, frames: ArrayLike<FrameHandle>, count: number, from: Node): void {
    for (let index = 0; index < count; index++) {
      const frame = frames[index]!
      this.#world.trail.add(frame, node.name)
      const way = this.#ways[frame]
      if (way !== undefined && way.asOf === this.changes) {
        way.links[++this.#hops[frame]!]!.send(frame)
        continue
      }
      this.#ways[frame] = undefined
      this.#learn(node, frame)
      this.#forward(node, frame, from)
    }
  }

  #forward(node: Node, frame: FrameHandle, from: Node | undefined): void {
    const { arena } = this.#world
    if (arena.length[frame]! < 14) return this.#drop(frame, 'malformed', node.name)
    const host = this.#isGroup(frame) ? -1 : this.#whereIs(node, frame)
    if (host === -1) return this.#flood(node, frame, from)
    const link = this.#hopTo(node, host, frame)
    if (link === undefined) return this.#drop(frame, host === node.host ? 'no_recipient' : 'no_route', node.name)
    link.send(frame)
  }

  #hopTo(node: Node, host: number, frame: FrameHandle): LinkDirection | undefined {
    const hops = node.towards[host] ?? this.#hopsTo(node, host)
    return hops.length < 2 ? hops[0] : hops[flowHash(this.#world.arena, frame) % hops.length]
  }

  #hopsTo(node: Node, host: number): LinkDirection[] {
    const names = this.#paths.nextHops(node.name, this.#hosts[host]!)
    return (node.towards[host] = names.map((next) => node.directions.get(next)!))
  }

  #branchesOf(node: Node): Branch[] {
    const names = [...this.#paths.treeNeighbours(node.name)]
    return (node.branches ??= names.map((next) => ({
      to: this.#node(next),
      direction: node.directions.get(next)!,
    })))
  }

  #isGroup(frame: FrameHandle): boolean {
    const { view, offset } = this.#world.arena
    return (view.getUint8(offset[frame]!) & 1) === 1
  }

  /**
   * The number of the host behind which the frame's destination is, or -1. A host asks the first switch it is attached to: the
   * card itself knows nothing.
   */
  #whereIs(node: Node, frame: FrameHandle): number {
    const { arena } = this.#world
    const start = arena.offset[frame]!
    const high = arena.view.getUint16(start)
    const low = arena.view.getUint32(start + 2)
    const endpoint = this.#vtepAt(high, low)
    if (endpoint !== -1) return endpoint
    const asked = node.host === -1 ? node : this.#branchesOf(node)[0]?.to
    return asked === undefined ? -1 : asked.learned.find(vlanOf(arena, frame), high, low)
  }

  #vtepAt(high: number, low: number): number {
    return isVtep(high, low) ? (this.#vteps.get(low & 0xffffff) ?? -1) : -1
  }

  /** Whether an address is one that switches learn. */
  #isLearned(high: number, low: number): boolean {
    return (high & 0x100) === 0 && this.#vtepAt(high, low) === -1
  }

  /** Whether the switch knows all that it could learn by the frame. */
  #hasLearned(node: Node, frame: FrameHandle, edge: number): boolean {
    const { arena } = this.#world
    const start = arena.offset[frame]!
    const high = arena.view.getUint16(start + 6)
    const low = arena.view.getUint32(start + 8)
    return !this.#isLearned(high, low) || node.learned.find(vlanOf(arena, frame), high, low) === edge
  }

  #learn(node: Node, frame: FrameHandle): void {
    const { arena } = this.#world
    const start = arena.offset[frame]!
    const high = arena.view.getUint16(start + 6)
    const low = arena.view.getUint32(start + 8)
    if (!this.#isLearned(high, low)) return
    if (node.learned.learn(vlanOf(arena, frame), high, low, this.#edge[frame]!)) this.changes++
  }

  /**
   * Where failures keep some hosts from being reached at all, that is a drop too, once, beside the copies that leave; so it is
   * where the tree has changed under a frame, which may then miss a branch.
   */
  #flood(node: Node, frame: FrameHandle, from: Node | undefined): void {
    const { arena } = this.#world
    const out = this.#branchesOf(node).filter(({ to }) => to !== from)
    const { generation } = this.#paths
    const mayMiss = from === undefined ? !this.#paths.floodsToAll(node.name) : this.#generation[frame] !== generation
    if (out.length === 0)
      return this.#drop(frame, from === undefined ? 'link_down' : mayMiss ? 'no_route' : 'no_recipient', node.name)
    if (mayMiss) this.#events.drop(frame, 'no_route', node.name)
    out.forEach(({ direction }, index) => {
      const copy = index < out.length - 1 ? arena.clone(frame) : frame
      this.#edge[copy] = this.#edge[frame]!
      this.#generation[copy] = generation
      this.#ways[copy] = undefined
      direction.send(copy)
    })
  }

  #drop(frame: FrameHandle, reason: DropReason, place: string): void {
    this.#events.drop(frame, reason, place)
    this.#world.arena.release(frame)
  }
}

const makeNode = (name: string, host: number): Node => ({
  name,
  host,
  directions: new Map(),
  learned: new AddressBook(),
  towards: [],
  branches: undefined,
})

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
