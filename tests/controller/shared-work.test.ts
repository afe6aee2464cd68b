// Controllers that share their work are given the same object where they want the same, and only there.

import { expect, test } from 'vitest'
import type { Intent, Move } from '../../controller/network/intent.ts'
import type { View } from '../../controller/network/view.ts'
import { Compiler } from '../../controller/reconcile/compile.ts'
import { SharedWork, VIEWS } from '../../controller/shared-work.ts'
import { EMPTY_IMAGE } from '../../controller/state/image.ts'
import { relocated } from '../../topologies/relocation.ts'
import type { Topology } from '../../topologies/topology.ts'
import { movingListener } from '../support/explored-scenarios.ts'

const { topology } = movingListener({ policy: { ingressRate: '50Mbps' } })
const { moves, formerHosts, learned, memberships, assignments } = EMPTY_IMAGE
const BEGINNING: Intent = { topology, moves, formerHosts, learned, memberships }
const [vm] = topology.vms
const target = topology.hosts.find(({ name }) => name !== vm!.host)!.name

const move = (): Move => ({ to: target, stage: 'prepared', homeState: 'open', targetState: 'hold' })
const moving = (intent: Intent): Intent => ({ ...intent, moves: new Map([[vm!.name, move()]]) })
const moved = ({ topology: before, ...intent }: Intent): Intent => ({
  ...intent,
  topology: {
    ...before,
    vms: before.vms.map((one) => (one === vm ? relocated(one, before, target)! : one)),
  } as Topology,
})

test('a move that says the same gives the same views, up to its end', () => {
  const work = new SharedWork()
  const run = (): View[] => {
    const begun = work.build(BEGINNING, assignments)
    const under = work.patch(begun, moving(begun.intent))
    return [begun, under, work.patch(under, moved({ ...under.intent, moves: new Map() }))]
  }
  const [first, second] = [run(), run()]
  for (const [index, view] of second.entries()) expect(view).toBe(first[index])
  expect(second[2]!.intent).toEqual(moved(BEGINNING))
})

test('what says something else, or says the same anew, is another view', () => {
  const work = new SharedWork()
  const begun = work.patch(work.build(BEGINNING, assignments), moving(BEGINNING))
  const stays = work.patch(begun, moved(begun.intent))
  const further = new Map([[vm!.name, { ...move(), stage: 'collecting' } as Move]])
  expect(work.patch(begun, moved({ ...begun.intent, moves: further })).intent.moves).toEqual(further)
  // Whoever compares with the view before finds the move changed here, and not there.
  const anew = work.patch(begun, moved(moving(begun.intent)))
  expect(anew.intent.moves).toEqual(stays.intent.moves)
  expect(anew.intent.moves.get(vm!.name)).not.toBe(begun.intent.moves.get(vm!.name))
  expect(stays.intent.moves).toBe(begun.intent.moves)
})

test('compilers that share their work make what one alone makes, and only once', () => {
  const work = new SharedWork()
  const begun = work.build(BEGINNING, assignments)
  const views = [begun, work.patch(begun, moving(begun.intent))]
  const statesBy = (compiler: Compiler) =>
    views.flatMap((view) => {
      compiler.follow(view)
      return [...view.switches.keys()].map((name) => compiler.stateOf(name))
    })
  const [first, second] = [statesBy(new Compiler(work.compiled)), statesBy(new Compiler(work.compiled))]
  for (const [index, { flows, ports, meters }] of second.entries()) {
    const same = first[index]!
    expect(
      [ports, meters, flows.own].map((part, at) => part === [same.ports, same.meters, same.flows.own][at]),
    ).toEqual([true, true, true])
    for (const [key, flow] of flows) expect(flow).toBe(same.flows.get(key))
  }
  const alone = statesBy(new Compiler())
  for (const [index, { flows, ports, meters }] of second.entries()) {
    expect(new Map(flows)).toEqual(new Map(alone[index]!.flows))
    expect({ ports, meters }).toEqual({ ports: alone[index]!.ports, meters: alone[index]!.meters })
  }
  expect(VIEWS.patch(begun, moving(BEGINNING)).intent).toEqual(views[1]!.intent)
})
