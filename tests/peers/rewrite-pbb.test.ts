// Frames put into a provider's backbone, and label stacks with copied TTLs, as tshark reads them: Open vSwitch does neither.
// Needs the Debian package tshark.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { FrameArena } from '../../datapath/frames.ts'
import type { FrameHandle } from '../../datapath/frames.ts'
import { copyTtlIn, copyTtlOut, pushMpls, pushPbb, pushVlan } from '../../datapath/rewrite.ts'
import { formatMac } from '../../protocols/address.ts'
import { udpFrame } from '../../protocols/packet/compose.ts'
import { seeded } from '../../runtime/random.ts'
import { randomMac } from '../support/frames.ts'
import { writeFrames } from './support/frames-file.ts'
import { tsharkFields } from './support/tshark.ts'

const folder = mkdtempSync(join(tmpdir(), 'signalbox-pbb-'))
afterAll(() => rmSync(folder, { recursive: true }))

const arena = new FrameArena()
const IP = { ipSrc: 0x0a000001, ipDst: 0x0a000002, srcPort: 1000, dstPort: 2000, payload: new Uint8Array(30) }

function changed(bytes: Uint8Array, change: (frame: FrameHandle) => void): Uint8Array {
  const frame = arena.allocateFrom(bytes)
  change(frame)
  arena.release(frame)
  return arena.read(frame).slice()
}

function read(name: string, frames: readonly Uint8Array[], fields: readonly string[]): string[][] {
  const path = writeFrames(join(folder, name), frames)
  expect(
    tsharkFields(path, '_ws.malformed || ip.checksum.status == 0 || udp.checksum.status == 0', ['frame.number']),
  ).toEqual([])
  return tsharkFields(path, 'eth', fields)
}

test('a backbone header has the service, the priority and the addresses of the frame', () => {
  const random = seeded(1)
  const drawn = Array.from({ length: 50 }, () => ({
    ethSrc: randomMac(random),
    ethDst: randomMac(random),
    priority: random.below(8),
    serviceId: random.below(1 << 24),
    backbone: random.below(4096),
  }))
  const frames = drawn.map(({ ethSrc, ethDst, priority, serviceId, backbone }) =>
    changed(udpFrame({ ...IP, ethSrc, ethDst, vlan: [{ id: 7, priority }] }), (frame) => {
      pushPbb(arena, frame, serviceId)
      pushVlan(arena, frame, 0x88a8, backbone)
    }),
  )
  const fields = ['isid', 'priority', 'nca', 'cdst', 'csrc'].map((name) => `ieee8021ah.${name}`)
  const rows = read('pbb.pcap', frames, [...fields, 'eth.dst', 'eth.src', 'ieee8021ad.id', 'vlan.id', 'ip.src'])
  expect(rows).toEqual(
    drawn.map(({ ethSrc, ethDst, priority, serviceId, backbone }) => [
      String(serviceId),
      String(priority),
      '0',
      formatMac(ethDst),
      formatMac(ethSrc),
      formatMac(ethDst),
      formatMac(ethSrc),
      String(backbone),
      '7',
      '10.0.0.1',
    ]),
  )
})

test('a TTL copied in or out is that of the next header', () => {
  const bytes = udpFrame({ ...IP, ethSrc: 1n, ethDst: 2n, ttl: 33 })
  const labelled = (change: (frame: FrameHandle) => void) =>
    changed(bytes, (frame) => {
      pushMpls(arena, frame, 0x8847, (1000 << 12) | 0x100 | 64)
      change(frame)
    })
  const outer = (frame: FrameHandle) => pushMpls(arena, frame, 0x8847, (1001 << 12) | 5)
  const frames = [
    labelled((frame) => copyTtlOut(arena, frame)),
    labelled((frame) => copyTtlIn(arena, frame)),
    labelled((frame) => {
      outer(frame)
      copyTtlOut(arena, frame)
    }),
    labelled((frame) => {
      outer(frame)
      copyTtlIn(arena, frame)
    }),
  ]
  expect(read('ttl.pcap', frames, ['mpls.label', 'mpls.bottom', 'mpls.ttl', 'ip.ttl'])).toEqual([
    ['1000', '1', '33', '33'],
    ['1000', '1', '64', '64'],
    ['1001,1000', '0,1', '64,64', '33'],
    ['1001,1000', '0,1', '5,5', '33'],
  ])
})
