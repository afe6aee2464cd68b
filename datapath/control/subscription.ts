// Which of a switch's own messages a controller hears: by its role, and by what it asked for (OpenFlow 1.3 §6.3.5, §7.3.10).

import type { AsyncConfig, Message, Role } from '../../protocols/control/messages.ts'
import { PACKET_IN_REASONS, REMOVAL_REASONS } from '../../protocols/control/messages.ts'

export interface Subscription {
  primary: AsyncConfig
  secondary: AsyncConfig
}

const SECONDARY: AsyncConfig = { packetIn: [], portStatus: ['add', 'delete', 'modify'], flowRemoved: [] }

/** Everything, but to a secondary: what our own controller hears. */
export const HEARS_ALL: Subscription = {
  primary: {
    packetIn: [...PACKET_IN_REASONS],
    portStatus: ['add', 'delete', 'modify'],
    flowRemoved: [...REMOVAL_REASONS],
  },
  secondary: SECONDARY,
}

/** What Open vSwitch begins with on OpenFlow 1.3 (lib/ofp-util.c): an expired TTL has to be asked for. */
export const AS_OPEN_VSWITCH: Subscription = {
  primary: { ...HEARS_ALL.primary, packetIn: PACKET_IN_REASONS.filter((reason) => reason !== 'invalid_ttl') },
  secondary: SECONDARY,
}

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
