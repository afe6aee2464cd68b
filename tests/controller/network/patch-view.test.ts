// What is worked out of a change alone against its slow twin, which works everything out.

import { describe, expect, test, vi } from 'vitest'
import { buildView } from '../../../controller/network/build-view.ts'
import { LearnedAddresses } from '../../../controller/network/learned.ts'
import type { Spot } from '../../../controller/network/memberships.ts'
import { hearsAll, Memberships, QUERIERS, ROUTERS } from '../../../controller/network/memberships.ts'
import { patchView } from '../../../controller/network/patch-view.ts'
import { withVm } from '../../../controller/network/vm-changes.ts'
import { bareIntent, type Intent, type Move } from '../../../controller/network/intent.ts'
import type { View } from '../../../controller/network/view.ts'
import { PersistentMap } from '../../../controller/persistent-map.ts'
import { compile, Compiler, NOTHING } from '../../../controller/reconcile/compile.ts'
import { diff, messagesOf } from '../../../controller/reconcile/diff.ts'
import type { SwitchState } from '../../../controller/reconcile/switch-state.ts'
import { sameFlow } from '../../../controller/reconcile/switch-state.ts'
import type { Random } from '../../../runtime/random.ts'
import { parseMac } from '../../../protocols/address.ts'
import { seeded } from '../../../runtime/random.ts'
import { relocated } from '../../../topologies/relocation.ts'
import { shapeTopology } from '../../../topologies/shapes.ts'
import type { Bridge, Network, Nic, Topology, Vm } from '../../../topologies/topology.ts'
import { withGroups, withSecurityGroups } from '../../support/random-security-groups.ts'
import { withMirrors } from '../../support/random-mirrors.ts'
import { randomHost, randomNetwork, randomTopology } from '../../support/random-topologies.ts'
import { seeds } from '../../support/seeds.ts'
import { expectEqual } from '../../support/expect-equal.ts'

const STAGES = ['prepared', 'collecting', 'moved', 'released'] as const
const STATES = ['open', 'hold', 'closed'] as const
const CHANGES = 12

const pick = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)]!

/** One change as the controller makes them: to a VM, to all, to a move, to what was learned, now and then to networks and hosts. */
function changed(intent: Intent, random: Random, serial: number): Intent {
  const { topology } = intent
  const vm = topology.vms.length > 0 ? pick(random, topology.vms) : undefined
  const kind = random.below(20)
  if (kind === 13 || kind === 14) return { ...intent, memberships: listened(intent, random) }
  if (vm === undefined || kind === 0) return { ...intent, topology: withNewVm(topology, random, serial) }
  if (kind === 1) return { ...intent, topology: { ...topology, vms: topology.vms.filter((one) => one !== vm) } }
  if (kind <= 3) return { ...intent, topology: withVm(topology, vm, withPolicy(vm, random)) }
  if (kind === 4) return settled(intent, vm, random)
  if (kind <= 6) return moved(intent, vm, random)
  if (kind === 7 || kind === 19) return { ...intent, topology: withNetworks(topology, random) }
  if (kind === 8) return { ...intent, topology: withRules(topology, random) }
  if (kind === 15) return { ...intent, topology: withMirrors(random, topology) }
  if (kind === 18) return rebridged(intent, random)
  if (kind >= 16) return rehosted(intent, random)
  if (kind <= 10) return { ...intent, topology: withVm(topology, vm, regrouped(vm, random)) }
  return learned(intent, random)
}

function withNewVm(topology: Topology, random: Random, serial: number): Topology {
  const host = pick(random, topology.hosts)
  const name = `new${serial}`
  const nic: Nic = {
    id: `${name}:eth0`,
    vm: name,
    name: 'eth0',
    bridge: pick(random, host.bridges).name,
    network: pick(random, topology.networks).name,
    mac: `02:00:00:01:00:${serial.toString(16).padStart(2, '0')}`,
    addresses: [`10.1.0.${serial}`],
    vlanMode: 'access',
    trunks: [],
    policy: { portSecurity: random.below(2) === 0 },
  }
  return {
    ...topology,
    vms: topology.vms.toSpliced(random.below(topology.vms.length + 1), 0, { name, host: host.name, nics: [nic] }),
  }
}

/** A host comes, goes with all that is on it, or has another tunnel endpoint. */
function rehosted(intent: Intent, random: Random): Intent {
  const { topology, moves } = intent
  const drawn = randomHost(random, random.below(5))
  const at = topology.hosts.findIndex(({ name }) => name === drawn.name)
  const { [at]: host } = topology.hosts
  if (host === undefined) return { ...intent, topology: { ...topology, hosts: [...topology.hosts, drawn] } }
  if (topology.hosts.length === 1 || random.below(2) === 0) {
    const { vtep: _vtep, ...rest } = host
    const elsewhere = { ...rest, ...(drawn.vtep !== undefined && { vtep: drawn.vtep }) }
    return { ...intent, topology: { ...topology, hosts: topology.hosts.with(at, elsewhere) } }
  }
  return {
    ...intent,
    topology: {
      ...topology,
      hosts: topology.hosts.toSpliced(at, 1),
      vms: topology.vms.filter((vm) => vm.host !== host.name),
    },
    moves: new Map([...moves].filter(([, { to }]) => to !== host.name)),
  }
}

/** Bridges of a host hang from one another in another way, or as before with the uplink at another. Nobody moves there or from there. */
function rebridged({ topology, moves, ...intent }: Intent, random: Random): Intent {
  const host = pick(random, topology.hosts)
  const bridges =
    random.below(2) === 0 ? rerooted(host.bridges, pick(random, host.bridges)) : tree(random, host.bridges)
  const homes = new Map(topology.vms.map((vm) => [vm.name, vm.host]))
  return {
    ...intent,
    topology: { ...topology, hosts: topology.hosts.map((one) => (one === host ? { ...host, bridges } : one)) },
    moves: new Map([...moves].filter(([vm, { to }]) => to !== host.name && homes.get(vm) !== host.name)),
  }
}

function rerooted(bridges: readonly Bridge[], root: Bridge, from?: Bridge): Bridge[] {
  const next = bridges.filter((one) => one !== from && (one.peer === root.name || root.peer === one.name))
  const top = { name: root.name, ...(from && { peer: from.name }) }
  return [top, ...next.flatMap((one) => rerooted(bridges, one, root))]
}

function tree(random: Random, bridges: readonly Bridge[]): Bridge[] {
  const left = bridges.map(({ name }) => name)
  const made: Bridge[] = []
  while (left.length > 0) {
    const peer = made.length > 0 && { peer: pick(random, made).name }
    made.push({ name: left.splice(random.below(left.length), 1)[0]!, ...peer })
  }
  return made
}

const withPolicy = (vm: Vm, random: Random): Vm => ({
  ...vm,
  nics: vm.nics.map((nic) => ({
    ...nic,
    policy: { ...nic.policy, portSecurity: random.below(2) === 0, egressRate: 1e6 * (1 + random.below(3)) },
  })),
})

const regrouped = (vm: Vm, random: Random): Vm => ({ ...vm, nics: vm.nics.map((nic) => withGroups(random, nic)) })

/** Of one security group all rules are others; now and then those of an address group. */
function withRules(topology: Topology, random: Random): Topology {
  const { securityGroups, addressGroups } = withSecurityGroups(random, topology)
  if (random.below(3) === 0) return { ...topology, addressGroups }
  const chosen = random.below(securityGroups.length)
  return { ...topology, securityGroups: topology.securityGroups.with(chosen, securityGroups[chosen]!) }
}

/** Its move is over, here or there; or it is somewhere else from one moment to the next. */
function settled(intent: Intent, vm: Vm, random: Random): Intent {
  const { topology, moves } = intent
  const others = new Map([...moves].filter(([name]) => name !== vm.name))
  const there = relocated(vm, topology, pick(random, topology.hosts).name)
  return { ...intent, moves: others, topology: there === undefined ? topology : withVm(topology, vm, there) }
}

function moved(intent: Intent, vm: Vm, random: Random): Intent {
  const { topology, moves } = intent
  const before = moves.get(vm.name)
  const to = before?.to ?? pick(random, topology.hosts).name
  if (to === vm.host || relocated(vm, topology, to) === undefined) return intent
  const move: Move = {
    to,
    stage: pick(random, STAGES),
    homeState: pick(random, STATES),
    targetState: pick(random, STATES),
  }
  return { ...intent, moves: new Map(moves).set(vm.name, move) }
}

/** A network has another segment, or is of another type, or snoops otherwise. */
function withNetworks(topology: Topology, random: Random): Topology {
  const at = random.below(topology.networks.length)
  const chosen = topology.networks[at]!
  const [{ igmpSnooping, ...rest }, { igmpSnooping: snooping, ...drawn }] = [chosen, randomNetwork(random, at)]
  const others: Network[] = [
    withSegment(topology, chosen, random),
    { ...drawn, ...(igmpSnooping && { igmpSnooping }) },
    { ...rest, ...(snooping && { igmpSnooping: snooping }) },
  ]
  return { ...topology, networks: topology.networks.with(at, pick(random, others)) }
}

function withSegment({ networks }: Topology, chosen: Network, random: Random): Network {
  if (chosen.type === 'flat') return chosen
  const segment = chosen.type === 'vlan' ? 100 + random.below(100) : 6000 + random.below(100)
  return networks.some((network) => network.segment === segment) ? chosen : { ...chosen, segment }
}

function learned(intent: Intent, random: Random): Intent {
  const network = pick(random, intent.topology.networks).name
  const nics = intent.topology.vms.flatMap((vm) => vm.nics)
  const known = nics.length > 0 && random.below(6) === 0
  const mac = known ? parseMac(pick(random, nics).mac) : 0x020000aa0000n + BigInt(random.below(6))
  const at = intent.learned.at(network, mac)
  if (at !== undefined && random.below(2) === 0) {
    const seenAt = at.kind === 'vnic' ? { nic: at.nic } : { switch: pick(random, at.switches) }
    return { ...intent, learned: intent.learned.forget(network, mac, seenAt) }
  }
  if (nics.length > 0 && random.below(2) === 0)
    return {
      ...intent,
      learned: intent.learned.learn(network, mac, { kind: 'vnic', nic: pick(random, nics).id, attachment: 0 }),
    }
  const switches = [`${pick(random, intent.topology.hosts).name}/br-int`]
  return { ...intent, learned: intent.learned.learn(network, mac, { kind: 'outside', switches }) }
}

function listened({ topology, memberships }: Intent, random: Random): Memberships {
  const group = pick(random, [QUERIERS, ROUTERS, '239.1.1.1', '239.1.1.2', 'ff3e::1'])
  const network = pick(random, topology.networks).name
  const nics = topology.vms.flatMap((vm) => vm.nics)
  const spot: Spot =
    nics.length === 0 || random.below(4) === 0
      ? { kind: 'outside' }
      : { kind: 'vnic', nic: pick(random, nics).id, attachment: random.below(3) }
  const source = hearsAll(group) ? { source: `10.0.0.${random.below(3)}` } : {}
  const one = { network, group, spot, ...source }
  return random.below(3) === 0 ? memberships.without(one) : memberships.with(one)
}

/** Persistent maps as plain ones, so that only what is in them counts. */
function plain(value: unknown): unknown {
  if (value instanceof LearnedAddresses) return plain(value.byNetwork)
  if (value !== null && typeof value === 'object' && Symbol.iterator in value && !Array.isArray(value))
    return new Map([...(value as Iterable<[string, unknown]>)].map(([key, one]) => [key, plain(one)]))
  if (Array.isArray(value)) return value.map(plain)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]))
}

const partsOf = ({ intent: _intent, topology: _topology, ...view }: View) => plain(view)

function expectSame(a: SwitchState, b: SwitchState): void {
  expectEqual(new Map(a.ports), new Map(b.ports))
  expectEqual(new Map(a.meters), new Map(b.meters))
  expectEqual([...a.flows.keys()].sort(), [...b.flows.keys()].sort())
  expect([...a.flows].filter(([key, flow]) => !sameFlow(b.flows.get(key)!, flow))).toEqual([])
  expect(a.flows.size).toBe(b.flows.size)
}

describe('a change worked out alone', () => {
  test.each(seeds(10))('gives what working everything out gives (seed %i)', (seed) => {
    const random = seeded(seed)
    const topology = withSecurityGroups(random, randomTopology(random))
    let intent: Intent = bareIntent(topology)
    let view = buildView(intent)
    const compiler = new Compiler()
    const states = compiler.follow(view)
    for (let serial = 1; serial <= CHANGES; serial++) {
      intent = changed(intent, random, serial)
      const whole = buildView(intent, view)
      view = patchView(view, intent)
      expectEqual(partsOf(view), partsOf(whole))
      const others = compiler.follow(view)
      for (const name of view.switches.keys()) {
        const before = states.get(name) ?? NOTHING
        const state = compiler.stateOf(name)
        // Nobody else need be looked at.
        expect(others.get(name) ?? before).toBe(state)
        expectSame(state, compile(whole.switches.get(name)!, whole))
        const touched = messagesOf(
          diff({ ...before, flows: new Map(before.flows) }, { ...state, flows: new Map(state.flows) }),
        )
        expectEqual(messagesOf(diff(before, state)).map(textOf).sort(), touched.map(textOf).sort())
        states.set(name, state)
      }
      for (const [name, state] of others) expect(compiler.stateOf(name)).toBe(state)
      for (const name of states.keys()) {
        if (view.switches.has(name)) continue
        expect(others.get(name)).toBe(NOTHING)
        states.delete(name)
      }
    }
  })
})

const textOf = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? part.toString() : part))

test('where queries come from is nothing to the flows of groups', () => {
  const snooping = { tableSize: 8, agingTime: 1e9, floodUnregistered: false, fastLeave: false }
  const base = randomTopology(seeded(1))
  const topology = { ...base, networks: base.networks.map((network) => ({ ...network, igmpSnooping: snooping })) }
  const nic = topology.vms.flatMap((vm) => vm.nics).find((one) => one.network !== undefined)!
  const at = { network: nic.network!, spot: { kind: 'vnic', nic: nic.id, attachment: 0 } as const }
  const asked = (source: string) =>
    new Memberships().with({ ...at, group: '239.1.1.1' }).with({ ...at, group: QUERIERS, source })
  const view = (source: string, before?: View) => {
    const intent = { ...bareIntent(topology), memberships: asked(source) }
    return before === undefined ? buildView(intent) : patchView(before, intent)
  }
  const compiler = new Compiler()
  const shared = (now: View) => {
    compiler.follow(now)
    const slots = [...now.switches.keys()].map((name) => compiler.stateOf(name).flows.slot(`network ${at.network}`))
    return slots.flatMap((slot) => slot?.shared ?? [])
  }
  const before = view('10.0.0.1')
  const [first, second] = [shared(before), shared(view('10.0.0.2', before))]
  expect(first.some((flows) => [...flows.keys()].some((key) => key.includes('nw_dst=4009820417')))).toBe(true)
  expect(second.every((flows, index) => flows === first[index])).toBe(true)
})

/** How often something is looked up by its name while one vNIC gets another policy. */
function lookUpsForPolicy(hosts: number): number {
  const topology = shapeTopology(`single,${hosts}`, { vmsPerHost: 2, networks: 1, type: 'vxlan' })
  const intent = bareIntent(topology)
  const view = buildView(intent)
  const vm = topology.vms[3]!
  const limited = vm.nics.map((nic): Nic => ({ ...nic, policy: { ...nic.policy, egressRate: 1e6 } }))
  const after = { ...intent, topology: withVm(topology, vm, { ...vm, nics: limited }) }
  const asked = vi.spyOn(PersistentMap.prototype, 'get')
  patchView(view, after)
  const { length } = asked.mock.calls
  asked.mockRestore()
  return length
}

test('one policy takes no more among many hosts than among few', () => {
  expect(lookUpsForPolicy(200)).toBe(lookUpsForPolicy(20))
})
