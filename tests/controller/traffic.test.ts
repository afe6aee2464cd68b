import { describe, expect, test } from 'vitest'
import { Lab } from '../../lab/lab.ts'
import { parseIpv4, parseIpv6, parseMac } from '../../protocols/address.ts'
import { BROADCAST_MAC } from '../../protocols/packet/ethernet.ts'
import * as compose from '../../protocols/packet/compose.ts'
import { MICROSECOND, MILLISECOND } from '../../runtime/clock.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { parseTopology } from '../../topologies/load.ts'

const A = parseMac('02:00:00:00:00:0a')
const B = parseMac('02:00:00:00:00:0b')
const R = parseMac('02:00:00:00:00:0e')
const A4 = parseIpv4('10.0.0.10')
const B4 = parseIpv4('10.0.0.11')
const A6 = parseIpv6('2001:db8::a')
const B6 = parseIpv6('2001:db8::b')
const STRANGER = parseMac('02:00:00:00:00:ff')

interface Kind {
  type: 'vlan' | 'vxlan' | 'flat'
  bridge: 'br-int' | 'br-web'
}

/** `a` on h1, `b` on h2, and on h3 a trunk `r` that meets the network behind tag 7, and an open vNIC `o`. */
const network = ({ type, bridge }: Kind) =>
  parseTopology(
    JSON.stringify({
      version: 1,
      name: 'traffic',
      hosts: [1, 2, 3].map((number) => ({
        name: `h${number}`,
        vtep: `192.0.2.${number}`,
        bridges: [{ name: 'br-int' }, { name: 'br-web', peer: 'br-int' }],
      })),
      networks: [
        {
          name: 'blue',
          type,
          ...(type === 'flat' ? {} : { segment: 10 }),
          subnets: [{ cidr: '10.0.0.0/24' }, { cidr: '2001:db8::/64' }],
        },
        { name: 'other', type: 'vlan', segment: 20 },
      ],
      vms: [
        { name: 'a', host: 'h1', nics: [nic(bridge, '02:00:00:00:00:0a', ['10.0.0.10', '2001:db8::a'])] },
        { name: 'b', host: 'h2', nics: [nic('br-int', '02:00:00:00:00:0b', ['10.0.0.11', '2001:db8::b'])] },
        {
          name: 'r',
          host: 'h3',
          nics: [
            {
              name: 'eth0',
              network: 'other',
              mac: '02:00:00:00:00:0e',
              vlanMode: 'native-untagged',
              trunks: [{ tag: 7, network: 'blue', addresses: ['10.0.0.14'] }],
            },
          ],
        },
        {
          name: 'o',
          host: 'h3',
          nics: [{ name: 'eth0', network: 'blue', mac: '02:00:00:00:00:0f', policy: { portSecurity: false } }],
        },
      ],
    }),
    'traffic.json',
  )

const nic = (bridge: string, mac: string, addresses: string[]) => ({
  name: 'eth0',
  network: 'blue',
  bridge,
  mac,
  addresses,
})

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** A running network, and all that is heard in it. */
async function running(kind: Kind) {
  const clock = new VirtualClock()
  const heard: { nic: string; frame: string }[] = []
  const lab = await Lab.start(network(kind), {
    clock,
    seed: 1,
    observer: { heard: (_at, to, _id, bytes) => heard.push({ nic: to, frame: hex(bytes) }) },
  })
  const send = async (from: string, frame: Uint8Array) => {
    heard.length = 0
    lab.inject(`${from}:eth0`, frame, 'test')
    await clock.run(clock.now() + 5 * MILLISECOND)
    return heard.map((one) => one.nic.split(':')[0]!).sort()
  }
  return { lab, clock, heard, send }
}

/** `s` sends; on the same host are two slow vNICs, one of which is behind a tag, two that are faster, and one without a limit. */
const mixedSpeeds = () =>
  parseTopology(
    JSON.stringify({
      version: 1,
      name: 'mixed-speeds',
      hosts: [{ name: 'h1', bridges: [{ name: 'br-int' }] }],
      networks: [
        { name: 'blue', type: 'vlan', segment: 10 },
        { name: 'other', type: 'vlan', segment: 20 },
      ],
      vms: [
        limitedVm(1, 's', {}),
        limitedVm(2, 'slow', { egressRate: '10kbps', egressBurst: '100B' }),
        {
          ...limitedVm(3, 'slow-trunk', { egressRate: '10kbps', egressBurst: '100B' }),
          nics: [
            {
              name: 'eth0',
              network: 'other',
              mac: '02:00:00:00:01:03',
              vlanMode: 'native-untagged',
              trunks: [{ tag: 7, network: 'blue' }],
              policy: { egressRate: '10kbps', egressBurst: '100B' },
            },
          ],
        },
        limitedVm(4, 'fast', { egressRate: '100Mbps' }),
        limitedVm(5, 'faster', { egressRate: '200Mbps' }),
        limitedVm(6, 'unlimited', {}),
      ],
    }),
    'mixed-speeds.json',
  )

const limitedVm = (serial: number, name: string, policy: object) => ({
  name,
  host: 'h1',
  nics: [
    { name: 'eth0', network: 'blue', mac: `02:00:00:00:01:0${serial}`, policy: { portSecurity: false, ...policy } },
  ],
})

test('a slow vNIC loses its own copies of a flood and nobody else loses any', async () => {
  const clock = new VirtualClock()
  const heard = new Map<string, number>()
  const observer = { heard: (_at: number, to: string) => void heard.set(to, (heard.get(to) ?? 0) + 1) }
  const lab = await Lab.start(mixedSpeeds(), { clock, seed: 1, observer })
  for (let sequence = 0; sequence < 20; sequence++) {
    lab.inject('s:eth0', udp({ mac: parseMac('02:00:00:00:01:01'), ip: B4 }, BROADCAST_MAC, sequence), 'test')
    await clock.run(clock.now() + MILLISECOND)
  }
  for (const one of ['fast:eth0', 'faster:eth0', 'unlimited:eth0']) expect(heard.get(one)).toBe(20)
  for (const one of ['slow:eth0', 'slow-trunk:eth0']) expect(heard.get(one)).toBeLessThan(20)
})

const KINDS: Kind[] = (['vlan', 'vxlan', 'flat'] as const).flatMap((type) =>
  (['br-int', 'br-web'] as const).map((bridge) => ({ type, bridge })),
)

const udp = (from: { mac: bigint; ip: number }, ethDst: bigint, sequence = 0) =>
  compose.udpFrame({
    ethSrc: from.mac,
    ethDst,
    ipSrc: from.ip,
    ipDst: A4,
    srcPort: 1,
    dstPort: 2,
    payload: new Uint8Array([sequence >> 8, sequence & 255]),
  })
const fromB = { mac: B, ip: B4 }
const fromA = { mac: A, ip: A4 }

describe.each(KINDS)('a $type network, one vNIC on $bridge', (kind) => {
  test('carries unicast to its owner, and broadcast to everybody on it', async () => {
    const { send, heard } = await running(kind)
    expect(await send('b', udp(fromB, A))).toEqual(['a'])
    expect(heard[0]!.frame).toBe(hex(udp(fromB, A)))
    expect(await send('a', udp(fromA, B))).toEqual(['b'])
    expect(await send('a', udp(fromA, BROADCAST_MAC))).toEqual(['b', 'o', 'r'])
    const tagged = compose.udpFrame({
      ethSrc: R,
      ethDst: A,
      ipSrc: parseIpv4('10.0.0.14'),
      ipDst: A4,
      srcPort: 1,
      dstPort: 2,
      vlan: [{ id: 7 }],
    })
    expect(await send('r', tagged)).toEqual(['a'])
  })

  test('wears the tag that a trunk expects', async () => {
    const { send, heard } = await running(kind)
    await send('a', udp(fromA, R))
    expect(heard).toHaveLength(1)
    expect(heard[0]!.frame.slice(24, 32)).toBe('81000007')
  })

  test('answers ARP and neighbour solicitation in the name of the owner', async () => {
    const { send, heard } = await running(kind)
    expect(await send('b', compose.arpRequest({ ethSrc: B, ipSrc: B4, ipDst: A4 }))).toEqual(['b'])
    expect(heard[0]!.frame).toBe(hex(compose.arpReply({ ethSrc: A, ethDst: B, ipSrc: A4, ipDst: B4 })))
    expect(await send('b', compose.neighbourSolicitation({ ethSrc: B, ipSrc: B6, target: A6 }))).toEqual(['b'])
    const answer = { ethSrc: A, ethDst: B, ipSrc: A6, ipDst: B6, target: A6, solicited: true, override: true }
    expect(heard[0]!.frame).toBe(hex(compose.neighbourAdvertisement(answer)))
    const asked = compose.arpRequest({ ethSrc: R, ipSrc: parseIpv4('10.0.0.14'), ipDst: A4, vlan: [{ id: 7 }] })
    expect(await send('r', asked)).toEqual(['r'])
    expect(heard[0]!.frame.slice(24, 32)).toBe('81000007')
  })

  test('lets announcements, probes for doubles and unicast probes pass', async () => {
    const { send } = await running(kind)
    expect(await send('b', compose.arpRequest({ ethSrc: B, ipSrc: B4, ipDst: B4 }))).toEqual(['a', 'o', 'r'])
    expect(await send('b', compose.neighbourSolicitation({ ethSrc: B, ipSrc: 0n, target: B6 }))).toEqual([
      'a',
      'o',
      'r',
    ])
    expect(await send('b', compose.arpRequest({ ethSrc: B, ethDst: A, ipSrc: B4, ipDst: A4 }))).toEqual(['a'])
  })

  test('hears nothing of a spoofed frame', async () => {
    const { send } = await running(kind)
    expect(await send('b', udp({ mac: STRANGER, ip: B4 }, A))).toEqual([])
    expect(await send('b', udp({ mac: B, ip: A4 }, A))).toEqual([])
    expect(await send('b', compose.arpReply({ ethSrc: B, ethDst: R, ipSrc: A4, ipDst: B4 }))).toEqual([])
    const lie = { ethSrc: B, ethDst: R, ipSrc: B6, ipDst: A6, target: A6, solicited: true, override: true }
    expect(await send('b', compose.neighbourAdvertisement(lie))).toEqual([])
    expect(
      await send(
        'b',
        compose.udpFrame({ ethSrc: B, ethDst: A, ipSrc: B4, ipDst: A4, srcPort: 1, dstPort: 2, vlan: [{ id: 7 }] }),
      ),
    ).toEqual([])
  })

  test('learns an address behind an open vNIC, and no longer floods it', async () => {
    const { send } = await running(kind)
    expect(await send('b', udp(fromB, STRANGER))).toEqual(['a', 'o', 'r'])
    expect(await send('o', udp({ mac: STRANGER, ip: B4 }, A))).toEqual(['a'])
    expect(await send('b', udp(fromB, STRANGER))).toEqual(['o'])
  })

  test('loses, doubles and overtakes nothing while a VM moves to and fro', async () => {
    const { lab, clock, heard } = await running(kind)
    heard.length = 0
    const total = 400
    for (let sequence = 0; sequence < total; sequence++)
      clock.schedule(clock.now() + sequence * 100 * MICROSECOND, () => {
        lab.inject('b:eth0', udp(fromB, A, sequence), 'test')
        lab.inject('o:eth0', udp({ mac: parseMac('02:00:00:00:00:0f'), ip: B4 }, BROADCAST_MAC, sequence), 'test')
      })
    expect(await lab.settle(lab.migrate('a', 'h2', 5 * MILLISECOND))).toMatchObject({
      state: 'done',
      policy: 'identical',
    })
    expect(await lab.settle(lab.migrate('a', 'h3', 5 * MILLISECOND))).toMatchObject({
      state: 'done',
      policy: 'identical',
    })
    expect(await lab.settle(lab.migrate('a', 'h1', 5 * MILLISECOND))).toMatchObject({
      state: 'done',
      policy: 'identical',
    })
    await clock.run(clock.now() + 100 * MILLISECOND)
    const sequences = (destination: string) =>
      heard
        .filter((one) => one.nic === 'a:eth0' && one.frame.startsWith(destination))
        .map(({ frame }) => parseInt(frame.slice(-4), 16))
    const all = Array.from({ length: total }, (_, index) => index)
    expect(sequences('02000000000a')).toEqual(all)
    expect(sequences('ffffffffffff').slice(-total)).toEqual(all)
  })
})
