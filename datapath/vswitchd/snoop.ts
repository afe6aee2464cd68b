// Listening in on a controller: `ovs-ofctl snoop` (add_snooper in Open vSwitch's ofproto/connmgr.c, rconn_add_monitor in
// lib/rconn.c).

import type { Role } from '../../protocols/control/messages.ts'
import { OpenFlowConnection } from '../../protocols/openflow/connection.ts'
import type { Channel } from '../../runtime/transport.ts'

/** Bytes that a snooper has not read, above which it misses what is said. */
const LARGEST_BACKLOG = 1 << 20

const RANK: Readonly<Record<Role, number>> = { primary: 3, equal: 2, secondary: 1, nochange: 0 }

/** The controllers that the switch dialled, and who listens in on each. */
export class Snoops {
  readonly #snoopers = new Map<OpenFlowConnection, Set<OpenFlowConnection>>()
  readonly #roleOf: (controller: OpenFlowConnection) => Role | undefined

  constructor(roleOf: (controller: OpenFlowConnection) => Role | undefined) {
    this.#roleOf = roleOf
  }

  /** A controller that can be listened in on until it closes. */
  add(controller: OpenFlowConnection): void {
    const snoopers = new Set<OpenFlowConnection>()
    this.#snoopers.set(controller, snoopers)
    controller.onMessageBytes = (bytes) => {
      for (const snooper of snoopers) if (snooper.backlog <= LARGEST_BACKLOG) snooper.sendBytes(bytes)
    }
    const before = controller.onClose
    controller.onClose = () => {
      this.#snoopers.delete(controller)
      for (const snooper of snoopers) snooper.close()
      before()
    }
  }

  /**
   * Speaks to one who snoops: from when both have agreed he gets a copy of all that the switch and the controller of the highest
   * role say to each other, until either is gone. With no controller there he is sent away.
   */
  serve(channel: Channel): void {
    const snooper = new OpenFlowConnection(channel)
    snooper.onAgreed = () => {
      const snoopers = this.#best()
      if (snoopers === undefined) return snooper.close()
      snoopers.add(snooper)
      snooper.onClose = () => void snoopers.delete(snooper)
    }
  }

  #best(): Set<OpenFlowConnection> | undefined {
    const rank = (controller: OpenFlowConnection) => RANK[this.#roleOf(controller) ?? 'nochange']
    const agreed = [...this.#snoopers].filter(([{ agreed: isAgreed }]) => isAgreed)
    return agreed.toSorted(([one], [other]) => rank(other) - rank(one))[0]?.[1]
  }
}
