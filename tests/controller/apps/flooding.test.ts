import { expect, test } from 'vitest'
import { buildView } from '../../../controller/network/build-view.ts'
import { patchView } from '../../../controller/network/patch-view.ts'
import { bareIntent } from '../../../controller/network/intent.ts'
import type { View } from '../../../controller/network/view.ts'
import { withVm } from '../../../controller/network/vm-changes.ts'
import { compile, Compiler, NOTHING } from '../../../controller/reconcile/compile.ts'
import { diff, messagesOf } from '../../../controller/reconcile/diff.ts'
import { appOfCookie, Table } from '../../../controller/tables.ts'
import { Lab } from '../../../lab/lab.ts'
import { follow } from '../../../lab/trace/source.ts'
import { parseMac } from '../../../protocols/address.ts'
import { ethernetFrame } from '../../../protocols/packet/compose.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import { checkFloods, MOST_COPIES } from '../../../topologies/checks/floods.ts'
import { shapeTopology } from '../../../topologies/shapes.ts'
import type { Topology, Vm } from '../../../topologies/topology.ts'
import { controlledSwitch } from '../../support/controlled-switch.ts'

const ofShape = (hosts: number) => shapeTopology(`single,${hosts}`, { vmsPerHost: 1, networks: 1, type: 'vxlan' })

/** Copies of all go by one flow, or most by one of their own. */
const VTEPS: Record<string, string[]> = {
  'in one part': ['192.0.2.1', '192.0.2.17', '192.0.2.33', '192.0.2.65'],
  'in two parts': ['192.0.2.1', '192.0.2.2', '192.0.2.17', '192.0.2.18'],
  'each by itself': ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'],
}

const overlay = (vteps: string[]): Topology => {
  const topology = ofShape(vteps.length)
  return { ...topology, hosts: topology.hosts.map((host, index) => ({ ...host, vtep: vteps[index]! })) }
}
const [MINE, LAST] = ['h1', 'h4']

test('a host that an overlay reaches no more is one and the same change for all others', () => {
  const topology = overlay(VTEPS['each by itself']!)
  const intent = bareIntent(topology)
  const gone = topology.vms.find(({ host }) => host === LAST)
  const before = buildView(intent)
  const after = patchView(before, { ...intent, topology: withVm(topology, gone, undefined) })
  const compiler = new Compiler()
  const statesOf = (view: View) => {
    compiler.follow(view)
    const others = [...view.switches.values()].filter(({ host }) => host.name !== LAST)
    return others.map(({ name }) => compiler.stateOf(name))
  }
  const states = statesOf(before)
  const floods = statesOf(after).map((state, index) =>
    messagesOf(diff(states[index]!, state)).filter((one) => 'cookie' in one && appOfCookie(one.cookie) === 'flooding'),
  )
  expect(floods.map(({ length }) => length)).toEqual([2, 2, 2])
  expect(new Set(floods.flat()).size).toBe(2)
})

test.each(Object.entries(VTEPS))(
  'hosts %s that come and go are known as to one who knows no other',
  (_where, vteps) => {
    const topology = overlay(vteps)
    const compiler = new Compiler()
    let view = buildView(bareIntent(topology))
    const all = topology.vms
    for (const vms of [all, all.slice(0, 3), all.slice(0, 2), all.slice(0, 1), all.slice(0, 3), all]) {
      const intent = bareIntent({ ...topology, vms })
      const whole = buildView(intent, view)
      view = patchView(view, intent)
      compiler.follow(view)
      for (const at of whole.switches.values())
        expect(new Map(compiler.stateOf(at.name).flows)).toEqual(new Map(compile(at, whole).flows))
    }
  },
)

test('a flood to many hosts looks few flows up', () => {
  const states = [10, 100].map((hosts) => {
    const view = buildView(bareIntent(ofShape(hosts)))
    return compile(view.switches.get(`${MINE}/br-int`)!, view)
  })
  const lookUps = states.map(({ flows }) => {
    const [replicate] = [...flows.values()].filter(({ table }) => table === Table.Replicate)
    return replicate!.instructions.apply.filter(({ type }) => type === 'resubmit').length
  })
  expect(lookUps).toEqual([10, 16])
})

/** One vNIC at each host, and the rest of so many copies at the first. */
function ofCopies(hosts: number, copies: number): Topology {
  const topology = ofShape(2)
  const [first] = topology.vms
  const vmAt = (host: string, serial: number) => {
    const mac = `02:77:00:00:${octet(serial >> 8)}:${octet(serial & 0xff)}`
    return { ...first!, name: `x${serial}`, host, nics: [{ ...first!.nics[0]!, id: `x${serial}:eth0`, mac }] }
  }
  for (let index = 2; index < hosts; index++)
    topology.hosts.push({ ...topology.hosts[1]!, name: `y${index}`, vtep: `10.1.${index >> 8}.${index & 0xff}` })
  const here = Array.from({ length: copies - hosts - 1 }, () => MINE)
  const at = [...topology.hosts.slice(2).map(({ name }) => name), ...here]
  return { ...topology, vms: [...topology.vms, ...at.map(vmAt)] }
}

const octet = (value: number) => value.toString(16).padStart(2, '0')

/** What is wrong with it. */
function complaints({ networks, vms }: Topology): string[] {
  const found: string[] = []
  checkFloods(
    { networks: networks.map(({ name, type }) => ({ name, type })), vms: vms.map(written) },
    (_at, problem, expected) => found.push(`${problem}: ${expected}`),
  )
  return found
}

const written = ({ host, nics }: Vm) => ({ host, nics: nics.map(({ network }) => ({ network })) })

test('a broadcast to as many as there may be is sent to all of them', async () => {
  const hosts = MOST_COPIES - 100
  const topology = ofCopies(hosts, MOST_COPIES)
  expect(complaints(topology)).toEqual([])
  expect(complaints(ofCopies(hosts, MOST_COPIES + 1))).toEqual([
    `${hosts} hosts and ${MOST_COPIES + 1 - hosts} vNICs of 'net1' at h1 would each be sent a copy of a broadcast by one switch: at most ${MOST_COPIES} copies`,
  ])
  const view = buildView(bareIntent(topology))
  const { device, arena, sent, drops, controller } = controlledSwitch()
  const channel = controller()
  const state = compile(view.switches.get(`${MINE}/br-int`)!, view)
  for (const message of messagesOf(diff(NOTHING, state))) channel.send(message)
  await channel.barrier()
  const { id, mac } = topology.vms[0]!.nics[0]!
  const about = { ethSrc: parseMac(mac), ethDst: 0xffffffffffffn, etherType: 0x88b5 }
  const frame = ethernetFrame({ ...about, payload: new Uint8Array(46) })
  device.receive([arena.allocateFrom(frame)], 1, device.ports.byName(id)!.number)
  expect({ sent: sent.length, drops }).toEqual({ sent: MOST_COPIES - 2, drops: [] })
})

test.each(Object.entries(VTEPS))(
  'of hosts %s each sends copies to all others, and none to itself',
  async (_where, vteps) => {
    const topology = overlay(vteps)
    const lab = await Lab.start(topology, { clock: new VirtualClock(), seed: 1 })
    const sender = topology.vms.find(({ host }) => host === MINE)!
    const followed = follow(lab, topology, { at: sender.name, frame: 'dl_dst=ff:ff:ff:ff:ff:ff,dl_type=0x88b5' })
    const hosts = topology.hosts.map(({ name }) => `${name}/br-int`)
    expect(followed.hops.map((hop) => hop.switch).sort()).toEqual(hosts)
    expect(followed.drops).toEqual([])
  },
)
