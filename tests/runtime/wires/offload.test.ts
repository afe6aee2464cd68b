// The twin of what is cut is what is composed piece by piece, by other code.

import { describe, expect, test } from 'vitest'
import { foldSum, pseudoHeaderSum4, pseudoHeaderSum6 } from '../../../protocols/checksum.ts'
import type { TcpOptions } from '../../../protocols/packet/compose.ts'
import { tcpFrame, udpFrame } from '../../../protocols/packet/compose.ts'
import { TcpFlag } from '../../../protocols/packet/tcp.ts'
import type { Random } from '../../../runtime/random.ts'
import { seeded } from '../../../runtime/random.ts'
import type { Offload } from '../../../runtime/wires/offload.ts'
import { finishOffload, readOffload } from '../../../runtime/wires/offload.ts'
import { oneOf, randomBits, randomBytes, randomMac } from '../../support/frames.ts'
import { seeds } from '../../support/seeds.ts'

const SEGMENTATION = { tcp4: 1, tcp6: 4, udp: 5 }
const PROTOCOL = { tcp: 6, udp: 17 }

const finished = (offload: Offload, frame: Uint8Array): string[] => {
  const found: string[] = []
  const take = (bytes: Uint8Array) => void found.push(Buffer.from(bytes).toString('hex'))
  expect(finishOffload(offload, Buffer.from(frame), take)).toBe(found.length > 0)
  return found
}

/** Everything of a frame but its payload. */
function randomHeaders(random: Random) {
  const isIpv6 = random.below(2) === 1
  const address = () => (isIpv6 ? randomBits(random, 128) : Number(randomBits(random, 32)))
  const vlan = Array.from({ length: random.below(3) }, () => ({ id: random.below(4096) }))
  const headers: TcpOptions = {
    ethSrc: randomMac(random),
    ethDst: randomMac(random),
    vlan,
    ipSrc: address(),
    ipDst: address(),
    srcPort: random.below(65536),
    dstPort: random.below(65536),
    identification: isIpv6 ? 0 : random.below(65536),
    sequence: random.uint32(),
    acknowledgement: random.uint32(),
    flags: TcpFlag.Ack | random.below(256),
    options: oneOf(random, [[], [{ kind: 8, data: randomBytes(random, 8) }]]),
  }
  const network = 14 + 4 * vlan.length
  return { isIpv6, headers, network, transport: network + (isIpv6 ? 40 : 20) }
}

/** With the sum of the pseudo header where the checksum is to be, as the kernel leaves it. */
function unfinished(frame: Uint8Array, protocol: 'tcp' | 'udp', at: ReturnType<typeof randomHeaders>): Offload {
  const checksumOffset = protocol === 'tcp' ? 16 : 6
  const pseudo = at.isIpv6 ? pseudoHeaderSum6 : pseudoHeaderSum4
  const sum = foldSum(pseudo(frame, at.network, PROTOCOL[protocol], frame.length - at.transport))
  Buffer.from(frame.buffer, frame.byteOffset, frame.length).writeUInt16BE(sum, at.transport + checksumOffset)
  return { needsChecksum: true, segmentation: 0, segmentSize: 0, checksumStart: at.transport, checksumOffset }
}

describe('what Linux leaves to a network card', () => {
  test.each([1, 2, 3, 4])('checksums are completed (seed %i)', (seed) => {
    const random = seeded(seed)
    for (let count = 0; count < 200; count++) {
      const at = randomHeaders(random)
      const protocol = oneOf(random, ['tcp', 'udp'] as const)
      const compose = protocol === 'tcp' ? tcpFrame : udpFrame
      const frame = compose({ ...at.headers, payload: randomBytes(random, random.below(1400)) })
      const whole = Buffer.from(frame).toString('hex')
      expect(finished(unfinished(frame, protocol, at), frame)).toEqual([whole])
    }
  })

  test.each([1, 2, 3, 4])('TCP is cut into segments that are in order and whole (seed %i)', (seed) => {
    const random = seeded(seed)
    for (let count = 0; count < 30; count++) {
      const at = randomHeaders(random)
      const { headers, isIpv6 } = at
      const payload = randomBytes(random, 1 + random.below(60_000))
      const segmentSize = 500 + random.below(8000)
      const frame = tcpFrame({ ...headers, payload })
      const segmentation = isIpv6 ? SEGMENTATION.tcp6 : SEGMENTATION.tcp4
      const offload = { ...unfinished(frame, 'tcp', at), segmentation, segmentSize }
      const composed: string[] = []
      for (let from = 0; from < payload.length; from += segmentSize) {
        const isLast = from + segmentSize >= payload.length
        const flags =
          headers.flags! & (isLast ? 0xfff : ~(TcpFlag.Fin | TcpFlag.Psh)) & (from === 0 ? 0xfff : ~TcpFlag.Cwr)
        const sequence = (headers.sequence! + from) >>> 0
        const identification = (headers.identification! + composed.length) & 0xffff
        const piece = payload.subarray(from, from + segmentSize)
        const segment = tcpFrame({ ...headers, flags, sequence, identification, payload: piece })
        composed.push(Buffer.from(segment).toString('hex'))
      }
      expect(finished(offload, frame)).toEqual(composed)
    }
  })

  test.each([1, 2])('UDP is cut into datagrams (seed %i)', (seed) => {
    const random = seeded(seed)
    for (let count = 0; count < 30; count++) {
      const at = randomHeaders(random)
      const payload = randomBytes(random, 1 + random.below(20_000))
      const segmentSize = 500 + random.below(1000)
      const frame = udpFrame({ ...at.headers, payload })
      const offload = { ...unfinished(frame, 'udp', at), segmentation: SEGMENTATION.udp, segmentSize }
      const composed: string[] = []
      for (let from = 0; from < payload.length; from += segmentSize) {
        const identification = (at.headers.identification! + composed.length) & 0xffff
        const piece = payload.subarray(from, from + segmentSize)
        composed.push(Buffer.from(udpFrame({ ...at.headers, identification, payload: piece })).toString('hex'))
      }
      expect(finished(offload, frame)).toEqual(composed)
    }
  })

  test('a segment in a tunnel, whose outer headers are not told of, is no frame', () => {
    const at = randomHeaders(seeded(1))
    const frame = tcpFrame({ ...at.headers, payload: new Uint8Array(5000) })
    const segmentation = at.isIpv6 ? SEGMENTATION.tcp6 : SEGMENTATION.tcp4
    const offload = { ...unfinished(frame, 'tcp', at), segmentation, segmentSize: 1000 }
    expect(finished(offload, frame)).toHaveLength(5)
    expect(finished({ ...offload, checksumStart: at.transport + 50 }, frame)).toEqual([])
  })

  test.each(seeds(2))('nothing throws, whatever the header and the frame (seed %i)', (seed) => {
    const random = seeded(seed)
    for (let count = 0; count < 2000; count++) {
      const { headers } = randomHeaders(random)
      const frame = oneOf(random, [tcpFrame, udpFrame])({
        ...headers,
        payload: randomBytes(random, random.below(3000)),
      })
      for (let hit = 0; hit < random.below(4); hit++)
        frame[random.below(Math.min(100, frame.length))] = random.below(256)
      const header = Buffer.from(randomBytes(random, 10))
      header[1] = oneOf(random, [0, 1, 4, 5, random.below(256)])
      const cut = Buffer.from(frame.subarray(0, random.below(4) === 0 ? 12 + random.below(80) : frame.length))
      const longest = Math.max(cut.length, ...finished(readOffload(header, 0), cut).map((text) => text.length / 2))
      expect(longest).toBe(cut.length)
    }
  })
})
