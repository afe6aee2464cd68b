// What each action does, as Open vSwitch's `do_xlate_actions` has it (ofproto/ofproto-dpif-xlate.c).

import type { ControllerAction, PacketInReason } from '../../protocols/control/messages.ts'
import { NO_COOKIE, ReservedPort } from '../../protocols/control/messages.ts'
import { CtState, Word, fieldOf } from '../../protocols/fields.ts'
import { EtherType } from '../../protocols/match.ts'
import { isTableMiss } from '../flow.ts'
import { VLAN_PRESENT } from '../flow-key.ts'
import { forgetConnection, trackRequest } from './conntrack.ts'
import type { Activation } from './freeze.ts'
import { bucketsMet } from './groups.ts'
import { isMpls } from './header-stacks.ts'
import { changeHeaders } from './headers.ts'
import { hasRoom, learnedFlow } from './learn.ts'
import { canSwap } from './lookup.ts'
import { chooseLink, chooseMember } from './multipath.ts'
import type { Copies } from './output.ts'
import { outputNormally, outputToAll, outputToNumber, portFrom } from './output.ts'
import { hasField } from './prerequisites.ts'
import type { Step } from './steps.ts'
import type { Walk } from './walk.ts'
import { isLive } from '../port.ts'

const WHOLE_FRAME = 0xffff
/** OFPP_NONE in 16 bits. */
const NO_PORT = 0xffffn
const TCP_FIN_OR_RST = 0x05
const TCP_FLAGS = fieldOf('tcp_flags')

type StepOf<Type extends Step['type']> = Extract<Step, { type: Type }>

/** Does `step`, which is in the list `current`. */
export function runStep(walk: Walk, step: Step, current: Activation): void {
  const { frame } = walk
  switch (step.type) {
    case 'output':
      return output(walk, step.port, current)
    case 'output_reg':
      return outputToField(walk, step, current)
    case 'output_trunc':
      return outputCut(walk, step, current)
    case 'controller':
      return sendToController(walk, step, current)
    case 'group':
      return enterGroup(walk, step.group, current)
    case 'set_queue':
      frame.queue = step.queue
      return
    case 'pop_queue':
      if (frame.queue !== 0) walk.observer?.note('queue = 0', current.depth)
      frame.queue = 0
      return
    case 'push_vlan':
      return frame.setTags([((step.etherType << 16) | VLAN_PRESENT) >>> 0, ...frame.tags])
    case 'pop_vlan':
      return frame.setTags(frame.tags.slice(1))
    case 'set_vlan_vid':
      return frame.write(Word.vlan, VLAN_PRESENT | step.vid, VLAN_PRESENT | 0x0fff)
    case 'set_vlan_pcp':
      return frame.write(Word.vlan, VLAN_PRESENT | (step.pcp << 13), VLAN_PRESENT | 0xe000)
    case 'set_field':
      return setField(walk, step, current)
    case 'move':
      if (hasField(frame, step.from.field) && hasField(frame, step.to.field))
        frame.writePart(step.to, frame.readPart(step.from))
      return
    case 'dec_ttl':
      return decrementTtl(walk, step.controllers ?? [0], current)
    case 'dec_mpls_ttl':
      return decrementLabelTtl(walk, current)
    default:
      return runExtension(walk, step, current)
  }
}

function runExtension(walk: Walk, step: Step, current: Activation): void {
  const { frame } = walk
  switch (step.type) {
    case 'push_mpls':
    case 'pop_mpls':
    case 'push_pbb':
    case 'pop_pbb':
    case 'encap':
    case 'decap':
    case 'copy_ttl_out':
    case 'copy_ttl_in':
      return toldOfHeaders(walk, changeHeaders(frame, step))
    case 'stack_push':
      return push(walk, step)
    case 'stack_pop':
      return pop(walk, step, current)
    case 'resubmit':
      return resubmit(walk, step, current)
    case 'clone':
      return walk.clone(step.steps, current)
    case 'exit':
      return walk.exit()
    case 'learn':
      return learn(walk, step, current)
    case 'ct':
      return track(walk, step, current)
    case 'ct_clear':
      return clearConnection(walk)
    case 'multipath':
      return frame.writePart(step.to, BigInt(chooseLink(frame, step.action)))
    case 'bundle':
      return bundle(walk, step, current)
    case 'fin_timeout':
      return shortenTimeouts(walk, step, current)
    case 'check_pkt_larger':
      return measure(walk, step)
    case 'sample':
      return frame.do({ type: 'sample', probability: step.probability, observationPoint: step.observationPoint })
    default: // A note says nothing to us, a conjunction is the tables' business, and nat is part of ct.
  }
}

// ---- outputs -----------------------------------------------------------------------------------------------------

function output(walk: Walk, port: number, current: Activation, maxLength: number = WHOLE_FRAME): void {
  const { frame, context } = walk
  const ingress = frame.key[Word.inPort]
  switch (port) {
    case ReservedPort.InPort:
      return outputToNumber(frame, context, ingress, copiesOf(walk, current))
    case ReservedPort.Normal:
      return outputNormally(frame, context, walk.now, copiesOf(walk, current))
    case ReservedPort.Flood:
    case ReservedPort.All:
      return outputToAll(frame, context, port === ReservedPort.Flood, copiesOf(walk, current))
    case ReservedPort.Controller:
      return sendToController(walk, { maxLength }, current)
    case ReservedPort.Table:
      return walk.enter(0, ingress, {
        depth: current.depth + 1,
        miss: 'as configured',
        deepens: current.flow !== undefined,
      })
    default:
      return outputToPort(walk, port, current)
  }
}

function copiesOf({ observer }: Walk, { flow, depth }: Activation, maxLength?: number): Copies {
  return { maxLength, flow, told: observer && ((text) => observer.note(text, depth)) }
}

function outputToPort(walk: Walk, port: number, current: Activation, maxLength?: number): void {
  const { frame, context, observer } = walk
  if (port !== frame.key[Word.inPort]) return outputToNumber(frame, context, port, copiesOf(walk, current, maxLength))
  observer?.note('skipping output to input port', current.depth)
  frame.note('no_recipient', current.flow)
}

function outputToField(walk: Walk, { from, maxLength }: StepOf<'output_reg'>, current: Activation): void {
  const value = walk.frame.readPart(from)
  const port = portFrom(value)
  walk.observer?.note(`output port ${port === undefined ? `${value} is out of range` : `is ${value}`}`, current.depth)
  if (port === undefined) walk.frame.note('unknown_port', current.flow)
  else output(walk, port, current, maxLength)
}

/** As in Open vSwitch, only copies for one port are cut. */
function outputCut(walk: Walk, { port, maxLength }: StepOf<'output_trunc'>, current: Activation): void {
  if (port <= ReservedPort.Max || port === ReservedPort.Local) return outputToPort(walk, port, current, maxLength)
  walk.observer?.note('output_trunc does not support this port', current.depth)
  walk.frame.note('unknown_port', current.flow)
}

function sendToController(walk: Walk, asked: Omit<ControllerAction, 'type'>, current: Activation): void {
  const { maxLength, controllerId, reason, userdata, meter } = asked
  walk.frame.controller(
    {
      reason: reason === undefined || reason === 'action' ? reasonFor(walk, reason, current) : reason,
      maxLength,
      ...placeOf(current),
      ...(controllerId !== undefined && { controllerId }),
      ...(userdata !== undefined && { userdata }),
    },
    meter,
  )
}

/** OpenFlow 1.5 §7.4.1 tells where an output stood; what a table-miss flow sends is a miss (1.3 §5.4). */
function reasonFor(walk: Walk, given: 'action' | undefined, { origin, flow }: Activation): PacketInReason {
  if (given === undefined) {
    if (walk.isPacketOut) return 'packet_out'
    if (origin === 'group') return 'group'
    if (walk.isExecutingSet || origin === 'action_set') return 'action_set'
  }
  return flow !== undefined && isTableMiss(flow) ? 'no_match' : 'action'
}

const placeOf = ({ table, flow }: Activation) => ({ table, cookie: flow?.spec.cookie ?? NO_COOKIE })

function bundle(walk: Walk, { action, to }: StepOf<'bundle'>, current: Activation): void {
  const isUp = (number: number) => {
    const port = walk.context.ports.byNumber(number)
    return port !== undefined && isLive(port)
  }
  const port = chooseMember(walk.frame, action, isUp)
  if (to !== undefined) walk.frame.writePart(to, port === undefined ? NO_PORT : BigInt(port & 0xffff))
  else if (port === undefined) walk.frame.note('no_recipient', current.flow)
  else outputToPort(walk, port, current)
}

// ---- groups and tables -------------------------------------------------------------------------------------------

function enterGroup(walk: Walk, number: number, current: Activation): void {
  if (!walk.mayGoOn()) return
  const { context, frame, observer } = walk
  const group = context.groups.get(number)
  if (group === undefined) {
    observer?.note(`output to nonexistent group ${number}`, current.depth)
    return walk.endList()
  }
  const buckets = bucketsMet(frame, group, context, observer && ((reason) => observer.note(reason, current.depth)))
  // As in Open vSwitch, a group that chooses none of its buckets does not count the frame.
  if (buckets.length > 0 || group.spec.groupType === 'all') frame.effects.push({ type: 'group', group, buckets })
  if (buckets.length === 0) {
    // One of all its buckets has none to choose.
    if (group.spec.groupType !== 'all') observer?.note('no live bucket', current.depth)
    frame.note('no_recipient', current.flow)
  }
  walk.enterBuckets(group, buckets, current)
}

function resubmit(walk: Walk, { table, port, swapped }: StepOf<'resubmit'>, current: Activation): void {
  const number = table ?? current.table
  if (swapped && !canSwap(walk.frame))
    return walk.observer?.note('resubmit(ct) with non-tracked or non-IP packet!', current.depth)
  walk.enter(number, port ?? walk.frame.key[Word.inPort], {
    depth: current.depth + 1,
    miss: 'nothing',
    deepens: current.flow !== undefined && number <= current.table,
    ...(swapped && { swapped }),
  })
}

// ---- headers -----------------------------------------------------------------------------------------------------

function setField({ frame, observer }: Walk, { field, writes }: StepOf<'set_field'>, { depth }: Activation): void {
  if (hasField(frame, field)) for (const { word, value, mask } of writes) frame.write(word, value, mask)
  else observer?.note(`unmet prerequisites for ${field.name}, set_field ignored`, depth)
}

function toldOfHeaders(walk: Walk, outcome: ReturnType<typeof changeHeaders>): void {
  if (outcome === 'read_anew') walk.readAnew()
  else if (outcome !== undefined) walk.fail(outcome)
}

/** A frame whose time is up goes to the controllers, and this list does no more to it. */
function decrementTtl(walk: Walk, controllers: readonly number[], current: Activation): void {
  const { frame } = walk
  const type = frame.read(Word.etherType)
  if (type !== EtherType.Ipv4 && type !== EtherType.Ipv6) return
  const ttl = frame.read(Word.ttl)
  if (ttl > 1) return frame.write(Word.ttl, ttl - 1, 0xff)
  walk.observer?.note(`IPv${type === EtherType.Ipv4 ? 4 : 6} decrement TTL exception`, current.depth)
  expire(walk, controllers, current)
}

/** As in Open vSwitch, the list ends where there is no label, too. */
function decrementLabelTtl(walk: Walk, current: Activation): void {
  const { frame } = walk
  const hasLabel = isMpls(frame.read(Word.etherType))
  const ttl = hasLabel ? frame.read(Word.mpls) & 0xff : 0
  if (ttl > 1) return frame.write(Word.mpls, ttl - 1, 0xff)
  walk.observer?.note('MPLS decrement TTL exception', current.depth)
  expire(walk, hasLabel ? [0] : [], current)
}

function expire(walk: Walk, controllers: readonly number[], current: Activation): void {
  for (const id of controllers) {
    const controllerId = id === 0 ? undefined : { controllerId: id }
    walk.frame.controller({ reason: 'invalid_ttl', maxLength: WHOLE_FRAME, ...placeOf(current), ...controllerId })
  }
  walk.frame.note('ttl_expired', current.flow)
  walk.endList()
}

// ---- stack, learning, connections --------------------------------------------------------------------------------

function push(walk: Walk, { from }: StepOf<'stack_push'>): void {
  const below = walk.stack
  const bytes = (below?.bytes ?? 0) + Math.ceil(from.bits / 8) + 1
  walk.stack = { value: walk.frame.readPart(from), below, bytes }
}

function pop(walk: Walk, { to }: StepOf<'stack_pop'>, { depth }: Activation): void {
  const top = walk.stack
  if (top === undefined) return walk.observer?.note('stack underflow', depth)
  walk.stack = top.below
  if (hasField(walk.frame, to.field)) walk.frame.writePart(to, top.value & to.ones)
}

function learn(walk: Walk, step: StepOf<'learn'>, { depth }: Activation): void {
  const { frame, context, observer } = walk
  const { limit } = step.action
  const mod = learnedFlow(frame, step)
  const fits = hasRoom(context.tables, mod, limit, frame.effects)
  if (fits === undefined) return observer?.note('LEARN action execution failed', depth)
  if (fits) frame.effects.push({ type: 'learn_flow', mod, limit })
  else observer?.note('Limit exceeded, learn failed', depth)
  if (step.result !== undefined) frame.writePart(step.result, fits ? 1n : 0n)
}

/** As in Open vSwitch, what follows has to do with a frame of which nothing is known; a copy goes on with what is found. */
function track(walk: Walk, step: StepOf<'ct'>, { depth }: Activation): void {
  const { frame, observer } = walk
  frame.commit()
  frame.do({ type: 'ct', request: trackRequest(frame, step) })
  const { table } = step.action
  if (table !== undefined) {
    observer?.note(
      `A clone of the packet is forked to recirculate. The forked pipeline will be resumed at table ${table}.`,
      depth,
    )
    walk.forkTo(table)
  }
  observer?.note('Sets the packet to an untracked state, and clears all the conntrack fields.', depth)
  forgetConnection(frame)
}

function clearConnection({ frame }: Walk): void {
  if ((frame.read(Word.ctState) & CtState.Tracked) === 0) return
  frame.do({ type: 'ct_clear' })
  forgetConnection(frame)
}

/** Goes by the frame itself: only one that closes a connection makes the flow end sooner. */
function shortenTimeouts({ frame }: Walk, step: StepOf<'fin_timeout'>, { flow }: Activation): void {
  if (flow === undefined || !hasField(frame, TCP_FLAGS)) return
  if ((frame.read(Word.tcpFlags) & TCP_FIN_OR_RST) === 0) return
  const { idleTimeout, hardTimeout } = step
  frame.effects.push({ type: 'fin_timeout', flow, idleTimeout, hardTimeout })
}

/**
 * The pipeline does not know how long a frame is, and goes on when that is found out. Open vSwitch tries both ways on a copy each,
 * and goes on with the lists around this one as though it had done neither.
 */
function measure(walk: Walk, { length, to }: StepOf<'check_pkt_larger'>): void {
  const [{ word, mask }] = to.words
  walk.frame.do({ type: 'check_length', length, word, bit: 31 - Math.clz32(mask) })
  walk.readAnew(true)
}
