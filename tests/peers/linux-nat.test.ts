// The same packets through address translation of the Linux kernel and through ours: where neither has a choice, the same frames come
// out, those that ICMP errors quote included; where both choose, answers find their way back. Every case is drawn from its own seed; to
// repeat one,
//
//   npx vitest run --project peers tests/peers/linux-nat.test.ts -t '(seed 17)'
//
// To try others, set FIRST_SEED and CASES. Needs what linux-conntrack.test.ts needs.

import { afterAll, expect, test } from 'vitest'
import type { NatRequest } from '../../datapath/conntrack/tracker.ts'
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from '../../protocols/address.ts'
import { IpProtocol } from '../../protocols/match.ts'
import { udpFrame } from '../../protocols/packet/compose.ts'
import { seeded } from '../../runtime/random.ts'
import type { Random } from '../../runtime/random.ts'
import { HOSTS, Traffic } from '../support/connection-traffic.ts'
import { oneOf } from '../support/frames.ts'
import { isChosen, seeds } from '../support/seeds.ts'
import { besideLinux } from './support/beside-linux.ts'
import { OwnTracker } from './support/own-tracker.ts'
import { isV4, textOf } from './support/packet-text.ts'

const COUNT = 60
const PACKETS = 60

/** What stands for one of the hosts: its neighbours keep their own addresses, so every tuple is free. */
const OUTSIDE = { 4: '10.0.9.9', 6: 'fd08::9' } as const
const PREFIX = { 4: '10.0.0.0/24', 6: 'fd00::/64' } as const

/** New connections from the near side, from or to one address, are given another, and no choice. */
interface Translation {
  family: 4 | 6
  direction: 'src' | 'dst'
  /** Of the source or destination: whose it is. */
  address: number | bigint
}

besideLinux('NAT', (rig) => {
  const count = { translated: 0, related: 0 }
  afterAll(() => console.log(JSON.stringify(count)))

  test.each(seeds(COUNT))('one address for another (seed %i)', async (seed) => {
    const random = seeded(seed)
    const translation = randomTranslation(random)
    const own = new OwnTracker()
    const traffic = new Traffic(random, translation.family, { fragments: false, steady: true, quotes: 'long' })
    const frames: Uint8Array[] = []
    const ours: { state: string; frame: string }[] = []
    while (frames.length < PACKETS)
      for (const saying of traffic.next()) {
        if (isLeftOut(saying.bytes)) continue
        const meant = saying.side === 0 && isMeant(saying.bytes, translation)
        const [said] = own.forward(saying.bytes, meant ? requestOf(translation) : 'restore')
        frames.push(saying.bytes)
        ours.push({ state: said!.state, frame: textOf(said!.bytes) })
        if (textOf(saying.bytes) !== textOf(said!.bytes)) count.translated++
        if (said!.state.startsWith('related')) count.related++
        traffic.heard(saying, said!.bytes)
      }
    await rig.linux.forget(rulesOf(translation))
    const theirs = (await rig.linux.forward(frames)).map(
      ([said]) => said && { state: said.state, frame: textOf(said.bytes) },
    )
    for (const [index, frame] of frames.entries()) {
      const packet = `${index}: ${textOf(frame)}`
      expect({ packet, ...ours[index] }).toEqual({ packet, ...theirs[index] })
    }
  })

  test.each([4, 6] as const)(
    'IPv%i: many with the same port share one address, and each hears its own answers',
    async (family) => {
      const own = new OwnTracker()
      const nat = rangeOf(family, { first: 0, last: 0 })
      await rig.linux.forget(masquerade(family, ''))
      const clients = Array.from({ length: 40 }, (_, index) => clientOf(family, index))
      const asked = clients.map((client) => datagram(family, client, FAR[family], 40_000, 80))
      const here = asked.map((frame) => own.forward(frame, nat)[0]!.bytes)
      const there = (await rig.linux.forward(asked)).map(([said]) => said!.bytes)
      for (const translated of [here, there]) expect(new Set(translated.map(sourceOf)).size).toBe(clients.length)
      const back = (frames: Uint8Array[]) => frames.map((frame) => answerTo(family, frame))
      const heardHere = back(here).map((frame) => own.forward(frame, 'restore')[0]!)
      const heardThere = (await rig.linux.forward(back(there))).map(([said]) => said!)
      for (const heard of [heardHere, heardThere]) {
        expect(heard.map(({ state }) => state)).toEqual(clients.map(() => 'established reply'))
        expect(heard.map(({ bytes }) => destinationOf(bytes))).toEqual(asked.map(sourceOf))
      }
    },
  )

  test('a pool that is used up', async () => {
    const own = new OwnTracker()
    const nat = rangeOf(4, { first: 20_000, last: 20_003 })
    await rig.linux.forget(masquerade(4, ':20000-20003'))
    const asked = Array.from({ length: 8 }, (_, index) => datagram(4, clientOf(4, index), FAR[4], 40_000, 80))
    const here = asked.map((frame) => own.forward(frame, nat)[0]!.bytes)
    const there = await rig.linux.forward(asked)
    const ports = [20_000, 20_001, 20_002, 20_003].map((port) => `10.0.9.9 ${port}`)
    expect(there.flatMap((said) => said.map(({ bytes }) => sourceOf(bytes))).sort()).toEqual(ports)
    expect(here.slice(0, 4).map(sourceOf).sort()).toEqual(ports)
    // Linux drops them. Here, as in Open vSwitch, it is for a flow to: they are new, as they came, and no connection's.
    expect(here.slice(4).map(textOf)).toEqual(asked.slice(4).map(textOf))
    expect(own.tracker.dump()).toHaveLength(4)
  })

  test.skipIf(isChosen)('was enough', () => {
    expect(Math.min(count.translated / 10, count.related)).toBeGreaterThan(COUNT)
  })
})

function randomTranslation(random: Random): Translation {
  const family = random.below(2) === 0 ? 4 : 6
  const direction = oneOf(random, ['src', 'dst'] as const)
  return { family, direction, address: oneOf<number | bigint>(random, HOSTS[family][direction === 'src' ? 0 : 1]) }
}

const requestOf = ({ family, direction }: Translation): NatRequest => {
  const address = BigInt(family === 4 ? parseIpv4(OUTSIDE[4]) : parseIpv6(OUTSIDE[6]))
  return { direction, addresses: { family, first: address, last: address }, persistent: false, algorithm: undefined }
}

function rulesOf({ family, direction, address }: Translation) {
  const ip = family === 4 ? 'ip' : 'ip6'
  const whose = typeof address === 'number' ? formatIpv4(address) : formatIpv6(address)
  return direction === 'src'
    ? { source: [`${ip} saddr ${whose} snat to ${OUTSIDE[family]}`] }
    : { destination: [`${ip} saddr ${PREFIX[family]} ${ip} daddr ${whose} dnat to ${OUTSIDE[family]}`] }
}

/** TCP has a comparison of its own (linux-conntrack.test.ts); Linux drops redirects about what it has translated. */
function isLeftOut(frame: Uint8Array): boolean {
  const [protocol, type] = isV4(frame) ? [frame[23], frame[34]] : [frame[20], frame[54]]
  return protocol === IpProtocol.Tcp || (protocol === IpProtocol.Icmp && type === REDIRECT)
}

const REDIRECT = 5

/** It is of the address that is translated. */
function isMeant(frame: Uint8Array, { direction, address }: Translation): boolean {
  const [source, destination] = endsOf(frame)
  return (direction === 'src' ? source : destination) === address
}

const FAR = { 4: parseIpv4('10.0.1.1'), 6: parseIpv6('fd01::1') } as const
const clientOf = (family: 4 | 6, index: number) =>
  family === 4 ? parseIpv4('10.0.0.1') + index : parseIpv6('fd00::1') + BigInt(index)

const rangeOf = (family: 4 | 6, ports: { first: number; last: number }): NatRequest => ({
  ...requestOf({ family, direction: 'src', address: 0 }),
  ...(ports.first > 0 && { ports }),
})

const masquerade = (family: 4 | 6, ports: string) => ({
  source: [
    `${family === 4 ? 'ip' : 'ip6'} saddr ${PREFIX[family]} meta l4proto udp snat to ${OUTSIDE[family]}${ports}`,
  ],
})

const datagram = (family: 4 | 6, ipSrc: number | bigint, ipDst: number | bigint, srcPort: number, dstPort: number) =>
  udpFrame({ ...ETHERNET, ipSrc, ipDst, srcPort, dstPort, payload: Uint8Array.of(family) })

const ETHERNET = { ethSrc: 0x020000000002n, ethDst: 0x020000000001n }

const viewOf = (frame: Uint8Array) => new DataView(frame.buffer, frame.byteOffset, frame.length)

/** Source and destination. */
function endsOf(frame: Uint8Array): [number | bigint, number | bigint] {
  const view = viewOf(frame)
  if (isV4(frame)) return [view.getUint32(26), view.getUint32(30)]
  const address = (at: number) => (view.getBigUint64(at) << 64n) | view.getBigUint64(at + 8)
  return [address(22), address(38)]
}

const portsOf = (frame: Uint8Array): [number, number] => {
  const at = isV4(frame) ? 34 : 54
  return [viewOf(frame).getUint16(at), viewOf(frame).getUint16(at + 2)]
}

const named = (address: number | bigint, port: number) =>
  `${typeof address === 'number' ? formatIpv4(address) : formatIpv6(address)} ${port}`
const sourceOf = (frame: Uint8Array) => named(endsOf(frame)[0], portsOf(frame)[0])
const destinationOf = (frame: Uint8Array) => named(endsOf(frame)[1], portsOf(frame)[1])

function answerTo(family: 4 | 6, frame: Uint8Array): Uint8Array {
  const [source, destination] = endsOf(frame)
  const [from, to] = portsOf(frame)
  return datagram(family, destination, source, to, from)
}
