// Mirrors. A copy is made where a vNIC's frame comes in, once its port has policed it and before anything else is done to it, and where
// a frame goes out to a vNIC, as that one hears it; what a user's flow does without the plan is not seen. To a vNIC on another host
// copies go through the overlay, by a segment of their own. The vNIC that hears them is on no network, so nothing else gets there, and
// what it says is dropped.

import type { Action, FlowSpec } from '../../protocols/control/messages.ts'
import type { FieldMatch } from '../../protocols/match.ts'
import { EtherType } from '../../protocols/match.ts'
import type { MirrorWay, SwitchMirrors, TapFromVm, TapToVm } from '../network/mirrors.ts'
import { isFile } from '../network/mirrors.ts'
import { TUNNEL_PORT, UPLINK_PORT } from '../network/view.ts'
import { Mirrored, Register, Table } from '../tables.ts'
import type { App } from './app.ts'
import {
  clone,
  fromPort,
  inNetwork,
  is,
  move,
  output,
  POP_TAG,
  PRIORITY_TAGGED,
  pushTag,
  resubmit,
  set,
  tagged,
  UNTAGGED,
  writerFor,
} from './flow.ts'

const flow = writerFor('mirrors')
/** The port of a file takes whose copy it is from a header around it (IEEE 802.1ah), which it takes off. */
const WHOSE = move(Register.Copied, 'pbb_isid', 24)
const NOWHERE = flow({ table: Table.Mirror, priority: 0, match: [] })

export const mirrors: App = {
  always: [NOWHERE],
  ofMirrors: ({ fromVm, toVm, ways, ends }: SwitchMirrors) => [
    ...fromVm.flatMap(asSaid),
    ...toVm.flatMap(asHeard),
    ...[...ways].map(([number, way]) => wayOf(number, way)),
    ...[...ends].map(([segment, port]) => end(segment, port)),
  ],
}

const has = (bit: number, value: number): FieldMatch => ({
  field: Register.Mirrored,
  value: BigInt(value),
  mask: BigInt(bit),
})
const note = (bit: number, value: number): Action => ({
  type: 'set_field',
  field: Register.Mirrored,
  value: BigInt(value),
  mask: BigInt(bit),
})

/** A port may send back what came in by it: a copy is no answer. In files, it says whose it is. */
const copied = (numbers: readonly number[], whose: number): Action[] =>
  numbers.map((number) =>
    clone([
      set(Register.Mirror, number),
      ...(isFile(number) ? [set(Register.Copied, whose)] : []),
      set('in_port', 0),
      resubmit(Table.Mirror),
    ]),
  )

const said = (port: number): number => 2 * port
const heard = (port: number): number => 2 * port + 1

/** Then it goes on as it came. */
function asSaid({ port, accepts, copies }: TapFromVm): FlowSpec[] {
  const tap = (priority: number, tag: FieldMatch[]) =>
    flow({
      table: Table.Classify,
      priority,
      match: [fromPort(port), ...tag, has(Mirrored.FromVm, 0)],
      actions: [...copied(copies, said(port)), note(Mirrored.FromVm, Mirrored.FromVm), resubmit(Table.Classify)],
    })
  if (accepts === undefined) return [tap(300, [])]
  if (accepts === 'any') return [tap(310, [])]
  return accepts.flatMap((vlan) =>
    vlan === 0 ? [tap(310, [UNTAGGED]), tap(310, [PRIORITY_TAGGED])] : [tap(310, [tagged(vlan)])],
  )
}

/** What comes back to its sender in a flood goes no further, so there is no copy either. An answer to him comes from nowhere. */
function asHeard({ port, exit, network, wears, copies }: TapToVm): FlowSpec[] {
  const all = copied(copies, heard(port))
  const worn = wears === 0 ? all : [...pushTag(wears), ...all, POP_TAG]
  const tap = (priority: number, from: FieldMatch[], actions: Action[]) =>
    flow({
      table: Table.Egress,
      priority,
      match: [...from, is(Register.To, exit), inNetwork(network), has(Mirrored.ToVm, 0)],
      // The next to hear it may have a mirror, too.
      actions: [...actions, note(Mirrored.ToVm, Mirrored.ToVm), resubmit(Table.Egress), note(Mirrored.ToVm, 0)],
    })
  return [tap(300, [], worn), tap(310, [fromPort(port)], [])]
}

const wayOf = (number: number, way: MirrorWay): FlowSpec =>
  flow({ table: Table.Mirror, priority: 100, match: [is(Register.Mirror, number)], actions: actionsOf(way) })

function actionsOf(way: MirrorWay): Action[] {
  switch (way.kind) {
    case 'port':
      return [output(way.port)]
    case 'tunnel':
      return [set('tun_id', way.segment), set('tun_dst', way.vtep), output(TUNNEL_PORT)]
    case 'uplink':
      return [...pushTag(way.vlan), output(UPLINK_PORT)]
    case 'file':
      return [{ type: 'push_pbb', etherType: EtherType.Pbb }, WHOSE, output(way.port)]
  }
}

const end = (segment: number, port: number): FlowSpec =>
  flow({
    table: Table.Classify,
    priority: 100,
    match: [fromPort(TUNNEL_PORT), is('tun_id', segment)],
    actions: [output(port)],
  })
