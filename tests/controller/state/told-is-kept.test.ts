import { describe, expect, test } from 'vitest'
import { Controller } from '../../../controller/controller.ts'
import { buildView } from '../../../controller/network/build-view.ts'
import type { View } from '../../../controller/network/view.ts'
import { compile, Compiler } from '../../../controller/reconcile/compile.ts'
import type { SwitchState } from '../../../controller/reconcile/switch-state.ts'
import { flowKey, sameBands, sameFlow, samePort } from '../../../controller/reconcile/switch-state.ts'
import { imageOf, type MigrationRecord } from '../../../controller/state/image.ts'
import { State } from '../../../controller/state/state.ts'
import { cookieOf, Table } from '../../../controller/tables.ts'
import type { BundledMessage, FlowSpec, MeterBand, PortConfig } from '../../../protocols/control/messages.ts'
import { parseFlow, parseFlowFilter } from '../../../protocols/flow-text/parse.ts'
import { MICROSECOND, MILLISECOND } from '../../../runtime/clock.ts'
import { type Random, seeded } from '../../../runtime/random.ts'
import type { Batch, Change, StoredEntry } from '../../../runtime/store.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import { withVm } from '../../../controller/network/vm-changes.ts'
import type { Topology, Vm } from '../../../topologies/topology.ts'
import { threeHosts } from '../../support/controlled-fleet.ts'
import { FakeSwitch } from '../../support/fake-switch.ts'
import { pick } from '../../support/random-matches.ts'
import { SlowStore } from '../../support/slow-store.ts'
import { seeds } from '../../support/seeds.ts'

const NAMES = ['h1/br-int', 'h2/br-int', 'h3/br-int']
/** Addresses that nobody has in a topology begin so. */
const LEARNED = 0x0600aa000000n

/** All that a restart would have told switches, had there been one after any of the commits so far. */
class Known {
  readonly #flows = new Map<string, FlowSpec[]>()
  readonly #ports = new Map<string, PortConfig[]>()
  readonly #meters = new Map<string, (readonly MeterBand[])[]>()

  readonly #noted = new Map<string, SwitchState>()
  readonly #compiler = new Compiler()
  #view: View | undefined

  note(entries: Iterable<StoredEntry>): void {
    const { asked, topology, moves, formerHosts, learned, memberships, userFlows, assignments } = imageOf(entries, 0)
    if (asked === undefined) return
    this.#view = buildView({ topology, moves, formerHosts, learned, memberships }, this.#view, assignments)
    this.#compiler.follow(this.#view)
    for (const name of this.#view.switches.keys())
      this.#noteState(name, this.#compiler.stateOf(name), userFlows.get(name))
  }

  #noteState(name: string, state: SwitchState, own: SwitchState['flows'] = new Map()): void {
    for (const [key, flow] of own) addTo(this.#flows, `${name} ${key}`, flow, sameFlow)
    if (this.#noted.get(name) === state) return
    this.#noted.set(name, state)
    const { flows, ports, meters } = state
    for (const [key, flow] of flows) addTo(this.#flows, `${name} ${key}`, flow, sameFlow)
    for (const [key, port] of ports) addTo(this.#ports, `${name} ${key}`, port, samePort)
    for (const [key, bands] of meters) addTo(this.#meters, `${name} ${key}`, bands, sameBands)
  }

  allows(name: string, change: BundledMessage): boolean {
    if ('command' in change && change.command.startsWith('delete')) return true
    if (change.type === 'meterMod')
      return !!this.#meters.get(`${name} ${change.meter}`)?.some((bands) => sameBands(bands, change.bands))
    if (change.type === 'portMod') return this.#allowsPort(name, change.port)
    if (change.type !== 'flowMod') return false
    if (change.match.some(({ value }) => value >> 24n === LEARNED >> 24n)) return true
    return !!this.#flows.get(`${name} ${flowKey(change)}`)?.some((flow) => sameFlow(flow, change))
  }

  /** A port has its new configuration before it is opened. */
  #allowsPort(name: string, port: PortConfig): boolean {
    const known = this.#ports.get(`${name} ${port.name}`) ?? []
    const { type } = port
    if (type !== 'vnic') return type === 'uplink' || known.some((one) => samePort(one, port))
    const isOpen = port.state === 'open'
    return (
      known.some((one) => samePort({ ...one, state: port.state }, port)) &&
      (!isOpen || known.some(({ state }) => state === 'open'))
    )
  }
}

function addTo<T>(all: Map<string, T[]>, key: string, one: T, same: (a: T, b: T) => boolean): void {
  const known = all.get(key) ?? []
  if (!known.some((other) => same(one, other))) all.set(key, [...known, one])
}

/** What no switch is told. */
const UNTOLD: readonly string[] = ['migration', 'unfinished', 'learned', 'generation']

const ENDING: readonly string[] = ['commit', 'abort', 'done', 'aborted', 'failed']

/** What there would be had the moves that were coming to their end been kept, one or all, and nothing else of what was refused. */
function endsOfMoves(entries: readonly StoredEntry[], { changes }: Batch): StoredEntry[][] {
  const written = changes.flatMap(({ kind, key, value }) => (value === undefined ? [] : [{ kind, key, value }]))
  const records = [...entries, ...written].filter(({ kind }) => kind === 'migration')
  const newest = new Map(records.map(({ key, value }) => [key, (JSON.parse(String(value)) as MigrationRecord).status]))
  const ending = [...newest.values()].flatMap(({ vm, state }) => (ENDING.includes(state) ? [vm] : []))
  const isOf = (vms: readonly string[]) => (change: Change) =>
    change.kind === 'migration' || ((change.kind === 'move' || change.kind === 'place') && vms.includes(change.key))
  return [ending, ...ending.map((vm) => [vm])].map((vms) => {
    const all = new Map(entries.map((entry) => [`${entry.kind} ${entry.key}`, entry]))
    for (const { kind, key, value } of changes.filter(isOf(vms))) {
      if (value === undefined) all.delete(`${kind} ${key}`)
      else all.set(`${kind} ${key}`, { kind, key, value })
    }
    return [...all.values()]
  })
}

interface Site {
  clock: VirtualClock
  controller: Controller
  store: SlowStore
  state: State
  switches: Map<string, FakeSwitch>
  /** What a switch was told that no restart would have known. */
  breaches: string[]
}

async function start(random: Random): Promise<Site> {
  const clock = new VirtualClock()
  const store = new SlowStore(clock, random.fork('disk'))
  const known = new Known()
  /** What switches are to be since the last refusals, where nothing has been kept since. */
  let told: StoredEntry[] | undefined
  store.onKept = ({ changes }, entries) => {
    told = undefined
    if (changes.some(({ kind }) => !UNTOLD.includes(kind))) known.note(entries)
  }
  store.onRefused = (batch, entries) => {
    for (const others of endsOfMoves(told ?? entries, batch)) known.note(others)
    ;[told] = endsOfMoves(told ?? entries, batch)
  }
  const state = await clock.runUntil(State.open(store, { clock, wallTime: () => 1.7e12 + clock.now() / MILLISECOND }))
  const controller = new Controller({ clock, state, drain: () => 10 * MICROSECOND })
  const switches = new Map(NAMES.map((name) => [name, new FakeSwitch(name, clock)]))
  const breaches: string[] = []
  for (const [name, device] of switches) {
    device.onChange = (change) => {
      if (!known.allows(name, change)) breaches.push(`${name}: ${describeChange(change)}`)
    }
    device.dial(controller)
  }
  await clock.runUntil(controller.apply(threeHosts()))
  return { clock, controller, store, state, switches, breaches }
}

const describeChange = (change: BundledMessage): string =>
  JSON.stringify(change, (_key, value: unknown) => (typeof value === 'bigint' ? `0x${value.toString(16)}` : value))

/** Something that somebody asks for, or that comes about. */
function happen(random: Random, { controller, switches }: Site, serial: number): Promise<unknown> {
  const kind = random.below(10)
  if (kind < 3) return controller.apply(randomTopology(random, controller.topology, serial))
  if (kind < 5) {
    const flow = parseFlow(`table=0,priority=${random.below(9)},udp,tp_dst=${random.below(9)},actions=drop`)
    return controller.addFlows([{ switch: pick(random, NAMES), flow }])
  }
  if (kind === 5) return controller.deleteFlows(pick(random, NAMES), parseFlowFilter('udp'))
  const device = switches.get(pick(random, NAMES))!
  if (kind < 8) return tellLearned(device, BigInt(random.below(40)))
  if (kind === 8 && random.below(4) === 0) return redial(device, controller)
  return move(random, controller)
}

/** Another rate, another segment, one VM more or less. */
function randomTopology(random: Random, running: Topology, serial: number): Topology {
  const vm = pick(random, running.vms)
  const [nic] = vm.nics
  const kind = random.below(4)
  const policy = { ...nic!.policy, egressRate: 1e6 + serial }
  if (kind === 0) return withVm(running, vm, { ...vm, nics: [{ ...nic!, policy }] })
  if (kind === 1) {
    const networks = running.networks.map((one) => ({ ...one, segment: one.segment! + (random.below(3) - 1) }))
    return { ...running, networks }
  }
  const extra = running.vms.find(({ name }) => name === 'e')
  if (extra !== undefined) return { ...running, vms: running.vms.filter((one) => one !== extra) }
  const made: Vm = {
    name: 'e',
    host: pick(random, running.hosts).name,
    nics: [{ ...nic!, id: 'e:eth0', vm: 'e', mac: '02:00:00:00:00:0e', addresses: ['10.0.0.14'] }],
  }
  return { ...running, vms: kind === 2 ? [...running.vms, made] : [made, ...running.vms] }
}

async function tellLearned(device: FakeSwitch, address: bigint): Promise<void> {
  const frame = new Uint8Array(14)
  new DataView(frame.buffer).setBigUint64(6, (LEARNED + address) << 16n)
  device.say({
    type: 'packetIn',
    reason: 'action',
    table: Table.Learning,
    cookie: cookieOf('learning'),
    inPort: 1,
    totalLength: frame.length,
    match: [{ field: 'reg0', value: 1n }],
    frame,
  })
}

async function redial(device: FakeSwitch, controller: Controller): Promise<void> {
  device.hangUp()
  device.dial(controller)
}

async function move(random: Random, controller: Controller): Promise<unknown> {
  const vm = pick(random, controller.topology.vms).name
  const { id } = controller.migrate({ vm, to: `h${1 + random.below(3)}` })
  if (random.below(3) === 0) await controller.abortMigration(id)
  return controller.migrationDone(id)
}

describe('whoever writes what, however slow the disk', () => {
  test.each(seeds(2))('no switch is told what a restart would not know (seed %i)', async (seed) => {
    const random = seeded(seed)
    const site = await start(random)
    const { clock, controller, store, switches } = site
    const asked: Promise<unknown>[] = []
    let applied = 0
    for (let serial = 0; serial < 40; serial++) {
      const refusals = pick(random, [0, 20, 60])
      store.refuses = () => random.below(100) < refusals
      const happening = Promise.resolve().then(() => happen(random, site, serial))
      asked.push(happening.then(() => applied++).catch(() => {}))
      await clock.run(clock.now() + random.below(30) * MILLISECOND)
    }
    store.refuses = () => false
    await clock.runUntil(Promise.all(asked))
    await clock.runUntil(controller.inSync())
    expect(site.breaches).toEqual([])
    // It does not hold for want of changes, or of refusals.
    expect(applied).toBeGreaterThan(10)
    expect(store.refused).toBeGreaterThan(3)

    await clock.run(clock.now() + 2000 * MILLISECOND)
    const { topology, moves, formerHosts, learned, memberships, userFlows, assignments } = imageOf(
      await store.load(),
      0,
    )
    expect(moves.size).toBe(0)
    const view = buildView({ topology, moves, formerHosts, learned, memberships }, undefined, assignments)
    for (const [name, at] of view.switches) {
      const wanted = compile(at, view)
      const own = userFlows.get(name) ?? new Map<string, FlowSpec>()
      const keys = new Set([...wanted.flows.keys(), ...own.keys()])
      expect({ name, keys: [...switches.get(name)!.flows.keys()].sort() }).toEqual({ name, keys: [...keys].sort() })
    }
  })
})

test('an address that is learned while a topology waits for the disk does not have it told without its steps', async () => {
  const site = await start(seeded(1))
  const { clock, controller, switches } = site
  const networks = controller.topology.networks.map((one) => ({ ...one, segment: one.segment! + 1 }))
  const unready: string[] = []
  const takesIn = (device: FakeSwitch) =>
    [...device.flows.values()].some(({ match }) =>
      match.some(({ field, value }) => field === 'tun_id' && value === SEGMENT),
    )
  for (const device of switches.values())
    device.onChange = (change) => {
      if (change.type !== 'flowMod' || change.command !== 'add' || !sendsTo(SEGMENT, change)) return
      for (const name of ['h1/br-int', 'h3/br-int']) if (!takesIn(switches.get(name)!)) unready.push(name)
    }
  const applied = controller.apply({ ...controller.topology, networks })
  // At each instant until all is done somebody hears of another address.
  for (let address = 0n; address < 40n; address++) {
    await tellLearned(switches.get('h1/br-int')!, address)
    await clock.run(clock.now() + MILLISECOND / 2)
  }
  await clock.runUntil(applied)
  expect(unready).toEqual([])
  expect([...switches.values()].filter(takesIn).map(({ name }) => name)).toEqual(['h1/br-int', 'h3/br-int'])
})

const SEGMENT = 5002n

const sendsTo = (segment: bigint, { instructions }: FlowSpec): boolean =>
  instructions.apply.some(
    (action) => action.type === 'set_field' && action.field === 'tun_id' && action.value === segment,
  )

test('a topology that can not be kept leaves a VM where its move has ended meanwhile', async () => {
  const { clock, controller, store, switches } = await start(seeded(1))
  store.refuses = (batches) => batches.some(({ changes }) => changes.some(({ kind }) => kind === 'asked'))
  let applied: Promise<unknown> | undefined
  controller.subscribe((event) => {
    if (event.type !== 'migration' || event.migration.state !== 'commit' || applied !== undefined) return
    const { topology } = controller
    applied = controller.apply({ ...topology, vms: topology.vms.slice(0, 3) }).catch(String)
  })
  const { id } = controller.migrate({ vm: 'a', to: 'h2' })
  expect((await clock.runUntil(controller.migrationDone(id))).state).toBe('done')
  expect(await clock.runUntil(applied!)).toContain('no space is left')
  await clock.runUntil(controller.inSync())
  expect(controller.topology.vms.map(({ name, host }) => `${name} ${host}`)).toEqual(['a h2', 'b h2', 'c h1', 'd h3'])
  expect(NAMES.filter((name) => switches.get(name)!.ports.has('a:eth0'))).toEqual(['h2/br-int'])
})
