// Ways out. Most answers of the pipeline come to this: let the frame out at a port, with a tag on or off or a field set before. All megaflows
// that do the same share one exit, which holds what it takes ready for use: the port itself, and the tunnel's outer headers.

import type { DatapathAction } from '../datapath-actions.ts'
import type { FrameArena } from '../frames.ts'
import { outerHeaders } from '../passage.ts'
import type { Port } from '../port.ts'
import type { Output } from '../run-actions.ts'
import { applySet } from '../rewrite.ts'
import { popVlanOffAll, pushVlanToAll } from '../rewrite/vlan.ts'
import type { Rewrite } from '../run-rewrites.ts'
import type { OuterHeaders } from '../tunnels/outer-headers.ts'

/** Leaves an Ethernet frame one, and makes it longer by a tag at most. */
type PlainRewrite = Extract<Rewrite, { type: 'set' | 'push_vlan' | 'pop_vlan' }>

/** Frames that are longer may not go by an exit. Behind rewrites and outer headers they must fit into IPv4. */
export const LONGEST = 60_000
/** Tags are pushed at most. */
const MOST_REWRITES = 16

export class Exit {
  readonly key: string | number
  readonly #output: Output
  readonly #rewrites: readonly PlainRewrite[]
  /** Where frames may leave at once. */
  #port: Port | undefined
  #head: OuterHeaders | undefined
  /** As of which change the two are known. */
  #asOf = -1
  /** Megaflows that go by it. */
  uses = 0

  constructor(key: string | number, output: Output, rewrites: readonly PlainRewrite[]) {
    this.key = key
    this.#output = output
    this.#rewrites = rewrites
  }

  /** As of this change, the port: where all that stands between frames and their leaving at once is `prepare`. */
  portAsOf(change: number, ports: PortsByNumber): Port | undefined {
    if (this.#asOf !== change) this.#look(change, ports)
    return this.#port
  }

  /** Makes the frames from `start` to `end` what leaves, and gives by how many bytes that is more. */
  prepare(arena: FrameArena, frames: Int32Array, start: number, end: number): number {
    const rewrites = this.#rewrites
    let added = 0
    for (let index = 0; index < rewrites.length; index++)
      added += rewriteAll(arena, frames, start, end, rewrites[index])
    return this.#head === undefined ? added : added + this.#head.putOntoAll(arena, frames, start, end)
  }

  #look(change: number, ports: PortsByNumber): void {
    const output = this.#output
    const port = ports.byNumber(output.port)
    this.#asOf = change
    this.#port = port?.passesAll ? port : undefined
    this.#head = port && output.type === 'tunnel_output' ? outerHeaders(port, output) : undefined
  }
}

function rewriteAll(arena: FrameArena, frames: Int32Array, start: number, end: number, action: PlainRewrite): number {
  switch (action.type) {
    case 'push_vlan':
      return pushVlanToAll(arena, frames, start, end, action.etherType, action.tci)
    case 'pop_vlan':
      return popVlanOffAll(arena, frames, start, end)
    case 'set':
      for (let index = start; index < end; index++)
        applySet(arena, frames[index], action.word, action.value, action.mask)
      return 0
  }
}

interface PortsByNumber {
  byNumber(number: number): Port | undefined
}

/** All exits in use, by number from 1 on; 0 stands for none. */
export class Exits {
  readonly #byKey = new Map<string | number, number>()
  readonly #exits: (Exit | undefined)[] = [undefined]
  readonly #free: number[] = []

  /** The exit that these actions come to, which is then in use once more. 0 where they are more than an exit. */
  of(actions: readonly DatapathAction[]): number {
    const output = actions.at(-1)
    if (!isOutput(output) || output.maxLength !== undefined || actions.length > MOST_REWRITES) return 0
    const rewrites = actions.slice(0, -1)
    if (!rewrites.every(isPlain)) return 0
    // Most by far do no more than send, and a text for each would take longer than all else here.
    const isBare = actions.length === 1 && output.type === 'output' && output.queue === 0
    const key = isBare ? output.port : [keyOf(output), ...rewrites.map(keyOf)].join()
    let number = this.#byKey.get(key)
    if (number === undefined) {
      number = this.#free.pop() ?? this.#exits.length
      this.#exits[number] = new Exit(key, output, rewrites)
      this.#byKey.set(key, number)
    }
    this.#exits[number]!.uses++
    return number
  }

  at(number: number): Exit | undefined {
    return this.#exits[number]
  }

  /** A megaflow uses it no longer. */
  release(number: number): void {
    const exit = this.#exits[number]
    if (exit === undefined || --exit.uses > 0) return
    this.#byKey.delete(exit.key)
    this.#exits[number] = undefined
    this.#free.push(number)
  }
}

const isOutput = (action: DatapathAction | undefined): action is Output =>
  action?.type === 'output' || action?.type === 'tunnel_output'

const isPlain = (action: DatapathAction): action is PlainRewrite =>
  action.type === 'set' || action.type === 'push_vlan' || action.type === 'pop_vlan'

function keyOf(action: Output | PlainRewrite): string {
  switch (action.type) {
    case 'output':
      return `output ${action.port} ${action.queue}`
    case 'tunnel_output':
      return `tunnel ${action.port} ${action.queue} ${action.tunnelId} ${action.source} ${action.destination}`
    case 'set':
      return `set ${action.word} ${action.value} ${action.mask}`
    case 'push_vlan':
      return `push ${action.etherType} ${action.tci}`
    case 'pop_vlan':
      return 'pop'
  }
}
