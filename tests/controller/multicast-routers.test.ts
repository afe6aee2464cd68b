// Multicast routers that say by PIM or multicast router discovery that they are there, in networks that snoop: what is for groups reaches
// them for as long as they said, and the judge, which reads the same frames for itself, agrees.

import { describe, expect, test } from 'vitest'
import { Lab } from '../../lab/lab.ts'
import { parseIpv4 } from '../../protocols/address.ts'
import type { IgmpMessage } from '../../protocols/packet/igmp.ts'
import { MILLISECOND, SECOND } from '../../runtime/clock.ts'
import { type Random, seeded } from '../../runtime/random.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { parseTopology } from '../../topologies/load.ts'
import { oneOf } from '../support/frames.ts'
import type { Name } from '../support/listening-guests.ts'
import { addressesOf, dataFrom, igmpFrom, macText, NAMES, sender4, sender6 } from '../support/listening-guests.ts'
import {
  advertisement4,
  advertisement6,
  hello4,
  hello6,
  pimJoin4,
  termination4,
  termination6,
} from '../support/router-announcements.ts'
import { seeds } from '../support/seeds.ts'

const topology = (type: string, igmpSnooping: object) =>
  parseTopology(
    JSON.stringify({
      version: 1,
      hosts: [1, 2, 3].map((number) => ({ name: `h${number}`, vtep: `192.0.2.${number}` })),
      networks: [{ name: 'blue', type, segment: 10, igmpSnooping: { floodUnregistered: false, ...igmpSnooping } }],
      vms: NAMES.map((name, index) => ({
        name,
        host: `h${1 + (index % 3)}`,
        nics: [{ name: 'eth0', network: 'blue', mac: macText(name), addresses: addressesOf(name) }],
      })),
    }),
    'routers.json',
  )

async function running(type: string, igmpSnooping: object = {}) {
  const clock = new VirtualClock()
  const heard: string[] = []
  const observer = { heard: (_at: number, nic: string) => heard.push(nic.split(':')[0]!) }
  const lab = await Lab.start(topology(type, igmpSnooping), { clock, seed: 1, observer })
  const send = async (from: Name, frame: Uint8Array) => {
    heard.length = 0
    lab.inject(`${from}:eth0`, frame, 'test')
    await pass(5 * MILLISECOND)
    return [...heard].sort()
  }
  const pass = (span: number) => clock.run(clock.now() + span)
  const judged = () => {
    lab.judge.finish(new Set())
    return [lab.judge.leaks, lab.judge.losses]
  }
  return { lab, send, pass, judged, data: (from: Name) => send(from, dataFrom(from, '239.1.1.1')) }
}

const all = (but: Name) => NAMES.filter((name) => name !== but)
const QUERY: IgmpMessage = { type: 'query', group: 0, maxResponseCode: 100 }

describe.each(['vlan', 'vxlan'])('in a %s network', (type) => {
  test.each([
    ['a hello of PIM', 105, hello4(sender4('c')), hello4(sender4('c'), 0)],
    ['one that says for how long', 35, hello4(sender4('c'), 35), hello4(sender4('c'), 0)],
    ['one over IPv6', 35, hello6(sender6('c'), 35), hello6(sender6('c'), 0)],
    ['an advertisement', 60, advertisement4(sender4('c'), 20), termination4(sender4('c'))],
    ['one over IPv6', 60, advertisement6(sender6('c'), 20), termination6(sender6('c'))],
  ])('%s makes a router for %i seconds, or until it goes', async (_, seconds, comes, goes) => {
    const { send, pass, data, judged } = await running(type)
    expect(await data('a')).toEqual([])
    expect(await send('c', comes)).toEqual(all('c'))
    await pass((seconds - 2) * SECOND)
    expect(await data('a')).toEqual(['c'])
    await pass(4 * SECOND)
    expect(await data('a')).toEqual([])
    await send('c', comes)
    await pass(2 * SECOND)
    expect(await send('b', igmpFrom('b', { type: 'report', version: 2, group: parseIpv4('239.9.9.9') }))).toEqual(['c'])
    expect(await send('c', goes)).toEqual(all('c'))
    expect(await data('a')).toEqual([])
    expect(judged()).toEqual([[], []])
  })
})

test('who only joins at other routers, or whose hello is damaged, is none', async () => {
  const { send, data } = await running('vlan')
  await send('c', pimJoin4(sender4('c')))
  const damaged = hello4(sender4('c'))
  damaged[damaged.length - 1]! ^= 1
  await send('c', damaged)
  expect(await data('a')).toEqual([])
})

test('a hello that holds for ever makes a router until it goes', async () => {
  const { lab, send, data, pass, judged } = await running('vlan')
  await send('c', hello4(sender4('c'), 0xffff))
  await send('d', hello6(sender6('d'), 0xffff))
  await pass(66_000 * SECOND)
  expect(await data('a')).toEqual(['c', 'd'])
  expect(lab.controller.snooper.statusOf('blue').map(({ age }) => age)).toEqual([66_000, 66_000])
  await send('c', hello4(sender4('c'), 0))
  expect(await data('a')).toEqual(['d'])
  await send('d', hello6(sender6('d'), 30))
  await pass(31 * SECOND)
  expect(await data('a')).toEqual([])
  expect(judged()).toEqual([[], []])
})

test('an advertisement that comes every 0 seconds neither makes a router nor ends one', async () => {
  const { send, data, judged } = await running('vlan')
  await send('c', advertisement4(sender4('c'), 20))
  for (const name of ['c', 'd'] as const) {
    await send(name, advertisement4(sender4(name), 0))
    await send(name, advertisement6(sender6(name), 0))
  }
  expect(await data('a')).toEqual(['c'])
  expect(judged()).toEqual([[], []])
})

test('who asks is a router still when it has said goodbye', async () => {
  const { lab, send, data, judged, pass } = await running('vxlan')
  await send('c', igmpFrom('c', QUERY))
  await send('c', hello4(sender4('c')))
  await send('d', hello4(sender4('d')))
  const names = () =>
    lab.controller.snooper.statusOf('blue').map(({ port, ...known }) => [port, known.querier, known.router])
  expect(names()).toEqual([
    ['c:eth0', '10.0.0.3', undefined],
    ['c:eth0', undefined, '10.0.0.3'],
    ['d:eth0', undefined, '10.0.0.4'],
  ])
  await send('c', hello4(sender4('c'), 0))
  expect(names()).toEqual([
    ['c:eth0', '10.0.0.3', undefined],
    ['d:eth0', undefined, '10.0.0.4'],
  ])
  await pass(2 * SECOND)
  expect(await data('a')).toEqual(['c', 'd'])
  expect(judged()).toEqual([[], []])
})

test('without fast leave other routers behind the port may say that they stay', async () => {
  const { send, data, pass, judged } = await running('vlan', { fastLeave: false })
  await send('c', hello4(sender4('c')))
  await send('d', hello4(sender4('d')))
  for (const name of ['c', 'd'] as const) await send(name, hello4(sender4(name), 0))
  await pass(60 * SECOND)
  expect(await data('a')).toEqual(['c', 'd'])
  await send('d', hello4(sender4('d')))
  await pass(50 * SECOND)
  expect(await data('a')).toEqual(['d'])
  expect(judged()).toEqual([[], []])
})

/** Until when each is a router, as it has said: all that there is to know. */
class Twin {
  readonly #until = new Map<string, number>()

  say(name: Name, how: string, until: number): void {
    this.#until.set(`${name} ${how}`, until)
  }

  at(now: number, from: Name): string[] {
    const present = [...this.#until].filter(([, until]) => until > now).map(([key]) => key.split(' ')[0]!)
    return [...new Set(present)].filter((name) => name !== from).sort()
  }
}

/** What somebody says, how the twin calls that, and for how many seconds it holds. */
function randomAnnouncement(random: Random, name: Name): [frame: Uint8Array, how: string, seconds: number] {
  const seconds = oneOf(random, [0, 0, 6, 30])
  const interval = 1 + random.below(10)
  return oneOf<() => [Uint8Array, string, number]>(random, [
    () => [igmpFrom(name, QUERY), 'asks', 255],
    () => [hello4(sender4(name), seconds), 'says', seconds],
    () => [hello6(sender6(name), seconds), 'says', seconds],
    () => [advertisement4(sender4(name), interval), 'says', 3 * interval],
    () => [advertisement6(sender6(name), interval), 'says', 3 * interval],
    () => [termination4(sender4(name)), 'says', 0],
    () => [termination6(sender6(name)), 'says', 0],
  ])()
}

test.each(seeds(2))('random announcements make routers of whom they should (seed %i)', async (seed) => {
  const random = seeded(seed)
  const { lab, send, data, pass, judged } = await running(oneOf(random, ['vlan', 'vxlan']))
  const twin = new Twin()
  for (let step = 0; step < 40; step++) {
    const [speaker, listener] = [oneOf(random, NAMES), oneOf(random, NAMES)]
    const [frame, how, seconds] = randomAnnouncement(random, speaker)
    twin.say(speaker, how, lab.clock.now() + seconds * SECOND)
    expect(await send(speaker, frame)).toEqual(all(speaker))
    expect(await data(listener)).toEqual(twin.at(lab.clock.now(), listener))
    // Off the second, so that nobody's time ends just as a frame is sent.
    await pass(random.below(8) * SECOND + 100 * MILLISECOND + random.below(50) * MILLISECOND)
  }
  expect(judged()).toEqual([[], []])
})
