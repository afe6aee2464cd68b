import { expect, test } from 'vitest'
import { buildView } from '../../../controller/network/build-view.ts'
import { LearnedAddresses } from '../../../controller/network/learned.ts'
import { Memberships } from '../../../controller/network/memberships.ts'
import { patchView } from '../../../controller/network/patch-view.ts'
import type { Intent, View } from '../../../controller/network/view.ts'
import { withVm } from '../../../controller/network/vm-changes.ts'
import { Compiler } from '../../../controller/reconcile/compile.ts'
import { diff, messagesOf } from '../../../controller/reconcile/diff.ts'
import { appOfCookie } from '../../../controller/tables.ts'
import { Lab } from '../../../lab/lab.ts'
import { follow } from '../../../lab/trace/source.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import { shapeTopology } from '../../../topologies/shapes.ts'

const overlay = (hosts: number) => shapeTopology(`single,${hosts}`, { vmsPerHost: 1, networks: 1, type: 'vxlan' })
const [MINE, LAST] = ['h1', 'h4']

test('a host that an overlay reaches no more is one and the same flow for all others', () => {
  const topology = overlay(4)
  const intent: Intent = { topology, moves: new Map(), learned: new LearnedAddresses(), memberships: new Memberships() }
  const gone = topology.vms.find(({ host }) => host === LAST)
  const before = buildView(intent)
  const after = patchView(before, { ...intent, topology: withVm(topology, gone, undefined) })
  const compiler = new Compiler()
  const statesOf = (view: View) => {
    compiler.follow(view.groups)
    return [...view.switches.values()].filter(({ host }) => host.name !== LAST).map((at) => compiler.compile(at))
  }
  const states = statesOf(before)
  const floods = statesOf(after).map((state, index) =>
    messagesOf(diff(states[index]!, state)).filter((one) => 'cookie' in one && appOfCookie(one.cookie) === 'flooding'),
  )
  expect(floods.map(({ length }) => length)).toEqual([1, 1, 1])
  expect(new Set(floods.flat()).size).toBe(1)
})

test('a host sends copies to all others, and none to itself', async () => {
  const topology = overlay(4)
  const lab = await Lab.start(topology, { clock: new VirtualClock(), seed: 1 })
  const sender = topology.vms.find(({ host }) => host === MINE)!
  const followed = follow(lab, topology, { at: sender.name, frame: 'dl_dst=ff:ff:ff:ff:ff:ff,dl_type=0x88b5' })
  const hosts = topology.hosts.map(({ name }) => `${name}/br-int`)
  expect(followed.hops.map((hop) => hop.switch).sort()).toEqual(hosts)
  expect(followed.drops).toEqual([])
})
