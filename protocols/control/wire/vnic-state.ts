// What moves with a vNIC.

import { InvalidField } from '../../errors.ts'
import type { signalbox } from '../generated/control.js'
import type {
  BandLevel,
  BucketLevel,
  LearnedMac,
  MessageType,
  MeterLevel,
  PortCounters,
  ShapingLevels,
  TrackedConnection,
  TrackedEnds,
  TrackedState,
  TrackedTcpPeer,
  VnicState,
} from '../messages.ts'
import { PORT_COUNTERS } from '../vnic-state.ts'
import { addressFromWire, addressToWire, constantFromWire, constantToWire } from './big-endian.ts'
import type { Codecs } from './codecs.ts'
import { countersFromWire, countersToWire } from './counters.ts'
import { natDirections } from './nat.ts'
import {
  bounded,
  copyOf,
  each,
  fromUint64,
  fromWide,
  given,
  isSet,
  optional,
  required,
  toUint64,
  toWide,
  UINT16,
  UINT32,
  uint48,
  UINT8,
  Vocabulary,
} from './values.ts'

type WireState = signalbox.control.VnicState.$Properties
type WireCounters = signalbox.control.PortCounters.$Properties
type WireLevel = signalbox.control.MeterLevel.$Properties
type WireBand = signalbox.control.BandLevel.$Properties
type WireBucket = signalbox.control.BucketLevel.$Properties
type WireShaping = signalbox.control.ShapingLevels.$Properties
type WireMac = signalbox.control.LearnedMac.$Properties
type WireConnection = signalbox.control.TrackedConnection.$Properties
type WireEnds = signalbox.control.TrackedEnds.$Properties
type WirePeer = signalbox.control.TcpPeer.$Properties

const BILLIONTHS = 999_999_999
const LABEL_BITS = 128
const LAST_TCP_STATE = 10
const LAST_SCALE = 14

const seen = new Vocabulary(['first', 'multiple', 'bidirectional'])

const countsToWire = (counters: PortCounters, path: string): WireCounters =>
  Object.fromEntries(PORT_COUNTERS.map((name) => [name, toUint64(counters[name], `${path}.${name}`)]))

const countsFromWire = (wire: WireCounters): PortCounters =>
  Object.fromEntries(PORT_COUNTERS.map((name) => [name, fromUint64(wire[name])])) as Record<keyof PortCounters, bigint>

const bucketToWire = ({ units, billionths }: BucketLevel, path: string): WireBucket => ({
  units: toWide(Math.max(units, 0), `${path}.units`),
  debt: toWide(Math.max(-units, 0), `${path}.units`),
  billionths: bounded(billionths, BILLIONTHS, `${path}.billionths`),
})

const bucketFromWire = (wire: WireBucket | null | undefined, path: string): BucketLevel => ({
  units: fromWide(wire?.units ?? 0, `${path}.units`) - fromWide(wire?.debt ?? 0, `${path}.units`),
  billionths: bounded(wire?.billionths, BILLIONTHS, `${path}.billionths`),
})

const bandToWire = (band: BandLevel, path: string): WireBand => ({
  level: bucketToWire(band, path),
  counters: countersToWire(band, path),
})

const bandFromWire = (wire: WireBand, path: string): BandLevel => ({
  ...bucketFromWire(wire.level, path),
  ...countersFromWire(wire.counters ?? {}),
})

const shapingToWire = ({ all, queues }: ShapingLevels, path: string): WireShaping => ({
  ...(all && { all: bucketToWire(all, `${path}.all`) }),
  queues: each(queues, `${path}.queues`, ({ queue, level }, place) => ({
    queue: bounded(queue, UINT32, `${place}.queue`),
    level: bucketToWire(level, `${place}.level`),
  })),
})

const shapingFromWire = ({ all, queues }: WireShaping, path: string): ShapingLevels => ({
  ...(all && { all: bucketFromWire(all, `${path}.all`) }),
  queues: each(queues, `${path}.queues`, ({ queue, level }, place) => ({
    queue: queue ?? 0,
    level: bucketFromWire(level, `${place}.level`),
  })),
})

const levelToWire = ({ meter, bands, ...counters }: MeterLevel, path: string): WireLevel => ({
  meter: bounded(meter, UINT32, `${path}.meter`),
  counters: countersToWire(counters, path),
  bands: each(bands, `${path}.bands`, bandToWire),
})

const levelFromWire = (wire: WireLevel, path: string): MeterLevel => ({
  meter: wire.meter ?? 0,
  ...countersFromWire(wire.counters ?? {}),
  bands: each(wire.bands, `${path}.bands`, bandFromWire),
})

const macToWire = ({ vlan, mac }: LearnedMac, path: string): WireMac => ({
  vlan: bounded(vlan, UINT16, `${path}.vlan`),
  mac: toUint64(uint48(mac, `${path}.mac`), `${path}.mac`),
})

const macFromWire = (wire: WireMac, path: string): LearnedMac => ({
  vlan: bounded(wire.vlan, UINT16, `${path}.vlan`),
  mac: uint48(fromUint64(wire.mac), `${path}.mac`),
})

const endsToWire = (ends: TrackedEnds, family: 4 | 6, path: string): WireEnds => ({
  source: addressToWire(ends.source, family, `${path}.source`),
  destination: addressToWire(ends.destination, family, `${path}.destination`),
  sourcePort: bounded(ends.sourcePort, UINT16, `${path}.sourcePort`),
  destinationPort: bounded(ends.destinationPort, UINT16, `${path}.destinationPort`),
  icmpType: bounded(ends.icmpType, UINT8, `${path}.icmpType`),
})

function endsFromWire(wire: WireEnds | null | undefined, family: 4 | 6, path: string): TrackedEnds {
  const { source, destination, sourcePort, destinationPort, icmpType } = required(wire, path, 'a tuple')
  return {
    source: addressFromWire(source ?? new Uint8Array(), family, `${path}.source`),
    destination: addressFromWire(destination ?? new Uint8Array(), family, `${path}.destination`),
    sourcePort: bounded(sourcePort, UINT16, `${path}.sourcePort`),
    destinationPort: bounded(destinationPort, UINT16, `${path}.destinationPort`),
    icmpType: bounded(icmpType, UINT8, `${path}.icmpType`),
  }
}

const peerToWire = (peer: TrackedTcpPeer, path: string): WirePeer => ({
  state: bounded(peer.state, LAST_TCP_STATE, `${path}.state`),
  sent: bounded(peer.sent, UINT32, `${path}.sent`),
  limit: bounded(peer.limit, UINT32, `${path}.limit`),
  window: bounded(peer.window, UINT32, `${path}.window`),
  ...(typeof peer.scale === 'number' && { scale: bounded(peer.scale, LAST_SCALE, `${path}.scale`) }),
  scaleUnknown: peer.scale === 'unknown',
})

function peerFromWire(wire: WirePeer | null | undefined, path: string): TrackedTcpPeer {
  const { state, sent, limit, window, scale, scaleUnknown } = required(wire, path, 'an end of a TCP connection')
  const known = isSet(scale) ? bounded(scale, LAST_SCALE, `${path}.scale`) : 'none'
  return {
    state: bounded(state, LAST_TCP_STATE, `${path}.state`),
    sent: sent ?? 0,
    limit: limit ?? 0,
    window: window ?? 0,
    scale: scaleUnknown ? 'unknown' : known,
  }
}

function stateToWire(state: TrackedState, path: string): Pick<WireConnection, 'tcp' | 'icmp' | 'other'> {
  switch (state.kind) {
    case 'tcp': {
      const [opener, other] = state.peers
      return { tcp: { opener: peerToWire(opener, `${path}.peers[0]`), other: peerToWire(other, `${path}.peers[1]`) } }
    }
    case 'icmp':
      return { icmp: state.replied }
    case 'other':
      return { other: seen.number(state.seen, `${path}.seen`) }
  }
}

function stateFromWire({ tcp, icmp, other }: WireConnection, path: string): TrackedState {
  if (tcp) {
    const peers: [TrackedTcpPeer, TrackedTcpPeer] = [
      peerFromWire(tcp.opener, `${path}.peers[0]`),
      peerFromWire(tcp.other, `${path}.peers[1]`),
    ]
    return { kind: 'tcp', peers }
  }
  if (isSet(icmp)) return { kind: 'icmp', replied: icmp }
  return { kind: 'other', seen: seen.word(other, `${path}.seen`) as Extract<TrackedState, { kind: 'other' }>['seen'] }
}

const connectionToWire = (connection: TrackedConnection, path: string): WireConnection => ({
  family: connection.family,
  protocol: bounded(connection.protocol, UINT8, `${path}.protocol`),
  original: endsToWire(connection.original, connection.family, `${path}.original`),
  reply: endsToWire(connection.reply, connection.family, `${path}.reply`),
  mark: bounded(connection.mark, UINT32, `${path}.mark`),
  ...(connection.label !== 0n && { label: constantToWire(connection.label, LABEL_BITS, `${path}.label`) }),
  ...(connection.nat !== undefined && { nat: natDirections.number(connection.nat, `${path}.nat`) }),
  remaining: toWide(connection.remaining, `${path}.remaining`),
  ...stateToWire(connection.state, `${path}.state`),
})

function connectionFromWire(wire: WireConnection, path: string): TrackedConnection {
  const { family, label, nat } = wire
  if (family !== 4 && family !== 6) throw new InvalidField(`${path}.family`, `${family ?? 0} is unknown`, '4 or 6')
  return {
    family,
    protocol: bounded(wire.protocol, UINT8, `${path}.protocol`),
    original: endsFromWire(wire.original, family, `${path}.original`),
    reply: endsFromWire(wire.reply, family, `${path}.reply`),
    mark: wire.mark ?? 0,
    label: label?.length ? constantFromWire(label, LABEL_BITS, `${path}.label`) : 0n,
    ...(nat && { nat: natDirections.word(nat, `${path}.nat`) as 'src' | 'dst' }),
    remaining: fromWide(wire.remaining ?? 0, `${path}.remaining`),
    state: stateFromWire(wire, `${path}.state`),
  }
}

const toWire = (state: VnicState, at: string): WireState => ({
  port: state.port,
  ...(state.counters && { counters: countsToWire(state.counters, `${at}counters`) }),
  meters: each(state.meters, `${at}meters`, levelToWire),
  ...(state.shaping && { shaping: shapingToWire(state.shaping, `${at}shaping`) }),
  addresses: each(state.addresses, `${at}addresses`, macToWire),
  connections: each(state.connections, `${at}connections`, connectionToWire),
  fragments: state.fragments.map(({ id, bytes }) => ({ id: toUint64(id, `${at}fragments`), bytes })),
})

const fromWire = (wire: WireState, at: string): VnicState => ({
  port: wire.port ?? '',
  ...(wire.counters && { counters: countsFromWire(wire.counters) }),
  meters: each(wire.meters, `${at}meters`, levelFromWire),
  ...(wire.shaping && { shaping: shapingFromWire(wire.shaping, `${at}shaping`) }),
  addresses: each(wire.addresses, `${at}addresses`, macFromWire),
  connections: each(wire.connections, `${at}connections`, connectionFromWire),
  fragments: (wire.fragments ?? []).map(({ id, bytes }) => ({ id: fromUint64(id), bytes: copyOf(bytes) })),
})

export const VNIC_STATE_MESSAGES = {
  vnicStateRequest: {
    toWire: ({ port, zone, meters }, at) => ({
      port,
      zone: optional(zone, UINT16, `${at}zone`),
      meters: each(meters, `${at}meters`, (meter, path) => bounded(meter, UINT32, path)),
    }),
    fromWire: (wire, at) => ({
      type: 'vnicStateRequest',
      port: wire.port ?? '',
      ...given('zone', wire.zone, UINT16, at),
      meters: wire.meters ?? [],
    }),
  },
  vnicStateReply: {
    toWire: (message, at) => ({ ...toWire(message, at), more: message.more }),
    fromWire: (wire, at) => ({ type: 'vnicStateReply', ...fromWire(wire, at), more: wire.more ?? false }),
  },
  installVnicState: {
    toWire: (message, at) => ({ ...toWire(message, at), zone: optional(message.zone, UINT16, `${at}zone`) }),
    fromWire: (wire, at) => ({
      type: 'installVnicState',
      ...fromWire(wire, at),
      ...given('zone', wire.zone, UINT16, at),
    }),
  },
} satisfies Partial<Codecs<MessageType>>
