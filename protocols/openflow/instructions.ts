// Instructions on the wire: OpenFlow 1.3 §7.2.4.

import type { Instructions } from '../control/actions.ts'
import type { Match } from '../match.ts'
import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'

export function encodeInstructions(_writer: ByteWriter, _instructions: Instructions, _match: Match = []): void {}

/**
 * Instructions up to the end of `reader`.
 * @throws Refused OFPBIC_*, and OFPBAC_* for the actions in them.
 */
export function decodeInstructions(_reader: ByteReader): Instructions {
  return { apply: [], clear: false, write: [] }
}
