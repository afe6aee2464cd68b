// What moves with a vNIC, at random.

import type {
  HeldFrame,
  BucketLevel,
  MessageOf,
  MeterLevel,
  TrackedConnection,
  TrackedEnds,
  TrackedTcpPeer,
  VnicState,
} from '../../protocols/control/messages.ts'
import type { Random } from '../../runtime/random.ts'
import { chance, pick, randomBits } from './random-matches.ts'

const randomBytes = (random: Random) => Uint8Array.from({ length: random.below(80) }, () => random.below(256))

const few = <T>(random: Random, make: () => T): T[] => Array.from({ length: random.below(4) }, make)

const counts = (random: Random) => ({ packets: randomBits(random, 64), bytes: randomBits(random, 64) })

const bucket = (random: Random): BucketLevel => ({
  units: pick(random, [0, 1, -1, -12_000, 2 ** 53 - 1, 1 - 2 ** 53]),
  billionths: random.below(1e9),
})

const level = (random: Random): MeterLevel => ({
  meter: random.uint32(),
  ...counts(random),
  bands: few(random, () => ({ ...bucket(random), ...counts(random) })),
})

const peer = (random: Random): TrackedTcpPeer => ({
  state: random.below(11),
  sent: random.uint32(),
  limit: random.uint32(),
  window: random.uint32(),
  scale: pick(random, ['none', 'unknown', 0, 14] as const),
})

const ends = (random: Random, family: 4 | 6): TrackedEnds => ({
  source: randomBits(random, family === 4 ? 32 : 128),
  destination: randomBits(random, family === 4 ? 32 : 128),
  sourcePort: random.below(65536),
  destinationPort: random.below(65536),
  icmpType: random.below(256),
})

export function randomConnection(random: Random): TrackedConnection {
  const family = pick(random, [4, 6] as const)
  return {
    family,
    protocol: random.below(256),
    original: ends(random, family),
    reply: ends(random, family),
    mark: random.uint32(),
    label: randomBits(random, 128),
    ...(chance(random, 0.5) && { nat: pick(random, ['src', 'dst'] as const) }),
    remaining: random.below(2 ** 32) * 1000,
    state: pick(random, [
      { kind: 'tcp', peers: [peer(random), peer(random)] },
      { kind: 'icmp', replied: chance(random, 0.5) },
      { kind: 'other', seen: pick(random, ['first', 'multiple', 'bidirectional'] as const) },
    ] as const) as TrackedConnection['state'],
  }
}

const vnicState = (random: Random): VnicState => ({
  port: pick(random, ['web1:eth0', 'größe']),
  ...(chance(random, 0.5) && {
    counters: {
      receivedPackets: randomBits(random, 64),
      receivedBytes: randomBits(random, 64),
      receivedDropped: randomBits(random, 64),
      sentPackets: randomBits(random, 64),
      sentBytes: randomBits(random, 64),
      sentDropped: randomBits(random, 64),
    },
  }),
  meters: few(random, () => level(random)),
  ...(chance(random, 0.5) && {
    shaping: {
      ...(chance(random, 0.5) && { all: bucket(random) }),
      queues: few(random, () => ({ queue: random.uint32(), level: bucket(random) })),
    },
  }),
  addresses: few(random, () => ({ vlan: random.below(4096), mac: randomBits(random, 48) })),
  connections: few(random, () => randomConnection(random)),
  fragments: few(random, () => ({ id: randomBits(random, 64), bytes: randomBytes(random) })),
})

const zone = (random: Random) => (chance(random, 0.5) ? { zone: random.below(65536) } : {})

const heldFrame = (random: Random): HeldFrame => ({
  id: randomBits(random, 64),
  bytes: randomBytes(random),
  origin: pick(random, ['', 'h1/br-int']),
  sequence: random.uint32() * 9,
})

export const VNIC_STATE_MAKERS = {
  heldFramesRequest: (random: Random): MessageOf<'heldFramesRequest'> => ({
    type: 'heldFramesRequest',
    port: 'web1:eth0',
    after: random.below(99),
  }),
  heldFramesReply: (random: Random): MessageOf<'heldFramesReply'> => ({
    type: 'heldFramesReply',
    overflowed: random.uint32() * 2,
    port: 'web1:eth0',
    frames: few(random, () => heldFrame(random)),
    more: chance(random, 0.5),
  }),
  forgetFrames: (random: Random): MessageOf<'forgetFrames'> => ({
    type: 'forgetFrames',
    port: 'web1:eth0',
    upTo: random.below(99),
  }),
  deliverFrames: (random: Random): MessageOf<'deliverFrames'> => ({
    type: 'deliverFrames',
    port: 'web1:eth0',
    frames: few(random, () => heldFrame(random)),
    upTo: random.below(99),
  }),

  vnicStateRequest: (random: Random): MessageOf<'vnicStateRequest'> => ({
    type: 'vnicStateRequest',
    port: 'web1:eth0',
    ...zone(random),
    meters: few(random, () => random.uint32()),
  }),
  vnicStateReply: (random: Random): MessageOf<'vnicStateReply'> => ({
    type: 'vnicStateReply',
    ...vnicState(random),
    more: chance(random, 0.5),
  }),
  installVnicState: (random: Random): MessageOf<'installVnicState'> => ({
    type: 'installVnicState',
    ...vnicState(random),
    ...zone(random),
  }),
}
