// A controller is killed at whatever step of a failover, and starts again without the host that was to have the VM: of that nobody knows
// whether it has opened the VM's port.

import { expect, test } from 'vitest'
import { MILLISECOND, SECOND, sleep, type Nanoseconds } from '../../../runtime/clock.ts'
import { Watchman } from '../../../controller/placement/watchman.ts'
import { threeHosts } from '../../support/controlled-fleet.ts'
import type { FakeSwitch } from '../../support/fake-switch.ts'
import { RestartingFleet } from '../../support/restarting-fleet.ts'

const NIC = 'a:eth0'
/** The step at which the port has just been opened, and nobody has confirmed it. */
const OPENED = 9

/** `a`, at h1, which is dead, has somewhere else to go; more than half of all hosts stay. */
async function withDeadHost() {
  const topology = threeHosts()
  topology.vms = topology.vms.filter(({ name }) => name !== 'c')
  for (const number of [4, 5])
    topology.hosts.push({ name: `h${number}`, vtep: `192.0.2.${number}`, bridges: [{ name: 'br-int' }] })
  const fleet = await RestartingFleet.start(topology)
  const dead = fleet.switches.get('h1/br-int')!
  dead.hangUp()
  await fleet.clock.run(fleet.clock.now() + MILLISECOND)
  const alive = [...fleet.switches.values()].filter((device) => device !== dead)
  let most = 0
  const isHeldDead = (host: string) => fleet.controller.relocations.modeOf(host) === 'failed'
  const openAt = () => fleet.openAt(NIC).filter((host) => !isHeldDead(host))
  for (const device of alive) device.onChange = () => (most = Math.max(most, openAt().length))
  const [planned] = fleet.controller.relocations.planDrain('h1').moves
  const first = fleet.switches.get(`${planned!.to}/br-int`)!
  const others = alive.filter((device) => device !== first)
  return { fleet, first, others, dead, openAt, mostOpen: () => most }
}

const hostOf = ({ name }: FakeSwitch) => name.split('/')[0]!

/** The process is killed as the switch is about to hear its `count`th message from now on, or once it has; parts of bundles do not count. */
function killAt({ fleet, device }: { fleet: RestartingFleet; device: FakeSwitch }, count: number, heard: boolean) {
  const run = { killed: false }
  const kill = () => {
    run.killed = true
    fleet.kill()
  }
  let left = count
  device.onReceived = ({ type }) => {
    if (type === 'bundleAdd' || --left !== 0) return
    if (heard) fleet.clock.schedule(fleet.clock.now(), kill)
    else kill()
  }
  return run
}

type World = Awaited<ReturnType<typeof withDeadHost>>

/** Each second step is to kill it once a message has been heard. */
async function beginAndKill({ fleet, first }: World, step: number) {
  const run = killAt({ fleet, device: first }, Math.floor(step / 2), step % 2 === 1)
  await fleet.settle(fleet.controller.relocations.failover('h1'))
  await fleet.clock.run(fleet.clock.now() + MILLISECOND)
  first.onReceived = () => {}
  return run.killed
}

/** The process starts again, and the host is there until it is about to hear its message of this number. */
async function startAgain({ fleet, first, others }: World, hears: number) {
  await fleet.restart(false)
  for (const device of others) device.dial(fleet.controller)
  if (hears === 0) return
  first.hangUpAt = first.received + hears
  first.dial(fleet.controller)
}

/** The VM is at one place, and its guest runs there; hosts that come back in the end have nothing of it. */
async function outcome({ fleet, first, others, dead, mostOpen }: World) {
  const { state, moves } = await fleet.settle(fleet.controller.relocations.done('r1'))
  first.dial(fleet.controller)
  dead.dial(fleet.controller)
  await fleet.clock.run(fleet.clock.now() + SECOND)
  const place = fleet.controller.topology.vms.find(({ name }) => name === 'a')!.host
  const left = [first, dead, ...others].filter(({ name, ports }) => !name.startsWith(`${place}/`) && ports.has(NIC))
  expect({ left: left.length, problem: moves[0]!.problem, guest: fleet.guests.get('a') }).toEqual({
    left: 0,
    guest: place,
  })
  expect({ state, most: mostOpen(), open: fleet.openAt(NIC) }).toEqual({ state: 'done', most: 1, open: [place] })
}

type End = (world: World) => Promise<unknown>

const wait = ({ clock }: RestartingFleet, span: Nanoseconds) => clock.run(clock.now() + span)

const returnsAfter =
  (span: Nanoseconds): End =>
  async ({ fleet, first }) => {
    await wait(fleet, span)
    first.dial(fleet.controller)
  }

const isGivenUp: End = async ({ fleet, first }) => {
  await wait(fleet, 90 * SECOND)
  expect(fleet.controller.relocations.find('r1').moves[0]!.problem).toMatch(
    /may be open still at h\d; signalbox host fail/,
  )
  await fleet.settle(fleet.controller.relocations.failover(hostOf(first)))
}

const ENDS: readonly { what: string; end: End; hears: number }[] = [
  { what: 'not there, and returns soon', end: returnsAfter(38 * MILLISECOND), hears: 0 },
  { what: 'not there, and returns late', end: returnsAfter(90 * SECOND), hears: 0 },
  { what: 'not there, and somebody says that it is dead', end: isGivenUp, hears: 0 },
  { what: 'gone again as it is told what is wanted, and returns late', end: returnsAfter(90 * SECOND), hears: 5 },
]

test.each(ENDS)(
  'its host is $what: the VM runs at one place in the end, and at no instant at two',
  async ({ end, hears }) => {
    let kills = 0
    for (let step = 2; ; step++) {
      const world = await withDeadHost()
      if (!(await beginAndKill(world, step))) break
      kills++
      await startAgain(world, hears)
      await end(world)
      await outcome(world)
    }
    expect(kills).toBeGreaterThan(OPENED)
  },
)

test('a watchman gives up such a host, too, for the sake of those who may have ports there', async () => {
  const world = await withDeadHost()
  expect(await beginAndKill(world, OPENED)).toBe(true)
  await startAgain(world, 0)
  const { clock, controller } = world.fleet
  const watchman = new Watchman(controller, { clock, after: 40 * SECOND, log: () => {} })
  await outcome(world)
  watchman.stop()
})

test('whoever aborts the failover need not wait for it, and the ports open once the host has closed its own', async () => {
  const world = await withDeadHost()
  const { fleet, first } = world
  expect(await beginAndKill(world, OPENED)).toBe(true)
  await startAgain(world, 0)
  await wait(fleet, 60 * SECOND)
  expect(() => fleet.controller.migrate({ vm: 'a', to: 'h3' })).toThrow('ports of a may be open still at')
  expect(await fleet.settle(fleet.controller.relocations.abort('r1'))).toMatchObject({ state: 'aborted' })
  expect(world.openAt()).toEqual([hostOf(first)])
  await fleet.restart(false)
  for (const device of world.others) device.dial(fleet.controller)
  await wait(fleet, 60 * SECOND)
  first.dial(fleet.controller)
  await wait(fleet, SECOND)
  expect(world.openAt()).toEqual([fleet.controller.topology.vms.find(({ name }) => name === 'a')!.host])
  expect(world.openAt()).not.toEqual([hostOf(first)])
})

test('the VM tells whom it waits for, and a failover whose VM is taken out meanwhile ends', async () => {
  const world = await withDeadHost()
  const { fleet, first } = world
  expect(await beginAndKill(world, OPENED)).toBe(true)
  await startAgain(world, 0)
  await wait(fleet, 60 * SECOND)
  const { controller } = fleet
  const told = () => controller.vms().map(({ name, state, waitsFor }) => ({ name, state, waitsFor }))
  const others = ['b', 'd'].map((name) => ({ name, state: 'running', waitsFor: undefined }))
  expect(told()).toEqual([{ name: 'a', state: 'waiting', waitsFor: [hostOf(first)] }, ...others])
  const a = controller.topology.vms.find(({ name }) => name === 'a')!
  await fleet.settle(controller.changeVm('a', () => undefined))
  await wait(fleet, SECOND)
  expect(controller.relocations.find('r1')).toMatchObject({
    state: 'failed',
    moves: [{ vm: 'a', problem: 'it is not there any more' }],
  })
  await fleet.settle(controller.changeVm('a', () => a))
  expect(told().at(-1)).toMatchObject({ name: 'a', state: 'waiting', waitsFor: [hostOf(first)] })
  expect(world.openAt()).toEqual([hostOf(first)])
  first.dial(controller)
  await wait(fleet, 5 * SECOND)
  expect(told().at(-1)).toMatchObject({ name: 'a', state: 'running' })
  expect(world.openAt()).toEqual([a.host])
})

test('a VM that has to leave the place that it has been given, while it waits there, begins at the next alone', async () => {
  const world = await withDeadHost()
  const { fleet, first } = world
  expect(await beginAndKill(world, OPENED)).toBe(true)
  await startAgain(world, 0)
  await wait(fleet, 60 * SECOND)
  const { relocations } = fleet.controller
  const { to } = relocations.find('r1').moves[0]!
  const { id } = await fleet.settle(relocations.failover(to!, true))
  await wait(fleet, SECOND)
  const begun: string[] = []
  fleet.guests.set = (vm, host) => {
    if (vm === 'a') begun.push(host!)
    return Map.prototype.set.call(fleet.guests, vm, host) as typeof fleet.guests
  }
  first.dial(fleet.controller)
  expect(await fleet.settle(relocations.done(id))).toMatchObject({ state: 'done' })
  await outcome(world)
  expect(begun).toEqual([fleet.guests.get('a')])
  expect(begun).not.toEqual([to])
})

/** Places take their time to be written; `begun` is called as one is. */
function slowly({ fleet }: World, begun: (place: string) => void) {
  const { store, clock } = fleet
  const write = store.write.bind(store)
  store.write = async (batch) => {
    const place = batch.changes.find(({ kind, key }) => kind === 'place' && key === 'a')?.value
    if (place !== undefined) begun(String(place))
    await sleep(clock, 5 * MILLISECOND)
    return write(batch)
  }
}

test('a place that comes back while the next is being written has closed its ports before others open', async () => {
  const world = await withDeadHost()
  const { fleet, first } = world
  let returned = 0
  slowly(world, (place) => {
    if (place.includes(hostOf(first)) || returned++ > 0) return
    first.dial(fleet.controller)
  })
  // It has not heard of the port by then.
  first.hangUpAt = first.received + 1
  const { id } = await fleet.settle(fleet.controller.relocations.failover('h1'))
  await fleet.settle(fleet.controller.relocations.done(id))
  await outcome(world)
  expect(returned).toBe(1)
})

test('the host that was held to be dead has closed its ports, too, if it returns while the first place is being written', async () => {
  const world = await withDeadHost()
  const { fleet, dead } = world
  slowly(world, () => dead.dial(fleet.controller))
  let most = 0
  for (const device of fleet.switches.values())
    device.onChange = () => (most = Math.max(most, fleet.openAt(NIC).length))
  const { id } = await fleet.settle(fleet.controller.relocations.failover('h1'))
  expect(await fleet.settle(fleet.controller.relocations.done(id))).toMatchObject({ state: 'done' })
  expect({ most, open: fleet.openAt(NIC) }).toEqual({ most: 1, open: [fleet.guests.get('a')] })
})

test('VMs that wait for a host do not keep others from beginning', async () => {
  const topology = threeHosts()
  const [a] = topology.vms
  const vmAt = (host: string, name: string, number: number) => {
    const nic = {
      ...a!.nics[0]!,
      id: `${name}:eth0`,
      mac: `02:00:00:00:01:${number + 10}`,
      addresses: [`10.0.1.${number}`],
    }
    return { ...a!, name, host, nics: [nic] }
  }
  const count = 24
  topology.vms = [
    ...Array.from({ length: count }, (_, index) => vmAt('h1', `v${index}`, index + 1)),
    // The spare host is the least busy by far.
    ...Array.from({ length: 40 }, (_, index) => vmAt('h2', `w${index}`, index + 31)),
  ]
  const fleet = await RestartingFleet.start(topology)
  fleet.switches.get('h1/br-int')!.hangUp()
  await fleet.clock.run(fleet.clock.now() + MILLISECOND)
  const spare = fleet.switches.get('h3/br-int')!
  spare.onChange = () => {
    if ([...spare.ports.values()].some(({ type, state }) => type === 'vnic' && state === 'open')) spare.hangUp()
  }
  const { id } = await fleet.settle(fleet.controller.relocations.failover('h1'))
  await fleet.clock.run(fleet.clock.now() + 120 * SECOND)
  const { moves } = fleet.controller.relocations.find(id)
  const waiting = moves.filter(({ problem }) => problem?.includes('may be open still at h3'))
  expect(moves.filter(({ state }) => state === 'waiting')).toEqual([])
  expect(waiting.length).toBeGreaterThan(15)
  expect(fleet.openAt(waiting[0]!.vm + ':eth0')).not.toContain('h2')
  spare.onChange = () => {}
  spare.dial(fleet.controller)
  expect(await fleet.settle(fleet.controller.relocations.done(id))).toMatchObject({ state: 'done' })
  expect(moves).toHaveLength(count)
})

test.each([0, 500, 1200])(
  'a host that is taken out of the topology is waited for no more, %i ms after its failover was aborted',
  async (later) => {
    const world = await withDeadHost()
    const { fleet, first } = world
    first.onChange = () => {
      if (first.ports.get(NIC)?.state === 'open') first.hangUp()
    }
    const { relocations } = fleet.controller
    const { id } = await fleet.settle(relocations.failover('h1'))
    await wait(fleet, 20 * SECOND)
    await fleet.settle(relocations.abort(id))
    await wait(fleet, later * MILLISECOND)
    const { topology } = fleet.controller
    const hosts = topology.hosts.filter(({ name }) => name !== hostOf(first))
    await fleet.settle(fleet.controller.apply({ ...topology, hosts }))
    await wait(fleet, 10 * SECOND)
    const place = fleet.controller.topology.vms.find(({ name }) => name === 'a')!.host
    expect(fleet.switches.get(`${place}/br-int`)!.ports.get(NIC)).toMatchObject({ state: 'open' })
    expect(relocations.formerHosts.of('a')).toEqual([])
  },
)
