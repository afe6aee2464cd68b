import { SECOND } from '../../runtime/clock.ts'

/** How long a connection lasts without a frame, by its state, in nanoseconds: Open vSwitch's default policy (lib/conntrack-tp.c). */
export const TIMEOUTS = {
  tcpFirstPacket: 30 * SECOND,
  tcpOpening: 30 * SECOND,
  tcpEstablished: 86_400 * SECOND,
  tcpClosing: 900 * SECOND,
  tcpFinWait: 45 * SECOND,
  tcpClosed: 30 * SECOND,
  otherFirst: 60 * SECOND,
  otherMultiple: 60 * SECOND,
  otherBidirectional: 30 * SECOND,
  icmpFirst: 60 * SECOND,
  icmpReply: 30 * SECOND,
} as const

export type TimeoutName = keyof typeof TIMEOUTS
