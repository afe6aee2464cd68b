import { openDatagrams } from './dgram.ts'
import { openInterface } from './interface.ts'
import { openStream } from './stream.ts'
import { openTap } from './tap.ts'
import type { Log, Received, Wire, WireSpec } from './wire.ts'

/**
 * Makes the wire; frames may come in before it is given out. Rejects where this end of it can not be had, with nothing left open:
 * that nobody is at the other end is no reason.
 */
export function openWire(spec: WireSpec, received: Received, log: Log = () => {}): Promise<Wire> {
  switch (spec.kind) {
    case 'dgram':
      return openDatagrams(spec, received)
    case 'stream':
      return openStream(spec, received, log)
    case 'tap':
      return openTap(spec, received, log)
    case 'interface':
      return openInterface(spec, received, log)
  }
}
