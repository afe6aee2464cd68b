// Multicast router discovery (RFC 4286): a router says that it is one, and when it is one no more. In IPv4 these are types of IGMP, in IPv6
// of ICMPv6.
//
//   advertisement:             | type 8 | seconds between advertisements 8 | checksum 16 | query interval 16 | robustness 16 |
//   solicitation, termination: | type 8 | reserved 8 | checksum 16 |

import { requireBytes } from '../bytes.ts'
import { Malformed } from '../errors.ts'
import { Icmpv6Type } from './icmpv6.ts'

const INTERVAL = 1
const SHORT_SIZE = 4
const ADVERTISEMENT_SIZE = 8

export type MrdMessage =
  | {
      type: 'advertisement'
      /** Seconds until the next one. */
      interval: number
    }
  | { type: 'solicitation' }
  | { type: 'termination' }

const TYPES = new Map<number, MrdMessage['type']>([
  [0x30, 'advertisement'],
  [0x31, 'solicitation'],
  [0x32, 'termination'],
  [Icmpv6Type.MulticastRouterAdvertisement, 'advertisement'],
  [Icmpv6Type.MulticastRouterSolicitation, 'solicitation'],
  [Icmpv6Type.MulticastRouterTermination, 'termination'],
])

/** Whether a type of IGMP, or of ICMPv6, is one that `decodeMrd` reads: no number is one of both. */
export const isMrd = (type: number): boolean => TYPES.has(type)

/** @throws Malformed a message cut short, or of a type that `isMrd` denies. */
export function decodeMrd(view: DataView, at: number, end = view.byteLength): MrdMessage {
  requireBytes('mrd', 'header', at, end, SHORT_SIZE)
  const type = TYPES.get(view.getUint8(at))
  if (type === undefined) throw new Malformed('mrd', `type ${view.getUint8(at)} is not multicast router discovery`, at)
  if (type !== 'advertisement') return { type }
  requireBytes('mrd', 'advertisement', at, end, ADVERTISEMENT_SIZE)
  return { type, interval: view.getUint8(at + INTERVAL) }
}
