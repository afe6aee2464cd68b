import { openDatagrams } from './dgram.ts'
import { openInterface } from './interface.ts'
import { openStream } from './stream.ts'
import { openTap } from './tap.ts'
import type { Received, Voices, Wire, WireSpec } from './wire.ts'

/**
 * Makes the wire; frames may come in before it is given out. Rejects where this end of it can not be had, with nothing left open:
 * that nobody is at the other end is no reason.
 */
export function openWire(spec: WireSpec, received: Received, voices: Voices = SILENT): Promise<Wire> {
  switch (spec.kind) {
    case 'dgram':
      return openDatagrams(spec, received)
    case 'stream':
      return openStream(spec, received, voices)
    case 'tap':
      return openTap(spec, received, voices)
    case 'interface':
      return openInterface(spec, received, voices)
  }
}

const SILENT: Voices = { log: () => {}, warn: () => {} }
