// Actions and instructions. Whether an action may stand where it does is for the switch to say; here only shape and depth count.

import { InvalidField } from '../../errors.ts'
import type { signalbox } from '../generated/control.js'
import type { Action, Instructions, PacketInReason } from '../messages.ts'
import { MAX_CLONE_DEPTH, PACKET_IN_REASONS } from '../messages.ts'
import type { ActionCodec, ActionKind, WireAction } from './action-codecs.ts'
import { bare, byNumber, memberOf } from './action-codecs.ts'
import { constantFromWire, constantToWire } from './big-endian.ts'
import { bundleCodec, multipathCodec, sampleCodec } from './choice-actions.ts'
import { learnCodec } from './learn.ts'
import { fieldMatchFromWire, fieldMatchToWire, subfieldFromWire, subfieldToWire } from './match.ts'
import { natCodec } from './nat.ts'
import {
  bounded,
  copyOf,
  fromUint64,
  given,
  isSet,
  optional,
  toUint64,
  UINT16,
  UINT32,
  UINT8,
  Vocabulary,
} from './values.ts'

type WireInstructions = signalbox.control.Instructions.$Properties
type WireList = readonly WireAction[] | null | undefined

const MAXIMUM_VID = 0xfff
const MAXIMUM_PCP = 7

export const packetInReasons = new Vocabulary<PacketInReason>(PACKET_IN_REASONS)
const headers = new Vocabulary(['ethernet', 'mpls', 'mpls_mc'])

const CODECS: { readonly [Kind in ActionKind]: ActionCodec<Kind> } = {
  output: byNumber('output', 'port', UINT32),
  output_reg: {
    toWire: ({ from, maxLength }, path) => ({
      from: subfieldToWire(from),
      maxLength: bounded(maxLength, UINT16, `${path}.maxLength`),
    }),
    fromWire: (wire, path) => ({
      type: 'output_reg',
      from: subfieldFromWire(wire.from, `${path}.from`),
      maxLength: bounded(wire.maxLength, UINT16, `${path}.maxLength`),
    }),
  },
  output_trunc: {
    toWire: ({ port, maxLength }, path) => ({
      port: bounded(port, UINT32, `${path}.port`),
      maxLength: bounded(maxLength, UINT32, `${path}.maxLength`),
    }),
    fromWire: (wire) => ({ type: 'output_trunc', port: wire.port ?? 0, maxLength: wire.maxLength ?? 0 }),
  },
  controller: {
    toWire: (action, path) => ({
      maxLength: bounded(action.maxLength, UINT16, `${path}.maxLength`),
      controllerId: optional(action.controllerId, UINT16, `${path}.controllerId`),
      reason: action.reason === undefined ? 0 : packetInReasons.number(action.reason, `${path}.reason`),
      userdata: action.userdata ?? null,
      meter: optional(action.meter, UINT32, `${path}.meter`),
    }),
    fromWire: (wire, path) => ({
      type: 'controller',
      maxLength: bounded(wire.maxLength, UINT16, `${path}.maxLength`),
      ...given('controllerId', wire.controllerId, UINT16, `${path}.`),
      ...(wire.reason && { reason: packetInReasons.word(wire.reason, `${path}.reason`) }),
      ...(wire.userdata && { userdata: copyOf(wire.userdata) }),
      ...given('meter', wire.meter, UINT32, `${path}.`),
    }),
  },
  group: byNumber('group', 'group', UINT32),
  set_queue: byNumber('set_queue', 'queue', UINT32),
  pop_queue: bare('pop_queue'),
  push_vlan: byNumber('push_vlan', 'etherType', UINT16),
  pop_vlan: bare('pop_vlan'),
  set_vlan_vid: byNumber('set_vlan_vid', 'vid', MAXIMUM_VID),
  set_vlan_pcp: byNumber('set_vlan_pcp', 'pcp', MAXIMUM_PCP),
  push_mpls: byNumber('push_mpls', 'etherType', UINT16),
  pop_mpls: byNumber('pop_mpls', 'etherType', UINT16),
  push_pbb: byNumber('push_pbb', 'etherType', UINT16),
  pop_pbb: bare('pop_pbb'),
  encap: {
    toWire: ({ header }, path) => headers.number(header, `${path}.header`),
    fromWire: (wire, path) => ({ type: 'encap', header: headers.word(wire, `${path}.header`) }),
  },
  decap: {
    toWire: ({ packetType }, path) => ({ packetType: optional(packetType, UINT32, `${path}.packetType`) }),
    fromWire: (wire, path) => ({ type: 'decap', ...given('packetType', wire.packetType, UINT32, `${path}.`) }),
  },
  set_field: {
    toWire: fieldMatchToWire,
    fromWire: (wire, path) => ({ type: 'set_field', ...fieldMatchFromWire(wire, path) }),
  },
  load: {
    toWire: ({ value, to }, path) => ({
      value: constantToWire(value, to.bits, `${path}.value`),
      to: subfieldToWire(to),
    }),
    fromWire: (wire, path) => {
      const to = subfieldFromWire(wire.to, `${path}.to`)
      return { type: 'load', value: constantFromWire(wire.value, to.bits, `${path}.value`), to }
    },
  },
  move: {
    toWire: ({ from, to }) => ({ from: subfieldToWire(from), to: subfieldToWire(to) }),
    fromWire: (wire, path) => ({
      type: 'move',
      from: subfieldFromWire(wire.from, `${path}.from`),
      to: subfieldFromWire(wire.to, `${path}.to`),
    }),
  },
  stack_push: {
    toWire: ({ from }) => subfieldToWire(from),
    fromWire: (wire, path) => ({ type: 'stack_push', from: subfieldFromWire(wire, `${path}.from`) }),
  },
  stack_pop: {
    toWire: ({ to }) => subfieldToWire(to),
    fromWire: (wire, path) => ({ type: 'stack_pop', to: subfieldFromWire(wire, `${path}.to`) }),
  },
  set_tunnel: {
    toWire: ({ id, wide }, path) => ({ id: toUint64(id, `${path}.id`), wide }),
    fromWire: (wire) => ({ type: 'set_tunnel', id: fromUint64(wire.id), wide: wire.wide ?? false }),
  },
  dec_ttl: {
    toWire: ({ controllers }, path) => ({
      controllers: (controllers ?? []).map((id) => bounded(id, UINT16, `${path}.controllers`)),
    }),
    fromWire: (wire, path) => {
      const controllers = (wire.controllers ?? []).map((id) => bounded(id, UINT16, `${path}.controllers`))
      return controllers.length > 0 ? { type: 'dec_ttl', controllers } : { type: 'dec_ttl' }
    },
  },
  set_nw_ttl: byNumber('set_nw_ttl', 'ttl', UINT8),
  set_mpls_ttl: byNumber('set_mpls_ttl', 'ttl', UINT8),
  dec_mpls_ttl: bare('dec_mpls_ttl'),
  copy_ttl_out: bare('copy_ttl_out'),
  copy_ttl_in: bare('copy_ttl_in'),
  resubmit: {
    toWire: ({ port, table, swapped }, path) => ({
      port: optional(port, UINT32, `${path}.port`),
      table: optional(table, UINT8, `${path}.table`),
      swapped: swapped ?? false,
    }),
    fromWire(wire, path) {
      const action: Extract<Action, { type: 'resubmit' }> = { type: 'resubmit' }
      if (isSet(wire.port)) action.port = wire.port
      if (isSet(wire.table)) action.table = bounded(wire.table, UINT8, `${path}.table`)
      if (wire.swapped) action.swapped = true
      return action
    },
  },
  clone: {
    toWire: ({ actions }, path, depth) => ({ actions: actionsToWire(actions, `${path}.actions`, depth + 1) }),
    fromWire: (wire, path, depth) => ({
      type: 'clone',
      actions: actionsFromWire(wire.actions, `${path}.actions`, depth + 1),
    }),
  },
  exit: bare('exit'),
  note: {
    toWire: ({ data }) => data,
    fromWire: (wire) => ({ type: 'note', data: copyOf(wire) }),
  },
  learn: learnCodec,
  conjunction: {
    toWire: ({ id, clause, clauses }, path) => ({
      id: bounded(id, UINT32, `${path}.id`),
      clause: bounded(clause, UINT8, `${path}.clause`),
      clauses: bounded(clauses, UINT8, `${path}.clauses`),
    }),
    fromWire: (wire, path) => ({
      type: 'conjunction',
      id: wire.id ?? 0,
      clause: bounded(wire.clause, UINT8, `${path}.clause`),
      clauses: bounded(wire.clauses, UINT8, `${path}.clauses`),
    }),
  },
  ct: {
    toWire: ({ commit, force, zone, table, alg, actions }, path, depth) => ({
      commit,
      force,
      ...(typeof zone === 'number'
        ? { zone: bounded(zone, UINT16, `${path}.zone`) }
        : { zoneFrom: subfieldToWire(zone) }),
      table: optional(table, UINT8, `${path}.table`),
      alg: bounded(alg, UINT16, `${path}.alg`),
      actions: actionsToWire(actions, `${path}.actions`, depth + 1),
    }),
    fromWire: (wire, path, depth) => ({
      type: 'ct',
      commit: wire.commit ?? false,
      force: wire.force ?? false,
      zone: wire.zoneFrom
        ? subfieldFromWire(wire.zoneFrom, `${path}.zone`)
        : bounded(wire.zone, UINT16, `${path}.zone`),
      ...given('table', wire.table, UINT8, `${path}.`),
      alg: bounded(wire.alg, UINT16, `${path}.alg`),
      actions: actionsFromWire(wire.actions, `${path}.actions`, depth + 1),
    }),
  },
  nat: natCodec,
  ct_clear: bare('ct_clear'),
  multipath: multipathCodec,
  bundle: bundleCodec,
  fin_timeout: {
    toWire: ({ idleTimeout, hardTimeout }, path) => ({
      idleTimeout: bounded(idleTimeout, UINT16, `${path}.idleTimeout`),
      hardTimeout: bounded(hardTimeout, UINT16, `${path}.hardTimeout`),
    }),
    fromWire: (wire, path) => ({
      type: 'fin_timeout',
      idleTimeout: bounded(wire.idleTimeout, UINT16, `${path}.idleTimeout`),
      hardTimeout: bounded(wire.hardTimeout, UINT16, `${path}.hardTimeout`),
    }),
  },
  check_pkt_larger: {
    toWire: ({ length, to }, path) => ({ length: bounded(length, UINT16, `${path}.length`), to: subfieldToWire(to) }),
    fromWire: (wire, path) => ({
      type: 'check_pkt_larger',
      length: bounded(wire.length, UINT16, `${path}.length`),
      to: subfieldFromWire(wire.to, `${path}.to`),
    }),
  },
  sample: sampleCodec,
}

/** One codec for any kind: the caller has the action, or the member, that belongs to it. */
interface AnyCodec {
  toWire(action: never, path: string, depth: number): unknown
  fromWire(wire: never, path: string, depth: number): Action
}

interface Member {
  name: string
  codec: AnyCodec
}

const byKind = new Map<string, Member>(
  Object.entries<AnyCodec>(CODECS).map(([kind, codec]) => [kind, { name: memberOf(kind), codec }]),
)
const byMember = new Map<string, AnyCodec>([...byKind.values()].map(({ name, codec }) => [name, codec]))

/** `depth` is how many clones and cts the actions stand in. */
export function actionsToWire(actions: readonly Action[], at: string, depth = 0): WireAction[] {
  checkDepth(depth, at)
  const wire: WireAction[] = []
  for (let index = 0; index < actions.length; index++)
    wire.push(actionToWire(actions[index]!, `${at}[${index}]`, depth))
  return wire
}

function checkDepth(depth: number, path: string): void {
  if (depth > MAX_CLONE_DEPTH) throw new InvalidField(path, 'are in too many clones', `${MAX_CLONE_DEPTH} at most`)
}

function actionToWire(action: Action, path: string, depth: number): WireAction {
  // The two that most flows have; for the rest a look-up is quick enough.
  if (action.type === 'output') return { output: bounded(action.port, UINT32, `${path}.port`) }
  if (action.type === 'set_field') return { setField: fieldMatchToWire(action, path) }
  const member = byKind.get(action.type)
  if (member === undefined) throw new InvalidField(path, `'${action.type}' is unknown`, 'an action')
  return { [member.name]: member.codec.toWire(action as never, path, depth) }
}

export function actionsFromWire(wire: WireList, at: string, depth = 0): Action[] {
  if (!wire) return []
  checkDepth(depth, at)
  const actions: Action[] = []
  for (let index = 0; index < wire.length; index++) actions.push(actionFromWire(wire[index]!, `${at}[${index}]`, depth))
  return actions
}

function actionFromWire(wire: WireAction, path: string, depth: number): Action {
  if (isSet(wire.output)) return { type: 'output', port: wire.output }
  if (wire.setField) return { type: 'set_field', ...fieldMatchFromWire(wire.setField, path) }
  for (const name of Object.keys(wire)) {
    const codec = byMember.get(name)
    if (codec !== undefined) return codec.fromWire(wire[name as keyof WireAction] as never, path, depth)
  }
  throw new InvalidField(path, 'is empty or of an unknown kind', 'one action')
}

export function instructionsToWire(instructions: Instructions, at: string): WireInstructions {
  const wire: WireInstructions = { apply: actionsToWire(instructions.apply, `${at}.apply`) }
  if (instructions.clear) wire.clear = true
  if (instructions.write.length > 0) wire.write = actionsToWire(instructions.write, `${at}.write`)
  if (instructions.meter !== undefined) wire.meter = bounded(instructions.meter, UINT32, `${at}.meter`)
  if (instructions.gotoTable !== undefined) wire.gotoTable = bounded(instructions.gotoTable, UINT8, `${at}.gotoTable`)
  if (instructions.writeMetadata) {
    const { value, mask } = instructions.writeMetadata
    wire.writeMetadata = { value: toUint64(value, `${at}.writeMetadata`), mask: toUint64(mask, `${at}.writeMetadata`) }
  }
  return wire
}

export function instructionsFromWire(wire: WireInstructions, at: string): Instructions {
  const instructions: Instructions = {
    apply: actionsFromWire(wire.apply, `${at}.apply`),
    clear: wire.clear ?? false,
    write: actionsFromWire(wire.write, `${at}.write`),
  }
  if (isSet(wire.meter)) instructions.meter = wire.meter
  if (isSet(wire.gotoTable)) instructions.gotoTable = bounded(wire.gotoTable, UINT8, `${at}.gotoTable`)
  if (wire.writeMetadata) {
    const { value, mask } = wire.writeMetadata
    instructions.writeMetadata = { value: fromUint64(value), mask: fromUint64(mask) }
  }
  return instructions
}
