// Whoever dials in is one switch, or the process that runs the switches of a host: its first words say which.

import type { Decode } from '../../protocols/control/codec.ts'
import { Connection } from '../../protocols/control/connection.ts'
import type { Message, MessageOf } from '../../protocols/control/messages.ts'
import { converseProbed } from '../../protocols/control/probe.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Channel } from '../../runtime/transport.ts'
import { answered } from './patience.ts'
import { RemoteHost } from './remote-host.ts'
import { RemoteSwitch } from './remote-switch.ts'

/** The version of the control protocol that this controller speaks. */
const VERSION = 1

export interface GreetOptions {
  /** Those that dial in and fall silent are let go of. For real sockets, whose other end may be gone without a word. */
  probes?: boolean
  /** What reads what they say; `decodeEnvelope` where absent. */
  decode?: Decode
}

/** Greets whoever dialled in. Rejects with ConnectionClosed or ControlError. */
export async function greet(
  channel: Channel,
  clock: Clock,
  { probes = false, decode }: GreetOptions,
): Promise<RemoteSwitch | RemoteHost> {
  const converse = (one: Channel) => new Connection(one, decode)
  const connection = probes ? converseProbed(channel, clock, converse) : converse(channel)
  const early: Message[] = []
  const hello = new Promise<MessageOf<'hostHello'>>((resolve) => {
    connection.onMessage = (message) => {
      if (message.type === 'hostHello') resolve(message)
      else early.push(message)
    }
  })
  connection.send({ type: 'hello', version: VERSION })
  const features = connection.request({ type: 'featuresRequest' })
  const first = await answered(clock, connection, Promise.race([features, hello]))
  if (first.type === 'featuresReply') return new RemoteSwitch(connection, clock, first, early)
  // A host process leaves it unanswered.
  features.catch(() => {})
  if (first.version !== VERSION) {
    const message = `this controller speaks version ${VERSION}, not ${first.version}`
    connection.sendError({ code: 'OFPHFC_INCOMPATIBLE', field: 'version', message }, 0)
    connection.close()
    throw new Error(`${first.name}: ${message}`)
  }
  return new RemoteHost(connection, clock, first)
}
