// Lists of actions on the wire: OpenFlow 1.3 §7.2.5.

import type { Action } from '../control/actions.ts'
import type { Match } from '../match.ts'
import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'

/** `match`: of the flow that they are of; what is not known to be tagged gets a tag before its VLAN is set. */
export function encodeActions(_writer: ByteWriter, _actions: readonly Action[], _match: Match = []): void {}

/**
 * Actions up to the end of `reader`.
 * @throws Refused OFPBAC_*, as Open vSwitch's lib/ofp-actions.c has them.
 */
export function decodeActions(_reader: ByteReader): Action[] {
  return []
}
