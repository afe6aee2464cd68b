import { describe, expect, test } from 'vitest'
import { frameFrom } from '../../lab/frame-text.ts'
import { frameFilter } from '../../lab/frame-filter.ts'
import { InvalidField } from '../../protocols/errors.ts'
import { parseTopology } from '../../topologies/load.ts'
import { findNic } from '../../topologies/lookup.ts'
import { twoTenants } from '../support/two-tenants.ts'

const topology = parseTopology(JSON.stringify(twoTenants()), 'two-tenants.json')
const sender = findNic(topology, 'db1')
const made = (text: string) => frameFrom(text, sender, topology)

describe('a frame is what its text says', () => {
  test.each([
    'udp,nw_dst=10.0.0.2,tp_src=7,tp_dst=9',
    'udp,dl_vlan=20,dl_dst=02:00:00:00:00:04',
    'udp,dl_vlan_pcp=3',
    'dl_vlan=20,dl_vlan_pcp=3',
    'udp,dl_vlan=0xffff,nw_tos=184,nw_ecn=1,nw_ttl=3',
    'tcp,tp_dst=80',
    'tcp,tcp_flags=+syn-ack',
    'tcp,tcp_flags=0x011',
    'sctp,tp_dst=80,ip_frag=no',
    'icmp,icmp_type=3,icmp_code=1',
    'ip,nw_proto=2',
    'arp,arp_op=2,arp_spa=10.0.0.9,arp_tpa=10.0.0.3,arp_sha=02:00:00:00:00:09,arp_tha=02:00:00:00:00:03',
    'rarp',
    'dl_type=0x9999,dl_src=02:00:00:00:00:77',
    'udp6,ipv6_src=fe80::1,ipv6_dst=ff02::1,tp_dst=546,ipv6_label=5',
    'icmp6,ipv6_src=fe80::1,icmp_type=135,nd_target=fe80::2,nd_sll=02:00:00:00:00:09',
    'icmp6,ipv6_src=fe80::1,icmp_type=136,nd_target=fe80::2,nd_tll=02:00:00:00:00:09',
    'icmp6,ipv6_src=fe80::1,icmp_type=128,icmp_code=0',
  ])('%s', (text) => {
    const bytes = made(text)
    expect(frameFilter(text)(bytes)).toBe(true)
  })

  test('in hexadecimal, byte by byte', () => {
    expect([...made('02:00:00:00:00:01 020000000002 88b5')]).toEqual([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5])
  })
})

test('an acknowledgement is what TCP sends where nothing is said of flags', () => {
  expect(frameFilter('tcp,tcp_flags=0x010')(made('tcp'))).toBe(true)
})

test.each([
  ['udp,in_port=3', /in_port is no part of a frame/],
  ['udp,tun_id=5', /tun_id is no part/],
  ['udp,reg0=1', /reg0 is no part/],
  ['udp,metadata=3', /metadata is no part/],
  ['udp,nw_dst=10.0.0.0/24', /nw_dst has a mask.*expected nw_dst=VALUE/],
  ['udp,ip_frag=first', /fragments/],
  ['dl_type=0x100', /eth_type can not be made/],
  ['dl_type=0x8100', /eth_type can not be made/],
  ['vlan_tci=0x000a', /vlan_tci can not be made/],
])('what no frame has is refused: %s', (text, message) => {
  expect(() => made(text)).toThrow(InvalidField)
  expect(() => made(text)).toThrow(message)
})
