// Whether a controller is still there, whoever dialled: silence is broken by an echo request, and by closing where that is not
// answered (Open vSwitch's lib/reconnect.c).

import type { Conversation } from './conversation.ts'
import type { Clock } from '../../runtime/clock.ts'
import { SECOND } from '../../runtime/clock.ts'
import type { Channel } from '../../runtime/transport.ts'

/** Silence after which the controller is asked for an echo; after twice as much it is taken for gone. */
export const PROBE_INTERVAL = 5 * SECOND

/** A conversation that says, where it begins with hellos, whether they agree. */
export type Greeted = Conversation & { readonly agreed?: boolean }

/**
 * Begins to speak on `channel`, in the turn that gave it out, and closes it once the other end has been silent, or has not
 * agreed, for two intervals. `steady` is called from time to time while it is well.
 */
export function converseProbed<C extends Greeted>(
  channel: Channel,
  clock: Clock,
  converse: (channel: Channel) => C,
  steady: () => void = () => {},
): C {
  const begunAt = clock.now()
  let heardAt = begunAt
  const conversation = converse(channel)
  const { onData, onDrain } = channel
  channel.onData = (bytes) => {
    heardAt = clock.now()
    onData(bytes)
  }
  // One that reads a long reply is there, though what it says is not read meanwhile.
  channel.onDrain = () => {
    heardAt = clock.now()
    onDrain()
  }
  const look = () => {
    if (conversation.closed) return
    const isGreeted = conversation.agreed !== false
    const since = isGreeted ? heardAt : begunAt
    const silence = clock.now() - since
    if (silence >= 2 * PROBE_INTERVAL) return conversation.close()
    const isDue = silence >= PROBE_INTERVAL
    if (isGreeted && isDue) conversation.send({ type: 'echoRequest', data: new Uint8Array(0) })
    else if (isGreeted) steady()
    timer = clock.schedule(since + (isDue ? 2 : 1) * PROBE_INTERVAL, look)
  }
  let timer = clock.schedule(begunAt + PROBE_INTERVAL, look)
  const before = conversation.onClose
  conversation.onClose = () => {
    timer.cancel()
    before()
  }
  return conversation
}
