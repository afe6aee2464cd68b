// Our VXLAN as tshark reads it, and beside what a real Open vSwitch sends for the same frame. Needs the Debian packages tshark
// and, for the second part, openvswitch-switch.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FrameArena } from '../../datapath/frames.ts'
import type { Encapsulation } from '../../datapath/tunnels/outer-headers.ts'
import { encapsulate } from '../../datapath/tunnels/outer-headers.ts'
import { parseIpv4 } from '../../protocols/address.ts'
import { udpFrame } from '../../protocols/packet/compose.ts'
import { seeded } from '../../runtime/random.ts'
import { randomFrame, SAMPLE_FRAMES } from '../support/frames.ts'
import { writeFrames } from './support/frames-file.ts'
import { ovsInstalled } from './support/ovs.ts'
import { OvsTunnels } from './support/ovs-tunnels.ts'
import { tsharkFields } from './support/tshark.ts'

const ENDS = { local: '198.51.100.1', remote: '198.51.100.2' }
const arena = new FrameArena()

const IP = { ethSrc: 1n, ethDst: 2n, ipSrc: 0x0a000001, ipDst: 0x0a000002, srcPort: 1000, dstPort: 2000 }

/** The options of a tunnel port as ours and as Open vSwitch's. */
const TUNNELS = [
  { ttl: 64, tos: 0, vni: 5001, words: ['key=5001'] },
  { ttl: 'inherit', tos: 'inherit', vni: 5002, words: ['key=5002', 'ttl=inherit', 'tos=inherit'] },
  { ttl: 9, tos: 0xb8, vni: 0xffffff, words: ['key=16777215', 'ttl=9', 'tos=0xb8'] },
  { ttl: 255, tos: 'inherit', vni: 0, words: ['key=0', 'ttl=255', 'tos=inherit'] },
] as const

function encapsulated(inner: Uint8Array, { ttl, tos, vni }: Pick<Encapsulation, 'ttl' | 'tos' | 'vni'>): Uint8Array {
  const frame = arena.allocateFrom(inner)
  const [localIp, remoteIp] = [parseIpv4(ENDS.local), parseIpv4(ENDS.remote)]
  expect(encapsulate(arena, frame, { localIp, remoteIp, destinationPort: 4789, ttl, tos, vni })).toBe(true)
  const bytes = arena.read(frame).slice()
  arena.release(frame)
  return bytes
}

describe('as tshark reads it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-vxlan-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  const written = (name: string, frames: readonly Uint8Array[]) => writeFrames(join(folder, name), frames)

  function wrongFrames(path: string): string[][] {
    const wrong = ['ip', 'udp', 'tcp', 'icmp', 'icmpv6', 'sctp'].map((name) => `${name}.checksum.status == 0`)
    return tsharkFields(path, ['_ws.malformed', ...wrong].join(' || '), ['frame.number'])
  }

  test.each(TUNNELS)(
    'TTL $ttl and TOS $tos in segment $vni: every kind of frame, whole, no checksum wrong',
    (tunnel) => {
      const inner = Object.values(SAMPLE_FRAMES)
      const path = written(
        `${tunnel.vni}.pcap`,
        inner.map((bytes) => encapsulated(bytes, tunnel)),
      )
      // The later fragments among them are wrong to tshark as they are.
      expect(wrongFrames(path)).toEqual(wrongFrames(written('bare.pcap', inner)))
      const rows = tsharkFields(path, 'vxlan', [
        'vxlan.vni',
        'vxlan.flags',
        'ip.src',
        'ip.dst',
        'udp.dstport',
        'frame.len',
      ])
      expect(rows.map((row) => row.map((values) => values.split(',')[0]))).toEqual(
        inner.map(({ length }) => [String(tunnel.vni), '0x0800', ENDS.local, ENDS.remote, '4789', String(length + 50)]),
      )
    },
  )

  test.each([0, 1, 2, 3])(
    'ECN %i of the packet inside is ECN of the one outside (RFC 6040), TTL and DSCP too where inherited',
    (ecn) => {
      const inner = udpFrame({ ...IP, ttl: 17, dscp: 46, ecn })
      const path = written(
        `ecn${ecn}.pcap`,
        TUNNELS.map((tunnel) => encapsulated(inner, tunnel)),
      )
      const rows = tsharkFields(path, 'vxlan', ['ip.ttl', 'ip.dsfield.dscp', 'ip.dsfield.ecn'])
      expect(rows).toEqual([
        ['64,17', '0,46', `${ecn},${ecn}`],
        ['17,17', '46,46', `${ecn},${ecn}`],
        ['9,17', '46,46', `${ecn},${ecn}`],
        ['255,17', '46,46', `${ecn},${ecn}`],
      ])
    },
  )
})

describe.runIf(ovsInstalled())('beside Open vSwitch', () => {
  let tunnels: OvsTunnels
  beforeAll(async () => {
    tunnels = await OvsTunnels.start(
      ENDS,
      TUNNELS.map(({ words }) => words),
    )
  })
  afterAll(() => tunnels?.stop())

  const bothWays = async (inner: Uint8Array) => ({
    ours: TUNNELS.map((tunnel) => comparable(encapsulated(inner, tunnel))),
    theirs: (await tunnels.send(inner)).map(comparable),
  })

  // Frames that are whole: of IPv6 with a broken chain of extensions Open vSwitch knows neither TTL nor TOS, and sends TTL 0.
  test.each([1, 2, 3])('100 random frames are wrapped alike (seed %i)', async (seed) => {
    const random = seeded(seed)
    for (let round = 0; round < 100; round++) {
      const frame = randomFrame(random)
      const { ours, theirs } = await bothWays(frame)
      expect(ours, `inside: ${hex(frame)}`).toEqual(theirs)
    }
  })

  test.each([0, 1, 2])('ECN %i is wrapped alike', async (ecn) => {
    for (const inside of [IP, { ...IP, ipSrc: 1n, ipDst: 2n }]) {
      const { ours, theirs } = await bothWays(udpFrame({ ...inside, dscp: 46, ecn, vlan: [{ id: 5 }] }))
      expect(ours).toEqual(theirs)
    }
  })

  // Open vSwitch 3.1 resets the outer field as RFC 3168 §9.1.1 did; RFC 6040 §4.1 copies it, and so do we.
  test('Congestion Experienced is copied by us alone', async () => {
    const { ours, theirs } = await bothWays(udpFrame({ ...IP, ecn: 3 }))
    const ecnOf = (frame: string) => Number.parseInt(frame.slice(30, 32), 16) & 3
    expect(ours.map(ecnOf)).toEqual(TUNNELS.map(() => 3))
    expect(theirs.map(ecnOf)).toEqual(TUNNELS.map(() => 2))
  })
})

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

const OUTER_ADDRESSES = 12
const UDP_SOURCE_PORT = 34

/** All but the MAC addresses, which are the host's, and the source port, which each side hashes in its own way. */
function comparable(frame: Uint8Array): string {
  const bytes = frame.slice()
  bytes.fill(0, 0, OUTER_ADDRESSES)
  bytes.fill(0, UDP_SOURCE_PORT, UDP_SOURCE_PORT + 2)
  return hex(bytes)
}
