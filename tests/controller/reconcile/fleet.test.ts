import { expect, test } from 'vitest'
import { buildView } from '../../../controller/network/build-view.ts'
import { bareIntent } from '../../../controller/network/intent.ts'
import type { View } from '../../../controller/network/view.ts'
import { compile } from '../../../controller/reconcile/compile.ts'
import { Fleet } from '../../../controller/reconcile/fleet.ts'
import { greet } from '../../../controller/southbound/greeting.ts'
import { RemoteSwitch } from '../../../controller/southbound/remote-switch.ts'
import { MILLISECOND } from '../../../runtime/clock.ts'
import { memoryChannelPair } from '../../../runtime/transport.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import { threeHosts } from '../../support/controlled-fleet.ts'
import { FakeSwitch } from '../../support/fake-switch.ts'

/** A view that no app can make anything of, as far as the switch is concerned. */
const brokenAt = (view: View, name: string): View => ({
  ...view,
  switches: view.switches.set(name, {
    ...view.switches.get(name)!,
    get bindings(): never {
      throw new Error('an app fails')
    },
  }),
})

test('what an app failed at half-way is made whole by the next view', () => {
  const { hosts, vms, ...topology } = threeHosts()
  const before = buildView(bareIntent({ ...topology, hosts, vms }))
  // h1 only hears that somebody is gone from h2, and h3 is no more.
  const left = { ...topology, hosts: hosts.slice(0, 2), vms: vms.filter(({ name }) => name === 'a' || name === 'c') }
  const after = buildView({ ...before.intent, topology: left }, before)
  const fleet = new Fleet()
  fleet.desire(before, new Map())
  expect(fleet.names.sort()).toEqual(['h1/br-int', 'h2/br-int', 'h3/br-int'])
  expect(() => fleet.desire(brokenAt(after, 'h2/br-int'), new Map())).toThrow('an app fails')
  fleet.desire(after, new Map())
  expect(fleet.names.sort()).toEqual(['h1/br-int', 'h2/br-int'])
  for (const [name, at] of after.switches)
    expect(new Map(fleet.reconciler(name).desired.flows)).toEqual(new Map(compile(at, after).flows))
})

test('nobody has a switch that is back told anything before what was found in it is noted', async () => {
  const clock = new VirtualClock()
  const run = () => clock.run(clock.now() + MILLISECOND)
  const device = new FakeSwitch('h1/br-int', clock)
  const [near, far] = memoryChannelPair(clock, { latency: 1000, names: [device.name, 'controller'] })
  device.speak(near)
  const remote = await clock.runUntil(greet(far, clock, {}))
  if (!(remote instanceof RemoteSwitch)) throw new Error('it is a switch')
  const fleet = new Fleet()
  fleet.desire(buildView(bareIntent(threeHosts())), new Map())
  let noted = () => {}
  fleet.found = () => new Promise<void>((resolve) => (noted = resolve))
  void fleet.connect(remote)
  await run()
  const pushed = Promise.all([fleet.push(), fleet.push([device.name])])
  await run()
  expect([...device.ports.keys()]).toEqual(['uplink'])
  noted()
  await clock.runUntil(pushed)
  await clock.runUntil(fleet.push())
  expect(device.ports.has('a:eth0')).toBe(true)
})
