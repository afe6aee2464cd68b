// What is said again in the same words, as the walk along headers finds it, and as whole frames read layer by layer say.

import { expect, test } from 'vitest'
import { isSaidAgain } from '../../../controller/migration/said-again.ts'
import { IpProtocol } from '../../../protocols/match.ts'
import {
  arpRequest,
  ethernetFrame,
  icmpv6EchoFrame,
  igmpFrame,
  mldFrame,
  neighbourAdvertisement,
  neighbourSolicitation,
  rarpFrame,
  tcpFrame,
  udpFrame,
  type FrameOptions,
} from '../../../protocols/packet/compose.ts'
import { Icmpv6Type } from '../../../protocols/packet/icmpv6.ts'
import { dissect, outerLayers } from '../../../protocols/packet/packet.ts'
import { seeded, type Random } from '../../../runtime/random.ts'
import { IP6_1, IP6_2, IP_1, IP_2, MAC_1, MAC_2, oneOf, randomFrame } from '../../support/frames.ts'
import { seeds } from '../../support/seeds.ts'

const v4 = { ipSrc: IP_1, ipDst: IP_2 }
const v6 = { ipSrc: IP6_1, ipDst: IP6_2 }
const ports = { srcPort: 1, dstPort: 2, payload: new Uint8Array(30) }
const echo = { identifier: 1, sequence: 1, payload: new Uint8Array(8) }

const KINDS: readonly ((frame: FrameOptions) => Uint8Array)[] = [
  (frame) => rarpFrame(frame),
  (frame) => arpRequest({ ...frame, ...v4 }),
  (frame) => neighbourSolicitation({ ...frame, ipSrc: IP6_1, target: IP6_2 }),
  (frame) => neighbourAdvertisement({ ...frame, ...v6, target: IP6_1, solicited: false }),
  (frame) => igmpFrame({ ...frame, ...v4 }, { type: 'report', version: 2, group: 0xe1010101 }),
  (frame) => igmpFrame({ ...frame, ...v4 }, { type: 'leave', group: 0xe1010101 }),
  (frame) => mldFrame({ ...frame, ...v6 }, { type: 'report', version: 1, group: 0xff050000n << 96n }),
  (frame) => mldFrame({ ...frame, ...v6 }, { type: 'query', group: 0n, maxResponseCode: 10 }),
  (frame) => icmpv6EchoFrame({ ...frame, ...v6, ...echo }),
  (frame) => udpFrame({ ...frame, ...v4, ...ports }),
  (frame) => tcpFrame({ ...frame, ...v6, ...ports }),
  (frame) => ethernetFrame({ ...frame, etherType: 0x88cc, payload: new Uint8Array(46) }),
]

function composed(random: Random): Uint8Array {
  const tags = [[], [{ id: 10 }], [{ id: 20, etherType: 0x88a8 }, { id: 10 }]]
  return oneOf(random, KINDS)({ ethSrc: MAC_1, ethDst: MAC_2, vlan: oneOf(random, tags), pad: true })
}

const SAID_AGAIN: ReadonlySet<number> = new Set([
  Icmpv6Type.ListenerQuery,
  Icmpv6Type.ListenerReport,
  Icmpv6Type.ListenerDone,
  Icmpv6Type.ListenerReportV2,
  Icmpv6Type.RouterSolicitation,
  Icmpv6Type.RouterAdvertisement,
  Icmpv6Type.NeighbourSolicitation,
  Icmpv6Type.NeighbourAdvertisement,
])

const twin = (bytes: Uint8Array): boolean =>
  outerLayers(dissect(bytes)).some((layer) => {
    if (layer.name === 'arp' || layer.name === 'mrd') return true
    if (layer.name === 'ipv4') return layer.header.protocol === IpProtocol.Igmp
    return layer.name === 'icmpv6' && SAID_AGAIN.has(layer.header.type)
  })

const isWhole = (bytes: Uint8Array): boolean => dissect(bytes).every(({ name }) => name !== 'malformed')

test.each(seeds(5))('headers say the same as whole frames (seed %i)', (seed) => {
  const random = seeded(seed)
  const seen = { again: 0, once: 0 }
  for (let count = 0; count < 500; count++) {
    const frame = random.below(2) === 0 ? composed(random) : randomFrame(random)
    // Cut short it says something, too.
    expect(isSaidAgain(frame.subarray(0, random.below(frame.length)))).toBeTypeOf('boolean')
    if (!isWhole(frame)) continue
    const again = twin(frame)
    seen[again ? 'again' : 'once']++
    expect({ frame: Buffer.from(frame).toString('hex'), again: isSaidAgain(frame) }).toMatchObject({ again })
  }
  expect(seen.again).toBeGreaterThan(100)
  expect(seen.once).toBeGreaterThan(100)
})
