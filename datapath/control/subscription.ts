// Which of a switch's own messages a controller hears: by its role, and by what it asked for (OpenFlow 1.3 §6.3.5, §7.3.10).

import type { AsyncConfig, Message, Role } from '../../protocols/control/messages.ts'
import { PACKET_IN_REASONS, REMOVAL_REASONS } from '../../protocols/control/messages.ts'

/** Which wire a controller is on: what it hears to begin with, and what is asked of its flows, differ. */
export type Dialect = 'openflow' | 'control'

export interface Subscription {
  primary: AsyncConfig
  secondary: AsyncConfig
}

const SECONDARY: AsyncConfig = { packetIn: [], portStatus: ['add', 'delete', 'modify'], flowRemoved: [] }

/** Everything, but to a secondary. */
const ALL: Subscription = {
  primary: {
    packetIn: [...PACKET_IN_REASONS],
    portStatus: ['add', 'delete', 'modify'],
    flowRemoved: [...REMOVAL_REASONS],
  },
  secondary: SECONDARY,
}

/**
 * What Open vSwitch begins with on OpenFlow 1.3 (lib/ofp-util.c): an expired TTL has to be asked for, and so has what became of
 * flows by reasons that came with OpenFlow 1.4.
 */
const AS_OPEN_VSWITCH: Subscription = {
  primary: {
    ...ALL.primary,
    packetIn: PACKET_IN_REASONS.filter((reason) => reason !== 'invalid_ttl'),
    flowRemoved: ['idle_timeout', 'hard_timeout', 'delete', 'group_delete'],
  },
  secondary: SECONDARY,
}

/** What a controller hears until it asks for something else. */
export const FIRST_SUBSCRIPTION: Readonly<Record<Dialect, Subscription>> = { openflow: AS_OPEN_VSWITCH, control: ALL }

/** Whether a controller of this role hears the message. What is no asynchronous message is for everybody. */
export function hears(subscription: Subscription, role: Role, message: Message): boolean {
  const wanted = role === 'secondary' ? subscription.secondary : subscription.primary
  switch (message.type) {
    case 'packetIn':
      return wanted.packetIn.includes(message.reason)
    case 'portStatus':
      return wanted.portStatus.includes(message.reason)
    case 'flowRemoved':
      return wanted.flowRemoved.includes(message.reason)
    default:
      return true
  }
}
