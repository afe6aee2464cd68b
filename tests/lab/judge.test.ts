import { beforeEach, describe, expect, test } from 'vitest'
import { Judge } from '../../lab/judge/judge.ts'
import { SteadyKinds } from '../../lab/judge/steady-kinds.ts'
import { Surroundings } from '../../lab/judge/surroundings.ts'
import { parseIpv4, parseMac } from '../../protocols/address.ts'
import { viewOf } from '../../protocols/bytes.ts'
import { arpReply, arpRequest, udpFrame } from '../../protocols/packet/compose.ts'
import { MILLISECOND, SECOND } from '../../runtime/clock.ts'
import { seeded } from '../../runtime/random.ts'
import type { FailureTarget } from '../../topologies/scenario.ts'
import { parseTopology } from '../../topologies/load.ts'
import { seeds } from '../support/seeds.ts'

const mac = (number: number) => `02:00:00:00:00:0${number}`
const nic = (number: number, network: string, policy = {}) => ({
  name: 'eth0',
  network,
  mac: mac(number),
  addresses: [network === 'blue' ? `10.0.10.${number}` : `10.0.20.${number}`],
  policy,
})

const asked = JSON.stringify({
  version: 1,
  name: 'judge',
  hosts: [{ name: 'h1' }, { name: 'h2' }],
  networks: [
    { name: 'blue', type: 'vlan', segment: 10 },
    { name: 'green', type: 'vlan', segment: 20 },
  ],
  vms: [
    { name: 'a', host: 'h1', nics: [nic(1, 'blue')] },
    { name: 'b', host: 'h1', nics: [nic(2, 'blue')] },
    { name: 'c', host: 'h1', nics: [nic(3, 'blue', { egressRate: '1Mbps' })] },
    { name: 'd', host: 'h1', nics: [nic(4, 'green')] },
    { name: 'e', host: 'h2', nics: [nic(6, 'blue')] },
  ],
})
const topology = parseTopology(asked, 'judge.json')

const frame = (from: number, to: number, port = 1) =>
  udpFrame({
    ethSrc: parseMac(mac(from)),
    ethDst: to === 0 ? 0xffffffffffffn : parseMac(mac(to)),
    ipSrc: parseIpv4(`10.0.10.${from}`),
    ipDst: parseIpv4(`10.0.10.${to}`),
    srcPort: port,
    dstPort: 9,
  })

const newJudge = () =>
  new Judge(topology, new Surroundings(topology, (vm) => topology.vms.find(({ name }) => name === vm)?.host))

let judge: Judge
beforeEach(() => {
  judge = newJudge()
})

/** Frame `id` from a to b, at nanosecond `id`. */
const send = (id: number, bytes = frame(1, 2)) =>
  judge.sent(id, 'a:eth0', id, bytes, { source: 'test', number: 0, made: false })
const hear = (id: number, who = 'b', bytes = frame(1, 2)) => judge.heard(id, `${who}:eth0`, id, bytes)
const finish = (held: number[] = []) => {
  judge.finish(new Set(held))
  return judge.frames
}

describe('a frame for a known owner', () => {
  test('is delivered when the owner hears it', () => {
    send(1)
    expect(hear(1)).toBe('delivered')
    expect(finish()).toMatchObject({ injected: 1, delivered: 1, lost: 0 })
  })

  test('is lost when nobody does, and the witness says where it ended', () => {
    send(1)
    judge.dropped(1, 'link_loss', 'h1 - tor1')
    expect(finish()).toMatchObject({ lost: 1, dropped: {} })
    expect(judge.losses).toMatchObject([{ id: 1, missed: ['b:eth0'], reason: 'link_loss', place: 'h1 - tor1' }])
  })

  test('is held when it is still kept at the end', () => {
    send(1)
    expect(finish([1])).toMatchObject({ held: 1, lost: 0 })
  })

  test('is leaked when another hears it, of its network or not', () => {
    send(1)
    expect(hear(1, 'c')).toBe('leaked')
    expect(hear(1, 'd')).toBe('leaked')
    expect(finish().leaked).toBe(2)
    expect(judge.leaks).toMatchObject([
      { from: 'a:eth0', to: 'c:eth0', toNetwork: 'blue' },
      { from: 'a:eth0', to: 'd:eth0', toNetwork: 'green' },
    ])
  })

  test('is doubled when its owner hears it twice', () => {
    send(1)
    hear(1)
    expect(hear(1)).toBe('duplicated')
    expect(finish()).toMatchObject({ delivered: 1, duplicated: 1 })
  })

  test('is out of order when a later one of its flow was first, and not when that was of another flow', () => {
    send(1)
    send(2, frame(1, 2, 7))
    send(3)
    hear(2, 'b', frame(1, 2, 7))
    hear(3)
    hear(1)
    expect(finish()).toMatchObject({ delivered: 3, reordered: 1 })
  })
})

describe('a broadcast', () => {
  test('is lost when one of those who must hear it does not', () => {
    send(1, frame(1, 0))
    hear(1, 'b', frame(1, 0))
    hear(1, 'e', frame(1, 0))
    expect(finish()).toMatchObject({ lost: 1, delivered: 0 })
    expect(judge.losses[0]!.missed).toEqual(['c:eth0'])
  })

  test('may miss one whose own policy limits what it receives', () => {
    send(1, frame(1, 0))
    hear(1, 'b', frame(1, 0))
    hear(1, 'e', frame(1, 0))
    judge.dropped(1, 'rate_limited', 'h1/br-int')
    expect(finish()).toMatchObject({ lost: 0, dropped: { rate_limited: 1 } })
  })

  test('may not miss another for that reason', () => {
    send(1, frame(1, 0))
    hear(1, 'c', frame(1, 0))
    judge.dropped(1, 'rate_limited', 'h1/br-int')
    expect(finish()).toMatchObject({ lost: 1, dropped: {} })
  })
})

test("a drop that the policy does not name is no excuse, and one by a user's flow is", () => {
  send(1)
  judge.dropped(1, 'rate_limited', 'h1/br-int')
  send(2)
  judge.dropped(2, 'user_flow', 'h1/br-int')
  expect(finish()).toMatchObject({ lost: 1, dropped: { user_flow: 1 } })
})

describe('what the scenario breaks', () => {
  const cable: FailureTarget = { kind: 'link', endpoints: ['h1', 'fabric'] }

  test('excuses what was on the broken link, while it is broken', () => {
    judge.break(cable, 0)
    send(1)
    judge.dropped(1, 'link_down', 'h1 - fabric')
    judge.mend(cable, 0)
    send(2)
    judge.dropped(2, 'link_down', 'h1 - fabric')
    expect(finish()).toMatchObject({ lost: 1, dropped: { link_down: 1 } })
  })

  test('excuses whoever is cut off by it, and nobody else', () => {
    judge.break({ kind: 'host', host: 'h2' }, 0)
    const toAll = frame(1, 0)
    send(1, toAll)
    hear(1, 'b', toAll)
    send(2, toAll)
    hear(2, 'b', toAll)
    hear(2, 'c', toAll)
    expect(finish()).toMatchObject({ lost: 1, delivered: 0, dropped: { no_route: 1 } })
  })

  test('does not end a frame that a port has kept, and a controller has read, before its switch went', () => {
    judge.break({ kind: 'host', host: 'h2' }, 0)
    send(1, frame(1, 6))
    judge.dropped(1, 'link_down', 'h2/br-int')
    judge.gone(1)
    judge.mend({ kind: 'host', host: 'h2' }, 0)
    expect(hear(1, 'e', frame(1, 6))).toBe('delivered')
    expect(finish()).toMatchObject({ delivered: 1, duplicated: 0 })
  })

  test('is no excuse for a drop elsewhere', () => {
    judge.break({ kind: 'host', host: 'h2' }, 0)
    send(1)
    judge.dropped(1, 'link_down', 'h1')
    expect(finish().lost).toBe(1)
  })
})

test("a drop by a user's flow at a receiver's host excuses the receivers there alone", () => {
  const toAll = frame(1, 0)
  send(1, toAll)
  hear(1, 'b', toAll)
  hear(1, 'c', toAll)
  judge.dropped(1, 'user_flow', 'h2/br-int')
  send(2, toAll)
  hear(2, 'b', toAll)
  judge.dropped(2, 'user_flow', 'h2/br-int')
  expect(finish()).toMatchObject({ lost: 1, dropped: { user_flow: 1 } })
  expect(judge.losses[0]!.missed).toEqual(['c:eth0'])
})

test('what reached somebody counts whether it had to or not', () => {
  send(1)
  hear(1, 'd')
  send(2, frame(1, 5))
  hear(2, 'c', frame(1, 5))
  expect(judge.pair('a:eth0', 'd:eth0').reached).toBe(1)
  expect(judge.pair('a:eth0', 'c:eth0').reached).toBe(1)
})

test("a request is answered only by its owner's address", () => {
  const question = arpRequest({
    ethSrc: parseMac(mac(1)),
    ipSrc: parseIpv4('10.0.10.1'),
    ipDst: parseIpv4('10.0.10.2'),
  })
  const answer = (from: number) =>
    arpReply({
      ethSrc: parseMac(mac(from)),
      ethDst: parseMac(mac(1)),
      ipSrc: parseIpv4('10.0.10.2'),
      ipDst: parseIpv4('10.0.10.1'),
    })
  send(1, question)
  expect(hear(1, 'a', answer(2))).toBe('answered')
  send(2, question)
  expect(hear(2, 'a', answer(3))).toBe('leaked')
  expect(finish()).toMatchObject({ answered: 1, leaked: 1 })
})

test.each([1, 2, 3])('every frame ends exactly once, whatever happens to it (seed %i)', (seed) => {
  const random = seeded(seed)
  const reasons = ['user_flow', 'link_loss', 'rate_limited', 'port_security']
  for (let id = 1; id <= 2000; id++) {
    judge.sent(id, 'a:eth0', id * (SECOND / 50), frame(1, random.below(6)), {
      source: 'test',
      number: 0,
      made: random.below(4) === 0,
    })
    for (let event = random.below(4); event > 0; event--) {
      const earlier = 1 + random.below(id)
      if (random.below(2) === 0) hear(earlier, 'abcd'[random.below(4)], frame(1, random.below(6)))
      else judge.dropped(earlier, reasons[random.below(reasons.length)]!, 'somewhere')
    }
  }
  judge.unmapped()
  judge.finish(new Set(Array.from({ length: 50 }, () => 1 + random.below(2000))))
  for (const counts of [judge.frames, judge.made]) {
    const { injected, delivered, answered, held, lost, unmapped, dropped } = counts
    const ends = Object.values(dropped).reduce(
      (sum, count) => sum + count,
      delivered + answered + held + lost + unmapped,
    )
    expect(ends).toBe(injected)
  }
})

describe('frames of steady kinds', () => {
  const FRAMES = 6000
  const kinds = [2, 6, 2, 6].map((to, port) => ({
    bytes: frame(1, to, port),
    hearer: to === 2 ? 'b:eth0' : 'e:eth0',
  }))
  const origin = (number: number) => ({ source: 'test', number, made: false })

  /** One judge that knows the kinds and is told of them in company, and one that is told of each frame. */
  function twoJudges() {
    const together = newJudge()
    const alone = newJudge()
    together.steadyKinds = new SteadyKinds(
      () => 1,
      () => 0,
    )
    for (const one of [together, alone]) {
      kinds.forEach(({ bytes, hearer }, index) => {
        one.sent(index + 1, 'a:eth0', 0, bytes, origin(0))
        one.heard(index + 1, hearer, 0, bytes)
        one.gone(index + 1)
      })
    }
    return { together, alone, both: [together, alone] }
  }

  const findingsOf = (one: Judge) => ({
    frames: one.frames,
    leaks: one.leaks,
    losses: one.losses,
    mishaps: [...one.mishaps],
    pairs: ['b:eth0', 'e:eth0'].map((hearer) => ({ ...one.pair('a:eth0', hearer), number: 0 })),
  })

  // Some are on their way for so long that others need their place, or that they are settled.
  test.each(seeds(3))('are judged in company as they are alone (seed %i)', (seed) => {
    const random = seeded(seed)
    const { together, alone, both } = twoJudges()
    const open: { id: number; kind: (typeof kinds)[number] }[] = []
    let at = 0
    let inCompany = 0
    const happen = () => {
      const place = random.below(open.length)
      const { id, kind } = open[place]!
      const event = random.below(10)
      let isGone = event !== 7 && random.below(20) > 0
      if (event < 6) {
        const isAll = together.heardInCompany(id, kind.hearer, at)
        if (isAll) inCompany++
        else together.heard(id, kind.hearer, at, kind.bytes)
        alone.heard(id, kind.hearer, at, kind.bytes)
        isGone ||= isAll
      }
      for (const one of both) {
        if (event === 6) one.dropped(id, 'link_loss', 'somewhere')
        if (event === 7) one.copied(id)
        if (event === 8) one.heard(id, 'd:eth0', at, kind.bytes)
        if (isGone) one.gone(id)
      }
      if (isGone) open.splice(place, 1)
    }
    for (let id = 10; id < FRAMES; id++) {
      at += random.below(500) === 0 ? 6 * SECOND : random.below(1000)
      const kind = kinds[random.below(kinds.length)]!
      const { bytes } = kind
      const steady = together.steadyKindOf(together.look(bytes, 0, bytes.length)!, 'a:eth0')!
      together.sentInCompany(id, at, steady, { source: 'test', bytes, view: viewOf(bytes) }, id, 0, bytes.length)
      alone.sent(id, 'a:eth0', at, bytes, origin(id))
      open.push({ id, kind })
      for (let events = random.below(3); events > 0 && open.length > 0; events--) happen()
      const change = random.below(2) === 0 ? 'break' : 'mend'
      if (random.below(400) === 0) for (const one of both) one[change]({ kind: 'host', host: 'h2' }, at)
    }
    for (const one of both) one.finish(new Set(open.slice(0, 50).map(({ id }) => id)))
    expect(findingsOf(together)).toEqual(findingsOf(alone))
    expect(inCompany).toBeGreaterThan(500)
    expect(together.frames.lost).toBeGreaterThan(0)
  })
})

describe('while a change is being carried out', () => {
  const read = (changes: object) =>
    parseTopology(JSON.stringify({ ...JSON.parse(asked), ...changes }), 'changed.json') as typeof topology
  const vms = (JSON.parse(asked) as { vms: object[] }).vms
  const moved = (name: string, network: string, number: number) =>
    vms.map((vm) =>
      'name' in vm && vm.name === name ? { ...vm, nics: [nic(number, network, { portSecurity: false })] } : vm,
    )
  const toAll = frame(1, 0)

  test('a frame may be heard by whom it was for and by whom it is for, and is owed to those who are both', () => {
    const edition = judge.amend(read({ vms: moved('b', 'green', 2) }))
    send(1, toAll)
    expect(['b', 'e', 'c'].map((who) => hear(1, who, toAll))).toEqual(['delivered', 'delivered', 'delivered'])
    send(2, toAll)
    hear(2, 'c', toAll)
    hear(2, 'e', toAll)
    send(3, toAll)
    hear(3, 'c', toAll)
    judge.amended(edition)
    send(4, toAll)
    expect(['b', 'e', 'c'].map((who) => hear(4, who, toAll))).toEqual(['leaked', 'delivered', 'delivered'])
    expect(finish()).toMatchObject({ delivered: 3, lost: 1, leaked: 1 })
    expect(judge.losses).toMatchObject([{ id: 3, missed: ['e:eth0'] }])
  })

  test('a frame that was sent before, and heard after it, may meet either', () => {
    send(1, toAll)
    judge.amended(judge.amend(read({ vms: moved('b', 'green', 2) })))
    expect(['b', 'e', 'c'].map((who) => hear(1, who, toAll))).toEqual(['delivered', 'delivered', 'delivered'])
    expect(finish()).toMatchObject({ delivered: 1, lost: 0, leaked: 0 })
  })

  test('a sender is in the one network or in the other, with each of its frames', () => {
    judge.amend(read({ vms: moved('a', 'green', 1) }))
    for (const id of [1, 2, 3]) send(id, toAll)
    expect([hear(1, 'd', toAll), hear(1, 'b', toAll)]).toEqual(['delivered', 'leaked'])
    expect(['b', 'c', 'e', 'd'].map((who) => hear(2, who, toAll))).toEqual([
      'delivered',
      'delivered',
      'delivered',
      'leaked',
    ])
    expect(finish()).toMatchObject({ delivered: 2, leaked: 2, lost: 1 })
  })

  test('what is asked for twice at once holds once the last is confirmed, or each in its turn', () => {
    const first = judge.amend(read({ vms: moved('b', 'green', 2) }))
    const second = judge.amend(topology)
    judge.amended(first)
    send(1, toAll)
    expect(['b', 'c', 'e'].map((who) => hear(1, who, toAll))).toEqual(['delivered', 'delivered', 'delivered'])
    judge.amended(second)
    judge.amended(first)
    send(2, toAll)
    hear(2, 'c', toAll)
    hear(2, 'e', toAll)
    expect(finish().lost).toBe(1)
    expect(judge.losses.map(({ id, missed }) => [id, missed])).toEqual([[2, ['b:eth0']]])
  })

  const tap = (direction: string) => ({
    name: 'tap',
    source: { port: 'a' },
    direction,
    target: { port: 'ids:tap', segment: 900 },
  })
  const mirrored = (mirrors: object[]) =>
    read({
      hosts: ['h1', 'h2'].map((name, index) => ({ name, vtep: `192.0.2.${index + 1}` })),
      vms: [...vms, { name: 'ids', host: 'h1', nics: [{ name: 'tap' }] }],
      mirrors,
    })
  const overhear = (id: number) => judge.heard(id, 'ids:tap', id, frame(1, 2))

  test('copies may be heard or not, of a mirror that goes or comes, and of no frame after it is confirmed', () => {
    judge.amended(judge.amend(mirrored([tap('both')])))
    send(1)
    const edition = judge.amend(mirrored([]))
    send(2)
    send(3)
    judge.amended(edition)
    send(4)
    expect([1, 2, 4].map(overhear)).toEqual(['mirrored', 'mirrored', 'leaked'])
    judge.amend(mirrored([tap('from-lport')]))
    send(5)
    send(6)
    expect(overhear(6)).toBe('mirrored')
    for (const id of [1, 2, 3, 4, 5, 6]) hear(id)
    expect(finish()).toMatchObject({ delivered: 6, leaked: 1 })
    expect(judge.onlookers.tallies()).toMatchObject([{ missing: 0 }])
  })

  test('copies that the mirror asks for before and after are due', () => {
    judge.amended(judge.amend(mirrored([tap('both')])))
    judge.amend(mirrored([tap('from-lport')]))
    send(1)
    hear(1)
    finish()
    expect(judge.onlookers.tallies()).toMatchObject([{ copies: 0, missing: 1 }])
  })
})

describe('a lost frame', () => {
  const lose = (id: number, at: number) => {
    judge.sent(id, 'a:eth0', at, frame(1, 2), { source: 'test', number: id, made: false })
    judge.dropped(id, 'link_loss', 'h1 - tor1', at)
    judge.gone(id)
  }

  test('is counted once it has had time to be excused, or to come back, and not kept any longer', () => {
    lose(1, 0)
    lose(2, 50 * MILLISECOND)
    judge.copied(1)
    expect(hear(1)).toBe('delivered')
    judge.gone(1)
    lose(3, 60 * MILLISECOND)
    expect(judge.frames).toMatchObject({ delivered: 1, lost: 0 })
    lose(4, SECOND)
    expect(judge.frames).toMatchObject({ delivered: 1, lost: 2 })
    expect(finish()).toMatchObject({ injected: 4, delivered: 1, lost: 3 })
    expect([...judge.mishaps]).toEqual(
      [2, 3, 4].map((id) => {
        const nics = ['a:eth0', 'b:eth0']
        return { kind: 'lost', id, at: expect.any(Number) as number, nics, reason: 'link_loss', place: 'h1 - tor1' }
      }),
    )
    expect(judge.mishaps.countOf('b', 55 * MILLISECOND, SECOND)).toMatchObject({ lost: 2, leaked: 0 })
    expect(judge.mishaps.countOf('c', 0, SECOND)).toMatchObject({ lost: 0 })
  })

  test('is none where the link that it met has broken', () => {
    lose(1, 0)
    judge.break({ kind: 'host', host: 'h1' }, 0)
    lose(2, SECOND)
    expect(finish()).toMatchObject({ lost: 0, dropped: { no_route: 2 } })
  })
})
