import { expect, test } from 'vitest'
import { many, manyAt } from '../../../controller/apps/app.ts'
import { buildView } from '../../../controller/network/build-view.ts'
import { bareIntent } from '../../../controller/network/intent.ts'
import type { SwitchView, View } from '../../../controller/network/view.ts'
import { FlowLists } from '../../../controller/reconcile/flow-lists.ts'
import { type Member, SharedNetworks } from '../../../controller/reconcile/shared-networks.ts'
import { NO_SHARES } from '../../../controller/reconcile/switch-flows.ts'
import { threeHosts } from '../../support/controlled-fleet.ts'

/** Two views of the same: a VM has left its network on h1, so that all that have the network hear of it. */
function views(): [View, View] {
  const { vms, ...topology } = threeHosts()
  const more = { ...vms[0]!, name: 'more', nics: [{ ...vms[0]!.nics[0]!, id: 'more:eth0', vm: 'more' }] }
  const before = buildView(bareIntent({ ...topology, vms: [...vms, more] }))
  return [before, buildView({ ...before.intent, topology: { ...topology, vms } }, before)]
}

test('what a switch has by itself is asked for with the view that it has by then', () => {
  const [before, after] = views()
  const asked: SwitchView[] = []
  const apart = manyAt((at) => {
    asked.push(at)
    return many('residents', after.networks.get('blue')!.residents, [at.bindings], () => [])
  })
  const networks = new SharedNetworks('', [], () => [apart], new FlowLists())
  const [moving, staying] = ['h1/br-int', 'h2/br-int'].map((name): Member & { at: SwitchView } => ({
    at: before.switches.get(name)!,
    circles: [],
    shares: NO_SHARES,
  }))
  networks.follow(before.networks, new Set(), new Set())
  for (const one of [moving!, staying!]) networks.place(one, undefined)
  asked.length = 0
  const was = moving!.at
  networks.follow(after.networks, new Set([moving!]), new Set())
  moving!.at = after.switches.get('h1/br-int')!
  networks.place(moving!, was)
  expect(asked).toContain(moving!.at)
  expect(asked).toContain(staying!.at)
  expect(asked).not.toContain(was)
})

test('who forgets what it had leaves what another has made under that name since', () => {
  const { residents } = views()[0].networks.get('blue')!
  const lists = new FlowLists()
  const [older, newer] = ['older', 'newer'].map((input) => many('residents', residents, [input], () => []))
  const had = lists.listOf(older!)
  const made = lists.listOf(newer!)
  lists.forget(had)
  expect(lists.listOf(newer!)).toBe(made)
  lists.forget(made)
  expect(lists.listOf(newer!)).not.toBe(made)
})
