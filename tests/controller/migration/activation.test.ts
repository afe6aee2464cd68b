// The guest is let in at its destination once it is seen there.

import { describe, expect, test } from 'vitest'
import { parseIpv6 } from '../../../protocols/address.ts'
import { Controller, type ControllerOptions } from '../../../controller/controller.ts'
import type { Hypervisor, MoveRequest } from '../../../controller/model.ts'
import { State } from '../../../controller/state/state.ts'
import { Lab } from '../../../lab/lab.ts'
import { arpReply, arpRequest, neighbourAdvertisement, rarpFrame, udpFrame } from '../../../protocols/packet/compose.ts'
import { MILLISECOND, sleep } from '../../../runtime/clock.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import { parseTopology } from '../../../topologies/load.ts'
import { blueAddresses, blueGuest } from '../../support/blue-guests.ts'
import { MemoryStore } from '../../support/memory-store.ts'
import { IP6_1, IP6_2, IP_1, IP_2, MAC_1, MAC_2 } from '../../support/frames.ts'

const vm = (name: string, host: string, serial: number) =>
  blueGuest(name, host, serial, blueAddresses(serial), { portSecurity: true })

const topology = () =>
  parseTopology(
    JSON.stringify({
      version: 1,
      name: 'activation',
      hosts: ['h1', 'h2', 'h3'].map((name) => ({ name })),
      networks: [{ name: 'blue', type: 'vlan', segment: 10 }],
      vms: [vm('mover', 'h1', 1), vm('peer', 'h2', 2)],
    }),
    'activation',
  )

const toPeer = udpFrame({ ethSrc: MAC_1, ethDst: MAC_2, ipSrc: IP_1, ipDst: IP_2, srcPort: 7, dstPort: 7 })
const toMover = udpFrame({ ethSrc: MAC_2, ethDst: MAC_1, ipSrc: IP_2, ipDst: IP_1, srcPort: 9, dstPort: 9 })

const PACE = MILLISECOND / 2
const COUNT = 200

/** The peer speaks to the mover all the while. The move begins 5 ms in; 30 ms in its guest says `frames`, all at once. */
async function moved(
  request: Partial<MoveRequest>,
  frames: readonly Uint8Array[],
  then = (_lab: Lab, _id: string) => {},
  makeController = (options: ControllerOptions) => new Controller(options),
) {
  const clock = new VirtualClock()
  const lab = await Lab.start(topology(), { clock, seed: 1, makeController })
  const start = clock.now()
  for (let index = 0; index < COUNT; index++)
    clock.schedule(start + index * PACE, () => lab.inject('peer:eth0', toMover, 'test'))
  await clock.run(start + 5 * MILLISECOND)
  const { id } = lab.controller.migrate({ vm: 'mover', to: 'h3', ...request })
  await clock.run(start + 30 * MILLISECOND)
  const heardBefore = lab.network.switch('h2/br-int')!.ports.byName('peer:eth0')!.counters.sentPackets
  for (const bytes of frames) lab.inject('mover:eth0', bytes, 'test')
  then(lab, id)
  // Before the guest is announced again, which its peers hear, too.
  await clock.run(start + 50 * MILLISECOND)
  const heard = lab.network.switch('h2/br-int')!.ports.byName('peer:eth0')!.counters.sentPackets - heardBefore
  await clock.run(start + 300 * MILLISECOND)
  const [status] = lab.controller.migrations()
  const { held } = lab.network.switch('h3/br-int')!.ports.byName('mover:eth0')!
  lab.judge.finish(new Set(lab.network.heldFrames()))
  return { lab, status: status!, waiting: held.size, heard, frames: lab.judge.frames }
}

const about = { ethSrc: MAC_1, ipSrc: IP_1, ipDst: IP_1 }
const rarp = rarpFrame({ ethSrc: MAC_1, pad: true })
const asks = arpRequest(about)
const answers = arpReply({ ...about, ethDst: 0xffffffffffffn })
const ALL_NODES = { ethDst: 0x333300000001n, ipDst: parseIpv6('ff02::1') }
const advertised = { ethSrc: MAC_1, ipSrc: IP6_1, target: IP6_1 }
const advertises = neighbourAdvertisement({ ...advertised, ...ALL_NODES, solicited: false })

describe('a guest is let in at its destination', () => {
  test.each([
    ['rarp', rarp],
    ['garp', asks],
    ['garp', answers],
    ['na', advertises],
  ] as const)('from its %s on, without a word from the controller, and hears all it was sent', async (by, frame) => {
    // What it says in the same instant is let in, too.
    const { status, frames, heard, ...rest } = await moved({ activation: ['rarp', 'garp', 'na'] }, [
      toPeer,
      frame,
      toPeer,
    ])
    expect(status).toMatchObject({ state: 'done', activatedBy: by, policy: 'identical' })
    expect(heard).toBeGreaterThanOrEqual(1)
    expect(rest.lab.network.switch('h3/br-int')!.drops.inactive_binding).toBe(1)
    expect(frames).toMatchObject({ duplicated: 0, reordered: 0, leaked: 0, lost: 1 })
    expect([...rest.lab.judge.mishaps].filter(({ nics }) => nics[0] === 'peer:eth0')).toEqual([])
    expect(rest).toMatchObject({ waiting: 0 })
  })

  test('by nothing that is not asked for', async () => {
    const solicited = neighbourAdvertisement({ ...advertised, ethDst: MAC_2, ipDst: IP6_2 })
    const question = arpRequest({ ethSrc: MAC_1, ipSrc: IP_1, ipDst: IP_2 })
    const others = [toPeer, solicited, question, asks, answers, new Uint8Array(60)]
    const { status, heard, waiting } = await moved({ activation: ['rarp', 'na'] }, others)
    expect(status.state).toBe('switch-over')
    expect(status.activatedBy).toBeUndefined()
    expect(heard).toBe(0)
    expect(waiting).toBeGreaterThan(100)
  })

  test('where somebody says so, and time is not over', async () => {
    const say = (lab: Lab, id: string) => void lab.controller.activateMigration(id)
    const { status, frames } = await moved({ activation: ['garp', 'explicit', 'timeout'] }, [], say)
    expect(status).toMatchObject({ state: 'done', activatedBy: 'explicit' })
    expect(frames).toMatchObject({ delivered: COUNT, lost: 0, reordered: 0, duplicated: 0 })
  })

  test('after a while', async () => {
    const { status, frames } = await moved({ activation: ['na', 'timeout'], activationTimeout: 20 * MILLISECOND }, [])
    expect(status).toMatchObject({ state: 'done', activatedBy: 'timeout' })
    expect(frames).toMatchObject({ delivered: COUNT, lost: 0, reordered: 0, duplicated: 0 })
  })
})

test('a guest is seen before its hypervisor has said that it goes on', async () => {
  const slow = (options: ControllerOptions) => {
    const { hypervisor, clock } = options
    const resume: Hypervisor['resume'] = async (...words) => {
      await hypervisor?.resume(...words)
      await sleep(clock, 60 * MILLISECOND)
    }
    return new Controller({ ...options, hypervisor: { pause: async () => {}, resume } })
  }
  const { status, frames } = await moved({ activation: ['rarp'] }, [rarp], undefined, slow)
  expect(status).toMatchObject({ state: 'done', activatedBy: 'rarp' })
  expect(frames).toMatchObject({ reordered: 0, duplicated: 0 })
})

test('what is still said at the old place lets nobody in', async () => {
  const speakThere = ({ network }: Lab) => {
    const old = network.switch('h1/br-int')!
    old.receive([old.arena.allocateFrom(rarp)], 1, old.ports.byName('mover:eth0')!.number)
  }
  const { status } = await moved({ activation: ['rarp'] }, [], speakThere)
  expect(status.state).toBe('switch-over')
  expect(status.activatedBy).toBeUndefined()
})

test('nobody can say that a guest goes on that is not waited for', async () => {
  let answer: Promise<void> | undefined
  await moved({}, [], (lab, id) => {
    answer = lab.controller.activateMigration(id)
    answer.catch(() => {})
  })
  await expect(answer).rejects.toThrow('does not wait for its guest to go on')
})

test('a guest that has been told to go on does not go back', async () => {
  const abort = (lab: Lab, id: string) => {
    void lab.controller.abortMigration(id)
    lab.clock.schedule(lab.clock.now() + 20 * MILLISECOND, () => lab.inject('mover:eth0', rarp, 'test'))
  }
  const { status, frames } = await moved({ activation: ['rarp'] }, [], abort)
  expect(status).toMatchObject({ state: 'done', activatedBy: 'rarp' })
  expect(frames).toMatchObject({ lost: 0, reordered: 0, duplicated: 0 })
})

describe('a guest that is awaited as the controller dies', () => {
  /** It dies as the guest is awaited, and is back 20 ms later; the guest shows itself at `shownAt`, and says something at once. */
  async function seen(shownAt: number, strategies: MoveRequest['activation'] = ['rarp']) {
    const clock = new VirtualClock()
    const store = new MemoryStore()
    const open = (from: MemoryStore) =>
      State.open(from, { clock, log: () => {}, wallTime: () => 1.7e12 + clock.now() / 1e6 })
    const lab = await Lab.start(topology(), { clock, seed: 1, state: await open(store) })
    const start = clock.now()
    for (let index = 0; index < COUNT; index++)
      clock.schedule(start + index * PACE, () => lab.inject('peer:eth0', toMover, 'test'))
    await clock.run(start + 5 * MILLISECOND)
    lab.controller.migrate({ vm: 'mover', to: 'h3', activation: strategies })
    await clock.run(start + 20 * MILLISECOND)
    store.kill()
    lab.fail({ kind: 'controller' })
    clock.schedule(start + shownAt * MILLISECOND, () => lab.inject('mover:eth0', rarp, 'test'))
    // One of them as the controller returns, and tells the port again what it is to be.
    for (let index = 1; index < 40; index++)
      clock.schedule(start + shownAt * MILLISECOND + index * PACE, () => lab.inject('mover:eth0', toPeer, 'test'))
    await clock.run(start + 40 * MILLISECOND)
    lab.restartController(await open(new MemoryStore(store)))
    lab.heal({ kind: 'controller' })
    await clock.run(start + 60 * MILLISECOND)
    const waiting = lab.controller.migrations()[0]!
    await clock.run(start + 400 * MILLISECOND)
    lab.judge.finish(new Set(lab.network.heldFrames()))
    return { waiting, status: lab.controller.migrations()[0]!, frames: lab.judge.frames }
  }

  test('is awaited by its next life, too, and let in by its frame', async () => {
    const { waiting, status, frames } = await seen(80)
    expect(waiting).toMatchObject({ state: 'switch-over' })
    expect(waiting.activatedBy).toBeUndefined()
    expect(status).toMatchObject({ state: 'done', activatedBy: 'rarp', policy: 'identical' })
    expect(frames).toMatchObject({ lost: 0, duplicated: 0, reordered: 0, leaked: 0 })
  })

  test('is heard of where it has shown itself meanwhile, and nothing that it says is lost', async () => {
    const { status, frames } = await seen(30)
    expect(status).toMatchObject({ state: 'done', activatedBy: 'rarp', policy: 'identical' })
    expect(frames).toMatchObject({ lost: 0, duplicated: 0, reordered: 0, leaked: 0 })
  })
})

test('a network that starts again amid an explicit activation is there at once, and waits for the word', async () => {
  const store = new MemoryStore()
  const begin = async (from: MemoryStore) => {
    const clock = new VirtualClock()
    return { clock, seed: 1, state: await State.open(from, { clock, log: () => {}, wallTime: () => 1.7e12 }) }
  }
  const before = await Lab.start(topology(), await begin(store))
  const { id } = before.controller.migrate({ vm: 'mover', to: 'h3', activation: ['explicit'] })
  // It has its turn once the other has ended.
  before.controller.migrate({ vm: 'mover', to: 'h2' })
  await (before.clock as VirtualClock).run(before.clock.now() + 20 * MILLISECOND)
  store.kill()

  const { state, ...options } = await begin(new MemoryStore(store))
  const lab = await Lab.resume(state, options)
  const states = () => lab.controller.migrations().map((status) => status.state)
  expect(states()).toEqual(['switch-over', 'queued'])
  void lab.controller.activateMigration(id)
  await options.clock.run(options.clock.now() + 300 * MILLISECOND)
  expect(states()).toEqual(['done', 'done'])
  expect(lab.controller.migrations()[0]).toMatchObject({ activatedBy: 'explicit', policy: 'identical' })
  expect(lab.controller.topology.vms[0]!.host).toBe('h2')
})
