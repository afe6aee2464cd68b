// Connections as people read them.

import { formatIpv4, formatIpv6 } from '../../protocols/address.ts'
import { IpProtocol } from '../../protocols/match.ts'
import type { Connection, Tuple } from './connection.ts'
import { isIcmp, numberOf } from './connection.ts'
import { TcpState } from './tcp.ts'

const PROTOCOL_NAMES = new Map<number, string>([
  [IpProtocol.Icmp, 'icmp'],
  [IpProtocol.Icmpv6, 'icmpv6'],
  [IpProtocol.Tcp, 'tcp'],
  [IpProtocol.Udp, 'udp'],
  [IpProtocol.Sctp, 'sctp'],
])

/** As `ovs-appctl dpctl/dump-conntrack` prints it (lib/ct-dpif.c). */
export function formatConnection(connection: Connection): string {
  const { original, reply, zone, mark, label } = connection
  const words = [
    PROTOCOL_NAMES.get(original.protocol) ?? String(original.protocol),
    `orig=(${formatTuple(original)})`,
    `reply=(${formatTuple(reply)})`,
  ]
  if (zone !== 0) words.push(`zone=${zone}`)
  if (mark !== 0) words.push(`mark=${mark}`)
  const number = label.reduce((sum, word) => (sum << 32n) | BigInt(word), 0n)
  if (number !== 0n) words.push(`labels=0x${number.toString(16)}`)
  if (connection.state.kind === 'tcp') words.push(`protoinfo=(state=${stateName(connection.state.peers)})`)
  return words.join(',')
}

function formatTuple(tuple: Tuple): string {
  const ends = `src=${formatAddress(tuple, tuple.source)},dst=${formatAddress(tuple, tuple.destination)}`
  return isIcmp(tuple.protocol)
    ? `${ends},id=${tuple.sourcePort},type=${tuple.icmpType},code=0`
    : `${ends},sport=${tuple.sourcePort},dport=${tuple.destinationPort}`
}

const formatAddress = ({ family }: Tuple, words: ArrayLike<number>) =>
  family === 4 ? formatIpv4(words[0]) : formatIpv6(numberOf(words, 4))

const STATE_NAMES =
  'CLOSED LISTEN SYN_SENT SYN_RECV ESTABLISHED CLOSE_WAIT FIN_WAIT_1 CLOSING LAST_ACK FIN_WAIT_2 TIME_WAIT'.split(' ')

/** Of both ends' states the later, in the words of Linux. */
function stateName(peers: readonly { state: number }[]): string {
  const state = Math.max(...peers.map((peer) => peer.state))
  if (state === TcpState.FinWait2) return STATE_NAMES[TcpState.TimeWait]
  return STATE_NAMES[state === TcpState.SynReceived ? TcpState.Established : state]
}
