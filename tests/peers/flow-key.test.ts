// What is seen of a frame, whole or damaged, beside what Open vSwitch sees of it: `ovs-ofctl parse-pcap` prints the flow of every
// frame in a capture. Needs the Debian package openvswitch-switch.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { ETHERNET_HEADER_SIZE, readField } from '../../datapath/flow-key.ts'
import type { FlowKey } from '../../datapath/flow-key.ts'
import { formatIpv4, formatIpv6, formatMac } from '../../protocols/address.ts'
import { Word, fieldOf } from '../../protocols/fields.ts'
import type { FieldName } from '../../protocols/fields.ts'
import { seeded } from '../../runtime/random.ts'
import { damagedFrame } from '../support/random-frames.ts'
import { keyOf } from '../support/random-keys.ts'
import { writeFrames } from './support/frames-file.ts'
import { ovsInstalled } from './support/ovs.ts'

const FRAMES = 1500

const folder = mkdtempSync(join(tmpdir(), 'signalbox-keys-'))
afterAll(() => rmSync(folder, { recursive: true }))

type Reading = (key: FlowKey) => string

const as =
  (name: FieldName, format: (value: bigint) => string): Reading =>
  (key) =>
    format(readField(key, fieldOf(name)))
const number = (name: FieldName) => as(name, String)
const word = (at: number) => (key: FlowKey) => String(key[at])
const ipv4 = (name: FieldName) => as(name, (value) => formatIpv4(Number(value)))
const ipv6 = (name: FieldName) => as(name, formatIpv6)
const mac = (name: FieldName) => as(name, formatMac)

/** How `ovs-ofctl` writes what it sees, by the names that it uses for it. */
const READINGS: Readonly<Record<string, Reading>> = {
  dl_src: mac('eth_src'),
  dl_dst: mac('eth_dst'),
  dl_type: as('eth_type', (value) => `0x${value.toString(16).padStart(4, '0')}`),
  dl_vlan: (key) => String(key[Word.vlan]! & 0xfff),
  dl_vlan_pcp: (key) => String((key[Word.vlan]! >>> 13) & 7),
  dl_vlan1: (key) => String(key[Word.innerVlan]! & 0xfff),
  dl_vlan_pcp1: (key) => String((key[Word.innerVlan]! >>> 13) & 7),
  mpls_label: number('mpls_label'),
  mpls_tc: number('mpls_tc'),
  mpls_ttl: number('mpls_ttl'),
  mpls_bos: number('mpls_bos'),
  mpls_lse1: word(Word.mpls + 1),
  mpls_lse2: word(Word.mpls + 2),
  nw_src: ipv4('nw_src'),
  nw_dst: ipv4('nw_dst'),
  ipv6_src: ipv6('ipv6_src'),
  ipv6_dst: ipv6('ipv6_dst'),
  ipv6_label: as('ipv6_label', (value) => `0x${value.toString(16).padStart(5, '0')}`),
  nw_proto: number('nw_proto'),
  nw_tos: (key) => String(key[Word.trafficClass]! & 0xfc),
  nw_ecn: number('nw_ecn'),
  nw_ttl: number('nw_ttl'),
  nw_frag: as('ip_frag', (value) => ['no', 'first', '', 'later'][Number(value)]!),
  tp_src: word(Word.transportSource),
  tp_dst: word(Word.transportDestination),
  icmp_type: word(Word.transportSource),
  icmp_code: word(Word.transportDestination),
  arp_spa: ipv4('arp_spa'),
  arp_tpa: ipv4('arp_tpa'),
  arp_op: number('arp_op'),
  arp_sha: mac('arp_sha'),
  arp_tha: mac('arp_tha'),
  nd_target: ipv6('nd_target'),
  nd_sll: mac('nd_sll'),
  nd_tll: mac('nd_tll'),
}

/** The kinds of frames that a line names by a word of its own, and their types. */
const TYPES: Readonly<Record<string, number>> = { arp: 0x0806, rarp: 0x8035, mpls: 0x8847, mplsm: 0x8848 }

function flowsOf(frames: readonly Uint8Array[]): string[] {
  const path = writeFrames(join(folder, 'frames.pcap'), frames)
  return execFileSync('ovs-ofctl', ['parse-pcap', path], { encoding: 'utf8', maxBuffer: 1 << 26 })
    .trim()
    .split('\n')
}

/** `name=value` words of a flow, those that have a reading. */
const told = (flow: string) =>
  [...flow.matchAll(/(\w+)=([^,]+)/g)].flatMap(([, name = '', value]) => (name in READINGS ? [[name, value]] : []))

describe.runIf(ovsInstalled())('beside Open vSwitch', () => {
  test.each([1, 2, 3])('the same is seen of a frame (seed %i)', (seed) => {
    const random = seeded(seed)
    const frames = Array.from({ length: FRAMES }, () => damagedFrame(random)).filter(
      ({ length }) => length >= ETHERNET_HEADER_SIZE,
    )
    const flows = flowsOf(frames)
    expect(flows).toHaveLength(frames.length)
    frames.forEach((bytes, index) => {
      const flow = flows[index]!
      const key = keyOf(bytes)
      const theirs = told(flow)
      const ours = theirs.map(([name = '']) => [name, READINGS[name]!(key)])
      const shown = `${Buffer.from(bytes).toString('hex')}\n${flow}`
      expect(ours, shown).toEqual(theirs)
      const type = TYPES[/^\w+/.exec(flow)?.[0] ?? '']
      expect(type ?? key[Word.etherType], shown).toBe(key[Word.etherType])
    })
  })
})
