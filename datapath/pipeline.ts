// The slow path: from a flow key to what is done with the frame, table by table (OpenFlow 1.3 §5.1), as Open vSwitch's
// ofproto-dpif-xlate.c does it.
//
// The answer is a list of datapath actions and the bits of the key that were consulted. It depends on nothing of the frame
// but those bits, so a cache may give it to every frame that agrees on them, for as long as tables, ports and
// addresses are what they were. Asking changes nothing: what was learned and which flows were met is part of the answer.

import type { Nanoseconds } from '../runtime/clock.ts'
import type { Action } from '../protocols/control/messages.ts'
import { MAX_CLONE_DEPTH, ReservedPort } from '../protocols/control/messages.ts'
import { Word, fieldOf } from '../protocols/fields.ts'
import { EtherType } from '../protocols/match.ts'
import type { DropReason } from './drops.ts'
import type { Flow } from './flow.ts'
import { isTableMiss } from './flow.ts'
import type { FlowKey } from './flow-key.ts'
import { Fragment, VLAN_PRESENT } from './flow-key.ts'
import type { FlowTables } from './flow-tables.ts'
import type { MacTable } from './mac-table.ts'
import { forwardNormally } from './normal.ts'
import { hasField } from './pipeline-prerequisites.ts'
import type { Step } from './pipeline-steps.ts'
import { actionSetInOrder, stepsOf, wordWrites } from './pipeline-steps.ts'
import { Translation } from './pipeline-translation.ts'
import type { Port, PortTable } from './ports.ts'

/** Open vSwitch's MAX_DEPTH and MAX_RESUBMITS. */
const MAX_DEPTH = 64
const MAX_LOOKUPS = MAX_DEPTH * MAX_DEPTH
/** Open vSwitch stops resubmits at 64 kB of datapath actions; an output takes 8 bytes there. */
const MAX_ACTIONS = 8192

const WHOLE_FRAME = 0xffff
const METADATA = fieldOf('metadata')

export interface PipelineContext {
  readonly tables: FlowTables
  readonly ports: PortTable
  readonly macTable: MacTable
}

/** What becomes of a frame with this key, from table 0 on. */
export function translate(context: PipelineContext, key: FlowKey, now: Nanoseconds): Translation {
  return new Walk(context, key, now).fromTable(0)
}

/** What becomes of a frame with this key under these actions: a packet-out. */
export function translateActions(
  context: PipelineContext,
  key: FlowKey,
  actions: readonly Action[],
  now: Nanoseconds,
): Translation {
  return new Walk(context, key, now).under(stepsOf(actions))
}

/** A list of actions under way: a flow's, a packet-out's or the action set's. */
interface Activation {
  /** The table whose flow this is. */
  table: number
  flow: Flow | undefined
  steps: readonly Step[]
  /** The step that comes next. */
  next: number
  readonly deepens: boolean
  /** What is to be done once it has ended. */
  readonly afterwards?: (() => void) | undefined
}

/**
 * Resubmits nest, up to MAX_LOOKUPS deep: too deep for the call stack, so the walk keeps its own. Clones nest to
 * MAX_CLONE_DEPTH, also through resubmits: shallow enough to be carried out on the call stack in a ring of bridges.
 */
class Walk {
  readonly #context: PipelineContext
  readonly #now: Nanoseconds
  readonly #frame: Translation
  readonly #stack: Activation[] = []
  #depth = 0
  #clones = 0
  #lookups = 0
  #aborted = false
  #actionSet: readonly Step[] = []
  /** The flow that wrote to the action set last. */
  #writer: Flow | undefined

  constructor(context: PipelineContext, key: FlowKey, now: Nanoseconds) {
    this.#context = context
    this.#now = now
    this.#frame = new Translation(key)
  }

  fromTable(table: number): Translation {
    this.#enter(table, this.#frame.key[Word.inPort], false)
    return this.#finish()
  }

  under(steps: readonly Step[]): Translation {
    this.#begin(steps, undefined)
    return this.#finish()
  }

  #finish(): Translation {
    this.#walk()
    this.#begin(actionSetInOrder(this.#actionSet), this.#writer)
    this.#walk()
    this.#frame.finish()
    return this.#frame
  }

  #begin(steps: readonly Step[], flow: Flow | undefined, afterwards?: () => void): void {
    this.#stack.push({ table: flow?.spec.table ?? 0, flow, steps, next: 0, deepens: false, afterwards })
  }

  #end({ deepens, afterwards }: Activation): void {
    if (deepens) this.#depth--
    afterwards?.()
  }

  #walk(): void {
    while (this.#stack.length > 0 && !this.#aborted) {
      const current = this.#stack.at(-1)!
      const step = current.steps[current.next++]
      const goesOn = step === undefined ? this.#goOn(current) : this.#runStep(step, current)
      if (!goesOn) this.#end(this.#stack.pop()!)
    }
  }

  /** Looks `table` up as though the frame had come in on `port`, and starts on the flow found. */
  #enter(table: number, port: number, deepens: boolean): void {
    const flow = this.#lookup(table, port)
    if (flow === undefined) return
    if (deepens) this.#depth++
    this.#stack.push({ table, flow, steps: flow.apply, next: 0, deepens })
    this.#meter(flow)
  }

  #lookup(table: number, port: number): Flow | undefined {
    const tooMany = ++this.#lookups > MAX_LOOKUPS || this.#frame.size > MAX_ACTIONS
    if (tooMany) return this.#abort('too_many_resubmit')
    const flow = this.#find(table, port)
    if (flow === undefined) this.#frame.note('table_miss')
    else this.#frame.hits.push(flow)
    return flow
  }

  /** As Open vSwitch does by default (`ovs-ofctl set-frags normal`), no flow sees the ports of a fragment, be it the first. */
  #find(table: number, port: number): Flow | undefined {
    const { key, consulted } = this.#frame
    const ownPort = key[Word.inPort]
    const source = key[Word.transportSource]
    const destination = key[Word.transportDestination]
    key[Word.inPort] = port
    if ((this.#frame.read(Word.fragment) & Fragment.Any) !== 0)
      key[Word.transportSource] = key[Word.transportDestination] = 0
    const flow = this.#context.tables.table(table).lookup(key, consulted)
    key[Word.inPort] = ownPort
    key[Word.transportSource] = source
    key[Word.transportDestination] = destination
    return flow
  }

  #meter(flow: Flow): void {
    const { meter } = flow.spec.instructions
    if (meter !== undefined) this.#frame.meter(meter)
  }

  /**
   * A flow's instructions behind its actions (OpenFlow 1.3 §5.9). False where no further table follows. As in Open vSwitch,
   * a resubmit's port holds for its own table alone.
   */
  #goOn(current: Activation): boolean {
    const { flow } = current
    if (flow === undefined || flow.apply !== current.steps) return false
    this.#write(flow)
    const { gotoTable } = flow.spec.instructions
    const next = gotoTable === undefined ? undefined : this.#lookup(gotoTable, this.#frame.key[Word.inPort])
    if (next === undefined) return false
    current.table = next.spec.table
    current.flow = next
    current.steps = next.apply
    current.next = 0
    this.#meter(next)
    return true
  }

  #write(flow: Flow): void {
    const { clear, writeMetadata } = flow.spec.instructions
    if (clear) this.#actionSet = []
    if (flow.write.length > 0) {
      this.#actionSet = [...this.#actionSet, ...flow.write]
      this.#writer = flow
    }
    if (writeMetadata === undefined) return
    for (const { word, value, mask } of wordWrites(METADATA, writeMetadata.value, writeMetadata.mask))
      this.#frame.write(word, value, mask)
  }

  /** False where the list ends before its last step. */
  #runStep(step: Step, current: Activation): boolean {
    const frame = this.#frame
    switch (step.type) {
      case 'output':
        this.#output(step.port, current)
        return true
      case 'controller':
        this.#sendToController(step.maxLength, current)
        return true
      case 'push_vlan':
        frame.setTags([((step.etherType << 16) | VLAN_PRESENT) >>> 0, ...frame.tags])
        return true
      case 'pop_vlan':
        frame.setTags(frame.tags.slice(1))
        return true
      case 'set_vlan_vid':
        frame.write(Word.vlan, VLAN_PRESENT | step.vid, VLAN_PRESENT | 0x0fff)
        return true
      case 'set_vlan_pcp':
        frame.write(Word.vlan, VLAN_PRESENT | (step.pcp << 13), VLAN_PRESENT | 0xe000)
        return true
      case 'set_field':
        if (hasField(frame, step.field)) for (const { word, value, mask } of step.writes) frame.write(word, value, mask)
        return true
      case 'move':
        if (hasField(frame, step.from) && hasField(frame, step.to))
          frame.move(step.from, step.fromOffset, step.to, step.toOffset, step.ones)
        return true
      case 'dec_ttl':
        return this.#decrementTtl(current)
      case 'resubmit':
        this.#resubmit(step.table ?? current.table, step.port ?? frame.key[Word.inPort], current)
        return true
      case 'clone':
        this.#clone(step.steps, current.flow)
        return true
    }
  }

  /** As in Open vSwitch, the copy has the action set as it is now, may add to it, and carries it out at its end. */
  #clone(steps: readonly Step[], flow: Flow | undefined): void {
    if (this.#clones >= MAX_CLONE_DEPTH) return this.#abort('recursion_too_deep')
    this.#clones++
    const actionSet = this.#actionSet
    const writer = this.#writer
    const before = this.#frame.beginClone()
    const end = () => {
      this.#frame.endClone(before)
      this.#actionSet = actionSet
      this.#writer = writer
      this.#clones--
    }
    this.#begin(steps, flow, () => this.#begin(actionSetInOrder(this.#actionSet), this.#writer, end))
  }

  #resubmit(table: number, port: number, { flow, table: from }: Activation): void {
    const deepens = flow !== undefined && table <= from
    if (deepens && this.#depth >= MAX_DEPTH) this.#abort('recursion_too_deep')
    else this.#enter(table, port, deepens)
  }

  #abort(reason: DropReason): undefined {
    this.#aborted = true
    this.#frame.abort(reason, this.#stack.at(-1)?.flow)
    return undefined
  }

  /** A frame whose time is up goes to the controller, and this flow does no more to it. */
  #decrementTtl(current: Activation): boolean {
    const frame = this.#frame
    const type = frame.read(Word.etherType)
    if (type !== EtherType.Ipv4 && type !== EtherType.Ipv6) return true
    const ttl = frame.read(Word.ttl)
    if (ttl > 1) {
      frame.write(Word.ttl, ttl - 1, 0xff)
      return true
    }
    frame.controller('invalid_ttl', WHOLE_FRAME, originOf(current))
    frame.note('ttl_expired', current.flow)
    return false
  }

  #sendToController(maxLength: number, current: Activation): void {
    const isMiss = current.flow !== undefined && isTableMiss(current.flow)
    this.#frame.controller(isMiss ? 'no_match' : 'action', maxLength, originOf(current))
  }

  #output(port: number, current: Activation): void {
    const frame = this.#frame
    const { flow } = current
    const ingress = frame.key[Word.inPort]
    switch (port) {
      case ReservedPort.InPort:
        return this.#outputToNumber(ingress, flow)
      case ReservedPort.Normal:
        return this.#forwardNormally(flow)
      case ReservedPort.Flood:
      case ReservedPort.All:
        return this.#outputToAll(ingress, flow)
      case ReservedPort.Controller:
        return this.#sendToController(WHOLE_FRAME, current)
      case ReservedPort.Table:
        return this.#enter(0, ingress, false)
      default:
        return port === ingress ? frame.note('no_recipient', flow) : this.#outputToNumber(port, flow)
    }
  }

  #forwardNormally(flow: Flow | undefined): void {
    const { ports, macTable } = this.#context
    const output = (port: Port) => this.#outputTo(port, flow)
    forwardNormally(this.#frame, { ports, macTable, now: this.#now, output })
  }

  #outputToAll(ingress: number, flow: Flow | undefined): void {
    for (const port of this.#context.ports) if (port.number !== ingress) this.#outputTo(port, flow)
    this.#frame.note('no_recipient', flow)
  }

  #outputToNumber(number: number, flow: Flow | undefined): void {
    const port = this.#context.ports.byNumber(number)
    if (port) this.#outputTo(port, flow)
    else this.#frame.note('unknown_port', flow)
  }

  #outputTo(port: Port, flow: Flow | undefined): void {
    const { tunnel } = port.config
    if (tunnel === undefined) return this.#frame.output(port.number, flow)
    const frame = this.#frame
    const destination = tunnel.remoteIp === 'flow' ? frame.read(Word.tunnelDestination) : tunnel.remoteIp
    if (destination === 0) return frame.note('unknown_tunnel', flow)
    const id = tunnel.key === 'flow' ? frame.tunnelId() : BigInt(tunnel.key)
    const source = tunnel.localIp === 0 ? frame.read(Word.tunnelSource) : tunnel.localIp
    frame.tunnelOutput(port.number, { id, source, destination }, flow)
  }
}

const originOf = ({ table, flow }: Activation) => ({ table, cookie: flow?.spec.cookie ?? 0n })
