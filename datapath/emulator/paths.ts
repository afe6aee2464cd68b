// Which way is shortest: the fabric as a graph, asked again only after a link has failed or healed.

import { Graph, alg } from '@dagrejs/graphlib'
import type { Fabric } from '../../topologies/topology.ts'

export class Paths {
  readonly #graph = new Graph({ directed: false })
  readonly #hosts: ReadonlySet<string>
  /** By destination: hops from every node to it. */
  readonly #distances = new Map<string, ReadonlyMap<string, number>>()
  #tree: ReadonlyMap<string, ReadonlySet<string>> | undefined
  /** Goes up with every failure and healing. */
  generation = 0
  /** By host: the answers of `floodsToAll`. */
  readonly #floodsToAll = new Map<string, boolean>()

  constructor(hosts: readonly string[], fabric: Fabric) {
    this.#hosts = new Set(hosts)
    for (const node of [...hosts, ...fabric.switches.map(({ name }) => name)]) this.#graph.setNode(node)
    for (const { endpoints } of fabric.links) this.#graph.setEdge(...endpoints)
  }

  fail(a: string, b: string): void {
    this.#graph.removeEdge(a, b)
    this.#forget()
  }

  heal(a: string, b: string): void {
    this.#graph.setEdge(a, b)
    this.#forget()
  }

  /** The neighbours of `node` on a shortest path to `host`, in the order of the topology. Hosts do not forward for others. */
  nextHops(node: string, host: string): string[] {
    const distance = this.#distancesTo(host)
    const here = distance.get(node)
    if (here === undefined) return []
    return this.#neighbours(node).filter(
      (next) => (next === host || !this.#hosts.has(next)) && distance.get(next) === here - 1,
    )
  }

  /** The neighbours of `node` on the spanning tree that flooded frames follow; every host hangs from it by one link. */
  treeNeighbours(node: string): ReadonlySet<string> {
    this.#tree ??= this.#spanningTree()
    return this.#tree.get(node) ?? new Set()
  }

  /** Whether what `host` floods comes to every other host. */
  floodsToAll(host: string): boolean {
    let answer = this.#floodsToAll.get(host)
    if (answer === undefined) {
      const onward = (node: string) => (node === host || !this.#hosts.has(node) ? [...this.treeNeighbours(node)] : [])
      const reached = breadthFirst(host, onward, new Set([host]), () => {})
      answer = reached.filter((node) => this.#hosts.has(node)).length === this.#hosts.size
      this.#floodsToAll.set(host, answer)
    }
    return answer
  }

  #neighbours(node: string): string[] {
    return this.#graph.neighbors(node) ?? []
  }

  #distancesTo(host: string): ReadonlyMap<string, number> {
    let distances = this.#distances.get(host)
    if (distances === undefined) {
      const passable = (node: string) =>
        node === host || !this.#hosts.has(node) ? (this.#graph.nodeEdges(node) ?? []) : []
      const entries = Object.entries(alg.dijkstra(this.#graph, host, () => 1, passable))
      distances = new Map(
        entries.filter(([, { distance }]) => distance < Infinity).map(([node, { distance }]) => [node, distance]),
      )
      this.#distances.set(host, distances)
    }
    return distances
  }

  /** Breadth first over the switches, in the order of the topology; then each host by its first link to a switch. */
  #spanningTree(): Map<string, Set<string>> {
    const tree = new Map(this.#graph.nodes().map((node) => [node, new Set<string>()]))
    const join = (a: string, b: string) => {
      tree.get(a)!.add(b)
      tree.get(b)!.add(a)
    }
    const reached = new Set<string>()
    for (const root of this.#graph.nodes()) {
      if (this.#hosts.has(root) || reached.has(root)) continue
      reached.add(root)
      for (const node of breadthFirst(
        root,
        (at) => this.#neighbours(at).filter((next) => !this.#hosts.has(next)),
        reached,
        join,
      ))
        reached.add(node)
    }
    for (const host of this.#hosts) {
      const attached = this.#neighbours(host)
      const uplink = attached.find((next) => !this.#hosts.has(next)) ?? attached[0]
      if (uplink !== undefined) join(host, uplink)
    }
    return tree
  }

  #forget(): void {
    this.#distances.clear()
    this.generation++
    this.#tree = undefined
    this.#floodsToAll.clear()
  }
}

/** Visits what can be reached from `root`, calling `join` for each edge by which a node was found. */
function breadthFirst(
  root: string,
  neighbours: (node: string) => string[],
  reached: Set<string>,
  join: (from: string, to: string) => void,
): string[] {
  const queue = [root]
  for (const node of queue) {
    for (const next of neighbours(node)) {
      if (reached.has(next)) continue
      reached.add(next)
      join(node, next)
      queue.push(next)
    }
  }
  return queue
}
