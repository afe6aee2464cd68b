import { describe, expect, test } from 'vitest'
import { Law } from '../../lab/judge/law.ts'
import { look } from '../../lab/judge/sight.ts'
import { parseIpv4, parseIpv6, parseMac } from '../../protocols/address.ts'
import * as compose from '../../protocols/packet/compose.ts'
import { parseTopology } from '../../topologies/load.ts'

const BLUE1 = '02:00:00:00:0a:01'
const BLUE2 = '02:00:00:00:0a:02'
const GREEN1 = '02:00:00:00:14:01'
const NAMELESS = '02:00:00:00:1e:01'
const BROADCAST = 'ff:ff:ff:ff:ff:ff'

const topology = parseTopology(
  JSON.stringify({
    version: 1,
    name: 'law',
    hosts: [{ name: 'h1' }, { name: 'h2' }],
    networks: [
      { name: 'blue', type: 'vlan', segment: 10, subnets: [{ cidr: '10.0.10.0/24' }] },
      { name: 'green', type: 'vlan', segment: 20, subnets: [{ cidr: '10.0.20.0/24' }] },
      { name: 'unknown', type: 'vlan', segment: 30 },
    ],
    vms: [
      { name: 'a', host: 'h1', nics: [{ name: 'eth0', network: 'blue', mac: BLUE1, addresses: ['10.0.10.1'] }] },
      {
        name: 'b',
        host: 'h2',
        nics: [
          { name: 'eth0', network: 'blue', mac: BLUE2, addresses: ['10.0.10.2'], policy: { portSecurity: false } },
        ],
      },
      { name: 'c', host: 'h2', nics: [{ name: 'eth0', network: 'green', mac: GREEN1, addresses: ['10.0.20.1'] }] },
      { name: 'd', host: 'h1', nics: [{ name: 'eth0', network: 'unknown', mac: NAMELESS }] },
      { name: 'e', host: 'h2', nics: [{ name: 'eth0', network: 'unknown' }] },
      {
        name: 'router',
        host: 'h1',
        nics: [
          {
            name: 'eth0',
            network: 'blue',
            mac: '02:00:00:00:0a:fe',
            addresses: ['10.0.10.254'],
            trunks: [{ tag: 200, network: 'green', addresses: ['10.0.20.254'] }],
          },
        ],
      },
    ],
  }),
  'law.json',
)
const law = new Law(topology)

const udp = (ethSrc: string, ethDst: string, ipSrc: string, ipDst: string, tag?: number) =>
  look(
    compose.udpFrame({
      ethSrc: parseMac(ethSrc),
      ethDst: parseMac(ethDst),
      ipSrc: parseIpv4(ipSrc),
      ipDst: parseIpv4(ipDst),
      srcPort: 1,
      dstPort: 2,
      ...(tag !== undefined && { vlan: [{ id: tag }] }),
    }),
  )!

describe('who must hear a frame', () => {
  test('the owner of a known destination, and nobody else may', () => {
    const ruling = law.judge('a:eth0', udp(BLUE1, BLUE2, '10.0.10.1', '10.0.10.2'))
    expect(ruling).toMatchObject({ network: 'blue', must: ['b:eth0'], may: ['b:eth0'] })
  })

  test('everybody else in the network, for broadcast', () => {
    const ruling = law.judge('a:eth0', udp(BLUE1, BROADCAST, '10.0.10.1', '10.0.10.255'))
    expect(ruling.must).toEqual(['b:eth0', 'router:eth0'])
  })

  test('nobody must but the network may, for an unknown destination', () => {
    const ruling = law.judge('a:eth0', udp(BLUE1, '02:00:00:00:ff:ff', '10.0.10.1', '10.0.10.9'))
    expect(ruling).toMatchObject({ must: [], may: 'network' })
  })

  test('the owner in the network that the tag of a trunk names', () => {
    const ruling = law.judge('router:eth0', udp('02:00:00:00:0a:fe', GREEN1, '10.0.20.254', '10.0.20.1', 200))
    expect(ruling).toMatchObject({ network: 'green', must: ['c:eth0'] })
  })

  test('nobody, where the destination lives in another network', () => {
    const ruling = law.judge('a:eth0', udp(BLUE1, GREEN1, '10.0.10.1', '10.0.20.1'))
    expect(ruling.must).toEqual([])
  })

  test('nobody, for a tag that the vNIC does not carry', () => {
    const ruling = law.judge('a:eth0', udp(BLUE1, BLUE2, '10.0.10.1', '10.0.10.2', 20))
    expect(ruling).toMatchObject({ network: undefined, must: [], may: [] })
  })
})

describe('port security', () => {
  test.each([
    ['a foreign MAC address', udp(BLUE2, BROADCAST, '10.0.10.1', '10.0.10.2')],
    ['a foreign IPv4 address', udp(BLUE1, BLUE2, '10.0.10.77', '10.0.10.2')],
    [
      'an ARP reply for a foreign address',
      look(
        compose.arpReply({
          ethSrc: parseMac(BLUE1),
          ethDst: parseMac(BLUE2),
          ipSrc: parseIpv4('10.0.10.254'),
          ipDst: 0,
        }),
      )!,
    ],
  ])('%s is heard by nobody', (_, seen) => {
    expect(law.judge('a:eth0', seen)).toMatchObject({
      must: [],
      may: [],
      excuses: expect.arrayContaining(['port_security']),
    })
  })

  test('a DHCP client without an address is heard', () => {
    const discover = look(compose.dhcpDiscover({ ethSrc: parseMac(BLUE1), transactionId: 1 }))!
    expect(law.judge('a:eth0', discover).must).toEqual(['b:eth0', 'router:eth0'])
  })

  test('a link-local source made of the MAC address is heard', () => {
    const seen = look(
      compose.neighbourSolicitation({
        ethSrc: parseMac(BLUE1),
        ipSrc: parseIpv6('fe80::ff:fe00:a01'),
        target: parseIpv6('fe80::1'),
      }),
    )!
    expect(law.judge('a:eth0', seen).must).toEqual(['b:eth0', 'router:eth0'])
  })

  test('holds a vNIC of which no address is known to its MAC alone', () => {
    expect(law.judge('d:eth0', udp(NAMELESS, BROADCAST, '10.9.9.9', '10.9.9.8')).must).toEqual(['e:eth0'])
    expect(law.judge('d:eth0', udp(BLUE1, BROADCAST, '10.9.9.9', '10.9.9.8')).may).toEqual([])
    const arp = { ethSrc: parseMac(NAMELESS), ethDst: parseMac(BROADCAST), ipSrc: parseIpv4('10.9.9.9'), ipDst: 0 }
    expect(law.judge('d:eth0', look(compose.arpReply(arp))!).must).toEqual(['e:eth0'])
  })

  test('leaves an ARP for other than Ethernet and IPv4 addresses to whoever enforces it', () => {
    const bytes = compose.arpReply({
      ethSrc: parseMac(BLUE1),
      ethDst: parseMac(BROADCAST),
      ipSrc: parseIpv4('10.0.10.1'),
      ipDst: 0,
    })
    bytes[18] = 14
    expect(law.judge('a:eth0', look(bytes)!)).toMatchObject({
      must: [],
      may: 'network',
      excuses: expect.arrayContaining(['port_security']),
    })
  })

  test('binds nobody whose policy has it off', () => {
    expect(law.judge('b:eth0', udp(GREEN1, BLUE1, '1.2.3.4', '10.0.10.1')).must).toEqual(['a:eth0'])
  })
})

test("a request for a known address may be answered with its owner's MAC address", () => {
  const seen = look(
    compose.arpRequest({ ethSrc: parseMac(BLUE1), ipSrc: parseIpv4('10.0.10.1'), ipDst: parseIpv4('10.0.10.2') }),
  )!
  expect(law.judge('a:eth0', seen).answers).toEqual([Number(parseMac(BLUE2))])
})
