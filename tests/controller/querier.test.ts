// A network that asks itself who listens, by what its guests hear, and by whom the network knows once those that answer have answered.

import { describe, expect, test } from 'vitest'
import { Lab } from '../../lab/lab.ts'
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from '../../protocols/address.ts'
import { secondsCode } from '../../protocols/packet/group-records.ts'
import type { IgmpMessage } from '../../protocols/packet/igmp.ts'
import type { MldMessage } from '../../protocols/packet/mld.ts'
import { dissect, outerLayers } from '../../protocols/packet/packet.ts'
import { wrongChecksums } from '../../protocols/packet/verify.ts'
import { MILLISECOND, SECOND } from '../../runtime/clock.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { InvalidInput, parseTopology } from '../../topologies/load.ts'
import { topologyToJson } from '../../topologies/write.ts'
import type { Name } from '../support/listening-guests.ts'
import { addressesOf, dataFrom, igmpFrom, macText, mldFrom } from '../support/listening-guests.ts'

const GUESTS = ['a', 'b', 'c', 'd'] as const
const [G4, G6] = ['239.1.1.1', 'ff3e::1']

/** `a` and `b` on one host, `c` and `d` on another, `b` and `d` behind a second bridge. */
const topology = (type: string, igmpSnooping: unknown) =>
  parseTopology(
    JSON.stringify({
      version: 1,
      hosts: [1, 2].map((number) => ({
        name: `h${number}`,
        vtep: `192.0.2.${number}`,
        bridges: [{ name: 'br-int' }, { name: 'br-web', peer: 'br-int' }],
      })),
      networks: [{ name: 'blue', type, ...(type === 'flat' ? {} : { segment: 10 }), igmpSnooping }],
      vms: GUESTS.map((name, index) => ({
        name,
        host: `h${1 + Math.floor(index / 2)}`,
        nics: [
          {
            name: 'eth0',
            network: 'blue',
            bridge: index % 2 === 0 ? 'br-int' : 'br-web',
            mac: macText(name),
            addresses: addressesOf(name),
            policy: { portSecurity: false },
          },
        ],
      })),
    }),
    'querier.json',
  )

interface Query {
  at: number
  to: string
  family: 'ipv4' | 'ipv6'
  source: string
  message: Extract<IgmpMessage | MldMessage, { type: 'query' }>
}

/** Guests of `answering` report their group whenever somebody asks. */
async function running(settings: { type?: string; igmpSnooping: unknown; answering?: readonly Name[] }) {
  const { type = 'vlan', igmpSnooping, answering = [] } = settings
  const clock = new VirtualClock()
  const queries: Query[] = []
  const heard: string[] = []
  const answer = (name: Name, family: Query['family']) => {
    const frame =
      family === 'ipv4'
        ? igmpFrom(name, { type: 'report', version: 2, group: parseIpv4(G4) })
        : mldFrom(name, { type: 'report', version: 1, group: parseIpv6(G6) })
    clock.schedule(clock.now() + MILLISECOND, () => lab.inject(`${name}:eth0`, frame, 'test'))
  }
  const lab: Lab = await Lab.start(topology(type, igmpSnooping), {
    clock,
    seed: 1,
    observer: {
      heard: (at, nic, _id, bytes) => {
        const to = nic.split(':')[0]!
        const query = queryIn(bytes)
        if (query === undefined) return void heard.push(to)
        queries.push({ ...query, at, to })
        if (answering.some((name) => name === to)) answer(to as Name, query.family)
      },
    },
  })
  const pass = async (seconds: number) => clock.run(clock.now() + seconds * SECOND)
  const data = async (group: string) => {
    heard.length = 0
    lab.inject('a:eth0', dataFrom('a', group), 'test')
    await pass(0.01)
    return [...heard].sort()
  }
  const send = (name: Name, frame: Uint8Array) => lab.inject(`${name}:eth0`, frame, 'test')
  return { lab, clock, queries, pass, data, answer, send }
}

function queryIn(bytes: Uint8Array): Pick<Query, 'family' | 'source' | 'message'> | undefined {
  const layers = outerLayers(dissect(bytes))
  const message = layers.find((layer) => layer.name === 'igmp' || layer.name === 'mld')?.header
  const ip = layers.find((layer) => layer.name === 'ipv4' || layer.name === 'ipv6')
  if (message?.type !== 'query' || ip === undefined) return undefined
  if (wrongChecksums(bytes).length > 0) throw new Error('a query with a wrong checksum')
  const { source } = ip.header
  return typeof source === 'number'
    ? { family: 'ipv4', source: formatIpv4(source), message }
    : { family: 'ipv6', source: formatIpv6(source), message }
}

const ASKS = { agingTime: '20s', floodUnregistered: false, querier: true }
const QUIET = { ...ASKS, querier: false }

describe.each(['vlan', 'vxlan', 'flat'])('on a %s network', (type) => {
  test.each([
    ['those who answer are kept where the network asks', ASKS, ['b', 'c']],
    ['all are forgotten where nobody does', QUIET, []],
  ])('%s', async (_, igmpSnooping, kept) => {
    const { lab, data, pass, answer } = await running({ type, igmpSnooping, answering: ['b', 'c'] })
    for (const name of ['b', 'c', 'd'] as const) for (const family of ['ipv4', 'ipv6'] as const) answer(name, family)
    await pass(0.1)
    expect([await data(G4), await data(G6)]).toEqual([
      ['b', 'c', 'd'],
      ['b', 'c', 'd'],
    ])
    await pass(70)
    expect([await data(G4), await data(G6)]).toEqual([kept, kept])
    lab.judge.finish(new Set())
    expect([lab.judge.leaks, lab.judge.losses]).toEqual([[], []])
  })

  test('each vNIC hears each query once, two soon and then one an interval', async () => {
    const { queries, pass } = await running({ type, igmpSnooping: ASKS })
    await pass(30)
    const times = [1, 1 + 10 / 4, 1 + 10 / 4 + 10, 1 + 10 / 4 + 20]
    for (const name of GUESTS)
      for (const family of ['ipv4', 'ipv6']) {
        const mine = queries.filter((query) => query.to === name && query.family === family)
        const seconds = mine.map(({ at }) => Math.round(at / (SECOND / 100)) / 100)
        expect(seconds.map((at) => Math.round((at - seconds[0]! + 1) * 10) / 10)).toEqual(times)
      }
  })
})

test('it asks as its settings say', async () => {
  const querier = { version: 2, mac: '02:00:00:00:0a:0b', ipv4: '10.0.0.200', interval: '8s', maxResponse: '2500ms' }
  const { queries, pass, lab } = await running({ igmpSnooping: { querier } })
  await pass(2)
  expect(queries.filter(({ to }) => to === 'd')).toMatchObject([
    { source: '10.0.0.200', message: { type: 'query', group: 0, maxResponseCode: 25 } },
    { source: 'fe80::ff:fe00:a0b', message: { type: 'query', group: 0n, maxResponseCode: 2500 } },
  ])
  expect(queries.some(({ message }) => message.extension !== undefined)).toBe(false)
  expect(lab.controller.snooper.statusOf('blue')).toMatchObject([
    { querier: '10.0.0.200', port: 'controller' },
    { querier: 'fe80::ff:fe00:a0b', port: 'controller' },
  ])
  const newer = await running({ igmpSnooping: { querier: { interval: '150s' } } })
  await newer.pass(2)
  for (const { message } of newer.queries)
    expect(message.extension).toEqual({ suppress: false, robustness: 2, intervalCode: secondsCode(150), sources: [] })
})

test.each([
  ['10.0.0.1', 'fe80::1', [0, 0]],
  ['10.0.0.250', 'fe80::1', [1, 0]],
  ['10.0.0.1', 'fe80:0:0:1::', [0, 1]],
])('it leaves the asking to a lower address: %s and %s', async (ipv4, ipv6, asks) => {
  const querier = { ipv4: '10.0.0.200', interval: '10s' }
  const { queries, pass, send } = await running({ igmpSnooping: { querier } })
  await pass(2)
  const ask = () => {
    send('b', igmpFrom('b', { type: 'query', group: 0, maxResponseCode: 10 }, parseIpv4(ipv4)))
    send('b', mldFrom('b', { type: 'query', group: 0n, maxResponseCode: 10 }, parseIpv6(ipv6)))
  }
  const ours = async (seconds: number) => {
    queries.length = 0
    await pass(seconds)
    return (['ipv4', 'ipv6'] as const).map(
      (family) => queries.filter((query) => query.to === 'c' && query.family === family).length,
    )
  }
  ask()
  await pass(0.01)
  // Two are due in this time, and then the other one has been silent for too long.
  expect(await ours(20)).toEqual(asks.map((asked) => asked * 2))
  expect(await ours(10)).toEqual([1, 1])
})

test('who has closed does not ask again, whatever becomes of the topology', async () => {
  const { lab, clock, queries, pass } = await running({ igmpSnooping: ASKS })
  await pass(2)
  expect(queries).not.toEqual([])
  lab.controller.snooper.close()
  queries.length = 0
  await clock.runUntil(lab.apply(topology('vlan', { ...ASKS, querier: { interval: '8s' } })))
  await pass(30)
  expect(queries).toEqual([])
})

test('seconds are written as RFC 3376 reads them', () => {
  const read = (code: number) => (code < 128 ? code : ((code & 0xf) | 0x10) << (((code >> 4) & 7) + 3))
  for (let seconds = 1; seconds < 40_000; seconds += 7) {
    const [written, next] = [read(secondsCode(seconds)), read(Math.min(secondsCode(seconds) + 1, 255))]
    expect(written).toBeLessThanOrEqual(seconds)
    expect(next > seconds || secondsCode(seconds) === 255).toBe(true)
  }
})

test('what is written of a querier is read again', () => {
  const read = topology('vlan', { querier: { ipv6: 'FE80::0:9', interval: '20s' } })
  expect(read.networks[0]!.igmpSnooping!.querier).toMatchObject({ version: 3, ipv6: 'fe80::9', interval: 20 * SECOND })
  expect(parseTopology(JSON.stringify(topologyToJson(read)), 'x.json')).toEqual(read)
})

test.each([
  [{ querier: { interval: '500ms' } }, 'querier/interval', 'a query every 500ms'],
  [{ querier: { interval: '300s' } }, 'querier/interval', 'listeners are forgotten after 300s'],
  [{ agingTime: '1s', querier: true }, 'querier', 'a query every 500ms'],
  [{ querier: { maxResponse: '11s' } }, 'querier/maxResponse', 'in 11s'],
  [{ querier: { maxResponse: '5s', interval: '2s' } }, 'querier/maxResponse', 'longer to answer than 2s'],
  [{ querier: { ipv4: '224.0.0.1' } }, 'querier/ipv4', 'can not come from 224.0.0.1'],
  [{ querier: { ipv6: '2001:db8::1' } }, 'querier/ipv6', 'can not come from 2001:db8::1'],
  [{ querier: { mac: '01:00:00:00:00:01' } }, 'querier/mac', 'no address of a single station'],
])('a querier can not be %j', (igmpSnooping, at, problem) => {
  expect(problemsOf(igmpSnooping)).toContainEqual([`/networks/0/igmpSnooping/${at}`, expect.stringContaining(problem)])
})

function problemsOf(igmpSnooping: unknown): [pointer: string, problem: string][] {
  try {
    topology('vlan', igmpSnooping)
    return []
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error
    return error.problems.map(({ pointer, problem }) => [pointer, problem])
  }
}
