// The slow path: from a flow key to what is done with the frame, table by table (OpenFlow 1.3 §5.1), as Open vSwitch's
// ofproto-dpif-xlate.c does it.
//
// The answer is a list of datapath actions and the bits of the key that were consulted. It depends on nothing of the frame
// but those bits, so a cache may give it to every frame that agrees on them, for as long as tables, ports and
// addresses are what they were. Asking changes nothing: what was learned and which flows were met is part of the answer.

import type { Nanoseconds } from '../runtime/clock.ts'
import type { Action, Instructions } from '../protocols/control/messages.ts'
import { ReservedPort } from '../protocols/control/messages.ts'
import { Word } from '../protocols/fields.ts'
import { EtherType } from '../protocols/match.ts'
import type { DropReason } from './drops.ts'
import type { Flow } from './flow.ts'
import { isTableMiss } from './flow.ts'
import type { FlowKey } from './flow-key.ts'
import { VLAN_PRESENT } from './flow-key.ts'
import type { FlowTables } from './flow-tables.ts'
import type { MacTable } from './mac-table.ts'
import { forwardNormally } from './normal.ts'
import { hasField } from './pipeline-prerequisites.ts'
import type { Step } from './pipeline-steps.ts'
import { actionSetInOrder, stepsOf, wordWrites } from './pipeline-steps.ts'
import { Translation } from './pipeline-translation.ts'
import type { Port, PortTable } from './ports.ts'
import { fieldOf } from '../protocols/fields.ts'

/** Open vSwitch's MAX_DEPTH and MAX_RESUBMITS. */
const MAX_DEPTH = 64
const MAX_LOOKUPS = MAX_DEPTH * MAX_DEPTH

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

class Walk {
  readonly #context: PipelineContext
  readonly #now: Nanoseconds
  readonly #frame: Translation
  #table = 0
  #flow: Flow | undefined
  #depth = 0
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
    this.#visit(table, this.#frame.key[Word.inPort])
    return this.#finish()
  }

  under(steps: readonly Step[]): Translation {
    this.#run(steps)
    return this.#finish()
  }

  #finish(): Translation {
    this.#flow = this.#writer
    if (!this.#aborted) this.#run(actionSetInOrder(this.#actionSet))
    this.#frame.finish()
    return this.#frame
  }

  /** Looks `table` up as though the frame had come in on `port`, follows the flow found and the tables it goes on to. */
  #visit(table: number, port: number): void {
    const outer = { table: this.#table, flow: this.#flow }
    for (let next: number | undefined = table; next !== undefined && !this.#aborted;) {
      const flow = this.#lookup(next, port)
      if (flow === undefined) break
      this.#table = next
      this.#flow = flow
      next = this.#follow(flow.spec.instructions, flow)
    }
    this.#table = outer.table
    this.#flow = outer.flow
  }

  #lookup(table: number, port: number): Flow | undefined {
    if (++this.#lookups > MAX_LOOKUPS) return this.#abort('too_many_resubmit')
    const key = this.#frame.key
    const ownPort = key[Word.inPort]
    key[Word.inPort] = port
    const flow = this.#context.tables.table(table).lookup(key, this.#frame.consulted)
    key[Word.inPort] = ownPort
    if (flow === undefined) this.#frame.note('table_miss')
    else this.#frame.hits.push(flow)
    return flow
  }

  /** OpenFlow 1.3 §5.9. Gives the table to go on to. */
  #follow(instructions: Instructions, flow: Flow): number | undefined {
    if (instructions.meter !== undefined) this.#frame.meter(instructions.meter)
    if (!this.#run(flow.apply)) return undefined
    if (instructions.clear) this.#actionSet = []
    if (flow.write.length > 0) {
      this.#actionSet = [...this.#actionSet, ...flow.write]
      this.#writer = flow
    }
    const { writeMetadata } = instructions
    if (writeMetadata)
      for (const { word, value, mask } of wordWrites(METADATA, writeMetadata.value, writeMetadata.mask))
        this.#frame.write(word, value, mask)
    return instructions.gotoTable
  }

  /** False where the frame's way through this flow ends before the list does. */
  #run(steps: readonly Step[]): boolean {
    for (const step of steps) {
      if (!this.#runStep(step) || this.#aborted) return false
    }
    return true
  }

  #runStep(step: Step): boolean {
    const frame = this.#frame
    switch (step.type) {
      case 'output':
        this.#output(step.port)
        return true
      case 'controller':
        this.#sendToController(step.maxLength)
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
        return this.#decrementTtl()
      case 'resubmit':
        this.#resubmit(step.table ?? this.#table, step.port ?? frame.key[Word.inPort])
        return true
    }
  }

  #resubmit(table: number, port: number): void {
    const deepens = this.#flow !== undefined && table <= this.#table
    if (deepens && this.#depth >= MAX_DEPTH) return this.#abort('recursion_too_deep')
    if (deepens) this.#depth++
    this.#visit(table, port)
    if (deepens) this.#depth--
  }

  #abort(reason: DropReason): undefined {
    this.#aborted = true
    this.#frame.abort(reason, this.#flow)
    return undefined
  }

  /** A frame whose time is up goes to the controller, and this flow does no more to it. */
  #decrementTtl(): boolean {
    const frame = this.#frame
    const type = frame.read(Word.etherType)
    if (type !== EtherType.Ipv4 && type !== EtherType.Ipv6) return true
    const ttl = frame.read(Word.ttl)
    if (ttl > 1) {
      frame.write(Word.ttl, ttl - 1, 0xff)
      return true
    }
    frame.controller('invalid_ttl', WHOLE_FRAME, this.#origin())
    frame.note('ttl_expired', this.#flow)
    return false
  }

  #sendToController(maxLength: number): void {
    const isMiss = this.#flow !== undefined && isTableMiss(this.#flow)
    this.#frame.controller(isMiss ? 'no_match' : 'action', maxLength, this.#origin())
  }

  #origin(): { table: number; cookie: bigint } {
    return { table: this.#table, cookie: this.#flow?.spec.cookie ?? 0n }
  }

  #output(port: number): void {
    const ingress = this.#frame.key[Word.inPort]
    switch (port) {
      case ReservedPort.InPort:
        return this.#outputToNumber(ingress)
      case ReservedPort.Normal:
        return forwardNormally(this.#frame, {
          ...this.#context,
          now: this.#now,
          output: (recipient) => this.#outputTo(recipient),
        })
      case ReservedPort.Flood:
      case ReservedPort.All:
        return this.#outputToAll(ingress)
      case ReservedPort.Controller:
        return this.#sendToController(WHOLE_FRAME)
      case ReservedPort.Table:
        return this.#visit(0, ingress)
      default:
        return port === ingress ? this.#frame.note('no_recipient', this.#flow) : this.#outputToNumber(port)
    }
  }

  #outputToAll(ingress: number): void {
    for (const port of this.#context.ports) if (port.number !== ingress) this.#outputTo(port)
    this.#frame.note('no_recipient', this.#flow)
  }

  #outputToNumber(number: number): void {
    const port = this.#context.ports.byNumber(number)
    if (port) this.#outputTo(port)
    else this.#frame.note('unknown_port', this.#flow)
  }

  #outputTo(port: Port): void {
    const { tunnel } = port.config
    if (port.config.type !== 'tunnel' || tunnel === undefined) return this.#frame.output(port.number, this.#flow)
    const frame = this.#frame
    const destination = tunnel.remoteIp === 'flow' ? frame.read(Word.tunnelDestination) : tunnel.remoteIp
    if (destination === 0) return frame.note('unknown_tunnel', this.#flow)
    const id = tunnel.key === 'flow' ? frame.tunnelId() : BigInt(tunnel.key)
    const source = tunnel.localIp === 0 ? frame.read(Word.tunnelSource) : tunnel.localIp
    frame.tunnelOutput(port.number, { id, source, destination }, this.#flow)
  }
}
