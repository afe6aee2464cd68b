// Connections that move from one tracker to another: as the control protocol has them, and two trackers' views of one
// connection made one. While a vNIC moves, frames for it pass both its places, so each may know what the other does not.

import type { TrackedConnection, TrackedEnds, TrackedTcpPeer } from '../../protocols/control/messages.ts'
import type { Nanoseconds } from '../../runtime/clock.ts'
import type { Connection, ConnectionState, Tuple } from './connection.ts'
import { numberOf, wordsOf } from './connection.ts'
import type { TcpPeer } from './tcp.ts'
import { laterOf } from './tcp.ts'

const LABEL_WORDS = 4

export const exported = (connection: Connection, now: Nanoseconds): TrackedConnection => ({
  family: connection.original.family,
  protocol: connection.original.protocol,
  original: endsOf(connection.original),
  reply: endsOf(connection.reply),
  mark: connection.mark,
  label: numberOf(connection.label, LABEL_WORDS),
  ...(connection.nat && { nat: connection.nat }),
  remaining: Math.max(connection.expires - now, 0),
  state: stateOf(connection.state),
})

const endsOf = (tuple: Tuple): TrackedEnds => ({
  source: numberOf(tuple.source, wordsOf(tuple.family)),
  destination: numberOf(tuple.destination, wordsOf(tuple.family)),
  sourcePort: tuple.sourcePort,
  destinationPort: tuple.destinationPort,
  icmpType: tuple.icmpType,
})

function stateOf(state: ConnectionState): TrackedConnection['state'] {
  if (state.kind !== 'tcp') return { ...state }
  const [opener, other] = state.peers
  return { kind: 'tcp', peers: [{ ...opener }, { ...other }] }
}

export const imported = (tracked: TrackedConnection, zone: number, now: Nanoseconds): Connection => ({
  zone,
  original: tupleOf(tracked, tracked.original),
  reply: tupleOf(tracked, tracked.reply),
  mark: tracked.mark,
  label: wordsFrom(tracked.label, LABEL_WORDS),
  ...(tracked.nat && { nat: tracked.nat }),
  state: connectionState(tracked.state),
  expires: now + tracked.remaining,
})

const tupleOf = ({ family, protocol }: TrackedConnection, ends: TrackedEnds): Tuple => ({
  family,
  protocol,
  source: wordsFrom(ends.source, wordsOf(family)),
  destination: wordsFrom(ends.destination, wordsOf(family)),
  sourcePort: ends.sourcePort,
  destinationPort: ends.destinationPort,
  icmpType: ends.icmpType,
})

const wordsFrom = (value: bigint, count: number): number[] =>
  Array.from({ length: count }, (_, index) => Number((value >> BigInt(32 * (count - 1 - index))) & 0xffffffffn))

function connectionState(state: TrackedConnection['state']): ConnectionState {
  if (state.kind !== 'tcp') return { ...state }
  const [opener, other] = state.peers
  return { kind: 'tcp', peers: [peerOf(opener), peerOf(other)] }
}

const peerOf = (peer: TrackedTcpPeer): TcpPeer => ({ ...peer })

/**
 * What `known` must be to have seen what `other` has seen, too: of each end the state that comes later and the farther window. Marks
 * are those of whichever has seen a frame last. Done twice it is as done once. `known` keeps its tuples: frames have been
 * translated by them.
 */
export function merge(known: Connection, other: Connection): void {
  if (other.expires > known.expires) {
    known.mark = other.mark
    known.label = other.label
  }
  mergeStates(known.state, other.state)
}

const SEEN = ['first', 'multiple', 'bidirectional'] as const

function mergeStates(known: ConnectionState, other: ConnectionState): void {
  if (known.kind === 'tcp' && other.kind === 'tcp')
    known.peers.forEach((peer, end) => mergePeers(peer, other.peers[end]!))
  else if (known.kind === 'icmp' && other.kind === 'icmp') known.replied ||= other.replied
  else if (known.kind === 'other' && other.kind === 'other')
    known.seen = SEEN[Math.max(SEEN.indexOf(known.seen), SEEN.indexOf(other.seen))]!
}

/** One that has seen nothing of this end knows of no sequence numbers. */
function mergePeers(known: TcpPeer, other: TcpPeer): void {
  const isFirst = known.state === 0
  known.sent = isFirst ? other.sent : other.state === 0 ? known.sent : laterOf(known.sent, other.sent)
  known.limit = isFirst ? other.limit : other.state === 0 ? known.limit : laterOf(known.limit, other.limit)
  known.window = Math.max(known.window, other.window)
  if (known.scale === 'unknown' || isFirst) known.scale = other.scale
  known.state = Math.max(known.state, other.state)
}
