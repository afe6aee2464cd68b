// Whoever connects says with the first byte what is spoken: OpenFlow begins with its version, the control protocol with a 0,
// a question to the switch (unixctl.ts) with a brace. So one port takes them all.

import type { Clock } from '../../runtime/clock.ts'
import { MILLISECOND } from '../../runtime/clock.ts'
import type { Channel } from '../../runtime/transport.ts'

/** One that waits for our hello hears it after this. */
const PATIENCE = 200 * MILLISECOND

export interface Dialects {
  openflow: (channel: Channel) => void
  control: (channel: Channel) => void
  unixctl: (channel: Channel) => void
}

/** Hands the channel to the dialect that its first byte announces; to OpenFlow where none comes. */
export function greet(channel: Channel, clock: Clock, dialects: Dialects): void {
  const begin = (take: (channel: Channel) => void) => {
    timer.cancel()
    channel.onData = () => {}
    channel.onClose = () => {}
    take(channel)
  }
  const timer = clock.schedule(clock.now() + PATIENCE, () => begin(dialects.openflow))
  channel.onClose = () => timer.cancel()
  channel.onData = (bytes) => {
    begin(bytes[0] === 0 ? dialects.control : bytes[0] === BRACE ? dialects.unixctl : dialects.openflow)
    channel.onData(bytes)
  }
}

const BRACE = '{'.charCodeAt(0)
