// The three steps of a change, over random topologies.

import { describe, expect, test } from 'vitest'
import { buildView } from '../../../controller/network/build-view.ts'
import { bareIntent } from '../../../controller/network/intent.ts'
import { Compiler } from '../../../controller/reconcile/compile.ts'
import { switched, widened } from '../../../controller/reconcile/steps.ts'
import type { SwitchState } from '../../../controller/reconcile/switch-state.ts'
import { sameFlow } from '../../../controller/reconcile/switch-state.ts'
import { Table } from '../../../controller/tables.ts'
import type { FlowSpec } from '../../../protocols/control/messages.ts'
import { seeded } from '../../../runtime/random.ts'
import { randomTopology } from '../../support/random-topologies.ts'
import { seeds } from '../../support/seeds.ts'

const SEEDS = seeds(10)

/** One switch before and after its networks have got other segments and its VMs other policies. */
function change(seed: number) {
  const topology = randomTopology(seeded(seed))
  const before = buildView(bareIntent(topology))
  const networks = topology.networks.map((network) =>
    network.segment === undefined ? network : { ...network, segment: network.segment + 500 },
  )
  const after = buildView({ ...before.intent, topology: { ...topology, networks, vms: topology.vms.slice(1) } }, before)
  const compiler = new Compiler()
  const states = compiler.follow(before)
  compiler.follow(after)
  return [...states].map(([name, from]) => ({ from, to: compiler.stateOf(name) }))
}

const comesByTunnel = ({ table, match }: FlowSpec): boolean =>
  table === Table.Classify && match.some(({ field }) => field === 'tun_id')

/** Keys of those that are not there, or not as wanted. */
const missing = (wanted: Iterable<[string, FlowSpec]>, flows: SwitchState['flows']): string[] =>
  [...wanted]
    .filter(([key, flow]) => {
      const found = flows.get(key)
      return found === undefined || !sameFlow(found, flow)
    })
    .map(([key]) => key)

describe('of the steps between two states', () => {
  test.each(SEEDS)('the first takes nothing away and changes nothing (seed %i)', (seed) => {
    for (const { from, to } of change(seed)) {
      const { flows, ports, meters } = widened(from, to)
      expect(missing(from.flows, flows)).toEqual([])
      expect([ports, meters]).toEqual([from.ports, from.meters])
    }
  })

  test.each(SEEDS)('after the first, whatever others will send is taken in (seed %i)', (seed) => {
    for (const { from, to } of change(seed)) {
      const { flows } = widened(from, to)
      const fromOthers = [...to.flows].filter(([, one]) => comesByTunnel(one))
      expect(missing(fromOthers, flows)).toEqual([])
    }
  })

  test.each(SEEDS)('the second says all that is wanted, and keeps what was beside it (seed %i)', (seed) => {
    for (const { from, to } of change(seed)) {
      const { flows, ports } = switched(from, to)
      expect(missing(to.flows, flows)).toEqual([])
      expect([...from.flows].filter(([key, flow]) => comesByTunnel(flow) && !flows.has(key))).toEqual([])
      expect(ports).toEqual(to.ports)
    }
  })
})
