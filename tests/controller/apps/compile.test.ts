import { describe, expect, test } from 'vitest'
import { type Memberships, QUERIERS, ROUTERS } from '../../../controller/network/memberships.ts'
import { patchView } from '../../../controller/network/patch-view.ts'
import { bareIntent, type Intent } from '../../../controller/network/intent.ts'
import { assignmentsOf, type View } from '../../../controller/network/view.ts'
import { buildView } from '../../../controller/network/build-view.ts'
import { Compilations, compile, Compiler } from '../../../controller/reconcile/compile.ts'
import { diff, messagesOf } from '../../../controller/reconcile/diff.ts'
import { networkSlot } from '../../../controller/reconcile/switch-flows.ts'
import type { SwitchState } from '../../../controller/reconcile/switch-state.ts'
import { appOfCookie, LAST_USER_TABLE } from '../../../controller/tables.ts'
import type { FlowSpec } from '../../../protocols/control/messages.ts'
import { checkFlowMod } from '../../../datapath/flow-check.ts'
import { parseMac } from '../../../protocols/address.ts'
import { seeded } from '../../../runtime/random.ts'
import { shapeTopology } from '../../../topologies/shapes.ts'
import type { Bridge, Host } from '../../../topologies/topology.ts'
import { withSecurityGroups } from '../../support/random-security-groups.ts'
import { randomTopology } from '../../support/random-topologies.ts'
import { seeds } from '../../support/seeds.ts'

const SEEDS = seeds(6)
const STAGES = ['prepared', 'collecting', 'moved', 'released'] as const

const intentOf = (seed: number): Intent =>
  bareIntent(withSecurityGroups(seeded(seed + 1000), randomTopology(seeded(seed))))

/** The same network with its first VM moving, and addresses learned everywhere. */
function eventful(seed: number): Intent[] {
  const intent = intentOf(seed)
  const vm = intent.topology.vms[0]
  let { learned } = intent
  for (const nic of intent.topology.vms.flatMap(({ nics }) => nics))
    if (nic.network) learned = learned.learn(nic.network, 0x020000aa0001n, { kind: 'vnic', nic: nic.id, attachment: 0 })
  for (const { name } of intent.topology.networks)
    learned = learned.learn(name, 0x020000bb0001n, { kind: 'outside', switches: ['h1/br-int'] })
  // An address that the topology knows has been seen elsewhere.
  const [known] = intent.topology.vms.flatMap(({ nics }) => nics)
  if (known?.network !== undefined)
    learned = learned.learn(known.network, parseMac(known.mac), { kind: 'outside', switches: ['h1/br-int'] })
  const memberships = listeners(intent)
  const target = intent.topology.hosts.find(
    (host) => host.name !== vm?.host && vm?.nics.every((nic) => host.bridges.some(({ name }) => name === nic.bridge)),
  )
  if (vm === undefined || target === undefined) return [{ ...intent, learned, memberships }]
  const move = { to: target.name, homeState: 'hold', targetState: 'hold' } as const
  return STAGES.map((stage) => ({ ...intent, learned, memberships, moves: new Map([[vm.name, { ...move, stage }]]) }))
}

/** Everybody listens to something, and every network has a router. */
function listeners({ topology, memberships }: Intent): Memberships {
  const spots = topology.vms.flatMap(({ nics }) =>
    nics.map((nic) => ({ kind: 'vnic', nic: nic.id, attachment: 0 }) as const),
  )
  const of = topology.networks.flatMap(({ name: network }) => [
    ...spots.flatMap((spot) => ['239.1.1.1', 'ff3e::1'].map((group) => ({ network, group, spot }))),
    { network, group: QUERIERS, spot: spots[0] ?? ({ kind: 'outside' } as const), source: '10.0.0.1' },
    { network, group: ROUTERS, spot: spots.at(-1) ?? ({ kind: 'outside' } as const), source: '10.0.0.2' },
    { network, group: '239.1.1.2', spot: { kind: 'outside' } as const },
  ])
  return of.reduce((known, one) => known.with(one), memberships)
}

function statesOf(intent: Intent) {
  const view = buildView(intent)
  return [...view.switches.values()].map((at) => compile(at, view))
}

describe('what the apps say together', () => {
  test.each(SEEDS)('is what a switch can take (seed %i)', (seed) => {
    for (const { flows, meters } of [intentOf(seed), ...eventful(seed)].flatMap(statesOf)) {
      const add = (flow: FlowSpec) =>
        checkFlowMod(
          { type: 'flowMod', command: 'add', cookieMask: 0n, ...flow },
          { meterExists: (meter) => meters.has(meter), groupExists: () => false },
        )
      expect(() => [...flows.values()].forEach(add)).not.toThrow()
    }
  })

  test.each(SEEDS)('names the app of every flow, and leaves the users tables but a way out (seed %i)', (seed) => {
    const flows = statesOf(intentOf(seed)).flatMap((state) => [...state.flows.values()])
    expect(flows.filter(({ cookie }) => appOfCookie(cookie) === undefined)).toEqual([])
    const ways = flows.filter(({ table }) => table <= LAST_USER_TABLE)
    expect(ways.filter(({ priority, match }) => priority > 0 || match.length > 0)).toEqual([])
  })

  test.each(SEEDS)('says nothing twice to all that share it (seed %i)', (seed) => {
    for (const { flows } of [intentOf(seed), ...eventful(seed)].flatMap(statesOf)) {
      const keys = [...flows.keys()]
      expect(new Set(keys).size).toBe(keys.length)
      expect(flows.size).toBe(keys.length)
    }
  })

  test.each(SEEDS)('gives each port of a switch a number of its own (seed %i)', (seed) => {
    for (const { ports } of [intentOf(seed), ...eventful(seed)].flatMap(statesOf)) {
      const numbers = [...ports.values()].map(({ number }) => number)
      expect(new Set(numbers).size).toBe(numbers.length)
    }
  })

  test.each(SEEDS)('is the very same object for a switch that a change does not concern (seed %i)', (seed) => {
    const intent = intentOf(seed)
    const before = buildView(intent)
    const after = buildView({ ...intent, topology: { ...intent.topology, name: 'renamed' } }, before)
    const compiler = new Compiler()
    const states = compiler.follow(before)
    expect(compiler.follow(after)).toEqual(new Map())
    for (const name of after.switches.keys()) expect(compiler.stateOf(name)).toBe(states.get(name))
  })
})

const TWO_HOSTS = shapeTopology('single,2', { vmsPerHost: 1, networks: 1, type: 'vlan' })

/** To these bridges all that is elsewhere is one way: no other switch is told the same. */
test('bridges whose flows are their own leave room for those that share', () => {
  const own = ['web', 'deep', 'dark', 'last'].map((name) => ({ name: `br-${name}`, peer: 'br-int' }))
  const [first, second] = TWO_HOSTS.hosts
  const hosts = [{ ...first!, bridges: [...first!.bridges, ...own] }, second!]
  const states = new Compiler().follow(buildView({ ...intentOf(1), topology: { ...TWO_HOSTS, hosts } }))
  const sharedBy = [...own.map(({ name }) => `h1/${name}`), 'h1/br-int', 'h2/br-int'].map((name) => {
    const { flows } = states.get(name)!
    return flows.slot(networkSlot(TWO_HOSTS.networks[0]!.name))!.shared
  })
  expect(sharedBy[4]).toBe(sharedBy[5])
  expect(new Set(sharedBy).size).toBe(own.length + 1)
})

test('a network that wears another tag while it stays is compiled as by one of no history', () => {
  const topology = shapeTopology('single,2', { vmsPerHost: 3, networks: 3, type: 'vxlan' })
  const hosts = topology.hosts.map((host) => ({
    ...host,
    bridges: [...host.bridges, { name: 'br-web', peer: 'br-int' }],
  }))
  const intent: Intent = { ...intentOf(1), topology: { ...topology, hosts } }
  const { localTags, ...rest } = assignmentsOf(buildView(intent))
  const swapped = new Map([...localTags].map(([host, tags]) => [host, new Map(rotated([...tags]))]))
  const before = buildView(intent)
  const after = buildView(intent, before, { ...rest, localTags: swapped })
  for (const { along, anew } of alongAndAnew(before, after)) expect(along).toEqual(anew)
})

/** What a compiler that follows these says of each, and what one says that knows no other. */
function alongAndAnew(...views: View[]) {
  const compiler = new Compiler()
  const bothOf = (view: View) => {
    compiler.follow(view)
    return [...view.switches].map(([name, at]) => [compiler.stateOf(name), compile(at, view)].map(plain))
  }
  return views.flatMap(bothOf).map(([along, anew]) => ({ along, anew }))
}

const plain = (state: SwitchState) => ({ ...state, flows: new Map(state.flows) })

/** Of three tags, two change places. */
const rotated = ([[a, first], [b, second], ...others]: [string, number][]): [string, number][] => [
  [a, second],
  [b, first],
  ...others,
]

/** Each hangs from the one before. */
const row = (names: string[]): Bridge[] => names.map((name, at) => ({ name, ...(at > 0 && { peer: names[at - 1]! }) }))

/** The first host has three bridges in a row, its VM is on the one in the middle, and all that may be known of a network is. */
function inARow(type: 'vlan' | 'vxlan'): Intent {
  const { hosts, networks, vms, ...rest } = shapeTopology('single,2', { vmsPerHost: 1, networks: 1, type })
  const [first, second] = hosts
  const [vm, other] = vms
  const snooping = { tableSize: 8, agingTime: 1e9, floodUnregistered: false, fastLeave: false }
  const topology = {
    ...rest,
    hosts: [{ ...first!, bridges: row(['br-left', 'br-middle', 'br-right']) }, second!],
    networks: networks.map((network) => ({ ...network, igmpSnooping: snooping })),
    vms: [{ ...vm!, nics: vm!.nics.map((nic) => ({ ...nic, bridge: 'br-middle' })) }, other!],
  }
  const intent = bareIntent(topology)
  const { name: network } = networks[0]!
  const behind = { kind: 'vnic', nic: other!.nics[0]!.id, attachment: 0 } as const
  const outside = { kind: 'outside', switches: ['h2/br-int'] } as const
  return {
    ...intent,
    learned: intent.learned.learn(network, 0x020000aa0001n, behind).learn(network, 0x020000bb0001n, outside),
    memberships: intent.memberships.with({ network, group: '239.1.1.1', spot: behind }),
  }
}

const withFirstHost = (intent: Intent, change: (host: Host) => Host): Intent => {
  const [first, ...others] = intent.topology.hosts
  return { ...intent, topology: { ...intent.topology, hosts: [change(first!), ...others] } }
}

test.each(['vlan', 'vxlan'] as const)(
  'a bridge whose way out of the host (%s) has come to be on its other side is compiled as by one of no history',
  (type) => {
    const intent = inARow(type)
    const bridges = row(['br-right', 'br-middle', 'br-left'])
    const turned = withFirstHost(intent, (host) => ({ ...host, bridges }))
    const before = buildView(intent)
    const after = buildView(turned, before)
    const [was, is] = [before, after].map(({ switches }) => switches.get('h1/br-middle')!.towards)
    expect(is).toBe(was)
    for (const { along, anew } of alongAndAnew(before, after)) expect(along).toEqual(anew)
  },
)

test('what a compiler has made for a host is not taken for one of its name without tunnels', () => {
  const intent = inARow('vxlan')
  const before = buildView(intent)
  const after = buildView(
    withFirstHost(intent, ({ vtep: _vtep, ...host }) => host),
    before,
  )
  const { name } = intent.topology.networks[0]!
  expect(after.networks.get(name)!.groups).toBe(before.networks.get(name)!.groups)
  const compilations = new Compilations()
  for (const view of [before, after]) {
    const compiler = new Compiler(compilations)
    compiler.follow(view)
    for (const at of view.switches.values())
      expect(new Map(compiler.stateOf(at.name).flows)).toEqual(new Map(compile(at, view).flows))
  }
})

test.each(['vlan', 'vxlan'] as const)(
  'a VM more on a network (%s) is one and the same change for all who only hear of it',
  (type) => {
    const topology = shapeTopology('single,4', { vmsPerHost: 1, networks: 1, type })
    const { vms } = topology
    const intent = bareIntent(topology)
    const before = buildView({ ...intent, topology: { ...topology, vms: vms.slice(1) } })
    const after = patchView(before, intent)
    const compiler = new Compiler()
    const elsewhere = (view: View) => {
      compiler.follow(view)
      const others = [...view.switches.values()].filter(({ host }) => host.name !== vms[0]!.host)
      return others.map(({ name }) => compiler.stateOf(name))
    }
    const states = elsewhere(before)
    const told = elsewhere(after).map((state, index) => messagesOf(diff(states[index]!, state)))
    expect(told).toHaveLength(3)
    expect(told[0]!.length).toBeGreaterThan(0)
    expect(new Set(told).size).toBe(1)
  },
)

const UNSAFE = { portSecurity: false }

/** What comes to a list amid others: on networks of that type. */
const FIRST: Record<string, { type: 'vlan' | 'vxlan'; come: (intent: Intent) => Intent }> = {
  'address learned outside': {
    type: 'vlan',
    come: ({ topology, learned, ...intent }) => {
      const seen = { kind: 'outside', switches: ['h1/br-int'] } as const
      return { ...intent, topology, learned: learned.learn(topology.networks[0]!.name, 0x020000bb0001n, seen) }
    },
  },
  'vNIC without port security': {
    type: 'vxlan',
    come: ({ topology, ...intent }) => {
      const vm = topology.vms[0]!
      const open = { ...vm, nics: vm.nics.map((nic) => ({ ...nic, policy: UNSAFE })) }
      return { ...intent, topology: { ...topology, vms: topology.vms.with(0, open) } }
    },
  },
}

test.each(Object.entries(FIRST))('nothing that stays is compared for the first %s', (_what, { type, come }) => {
  const topology = shapeTopology('single,3', { vmsPerHost: 5, networks: 1, type })
  const quiet: Intent = { ...intentOf(1), topology }
  const before = buildView(quiet)
  const after = patchView(before, come(quiet))
  const compiler = new Compiler()
  const flowsOf = (view: View) => {
    compiler.follow(view)
    return [...view.switches.keys()].map((name) => compiler.stateOf(name).flows)
  }
  const were = flowsOf(before)
  const changes = flowsOf(after).flatMap((flows, index) => flows.changesSince(were[index]!))
  expect(changes.length).toBeGreaterThan(0)
  expect(changes.filter(([, was, is]) => was === is)).toEqual([])
})
