// Which connections a filter means.

import type { ConnectionFilter, ConnectionTuple } from '../../protocols/control/messages.ts'
import type { Connection, Tuple } from './connection.ts'
import { isIcmp, numberOf, wordsOf } from './connection.ts'

/**
 * Whether the filter means this connection. Of ICMP, a tuple's source port is the identifier, and its destination port the
 * type in the high octet and the code in the low one.
 */
export function fits(connection: Connection, filter: ConnectionFilter): boolean {
  const { zone, mark, original, reply } = filter
  return (
    (zone === undefined || zone === connection.zone) &&
    (mark === undefined || ((mark.value ^ connection.mark) & mark.mask) === 0) &&
    (original === undefined || tupleFits(connection.original, original)) &&
    (reply === undefined || tupleFits(connection.reply, reply))
  )
}

function tupleFits(tuple: Tuple, wanted: ConnectionTuple): boolean {
  const words = wordsOf(tuple.family)
  const destinationPort = isIcmp(tuple.protocol) ? tuple.icmpType << 8 : tuple.destinationPort
  const is = <T>(value: T, want: T | undefined) => want === undefined || want === value
  return (
    is(tuple.family, wanted.family) &&
    is(tuple.protocol, wanted.protocol) &&
    is(numberOf(tuple.source, words), wanted.source) &&
    is(numberOf(tuple.destination, words), wanted.destination) &&
    is(tuple.sourcePort, wanted.sourcePort) &&
    is(destinationPort, wanted.destinationPort)
  )
}
