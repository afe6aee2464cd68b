// What the pipeline's answer is made of: the few things that can be done to a frame's bytes. A list of these, together with
// the bits that were consulted in finding it, is all that a flow cache needs to keep.

import type { DropReason } from './drops.ts'
import type { Flow } from './flow.ts'

export type DatapathAction =
  /** A copy of the frame as it is now leaves through the port; `flow` is the flow that said so. */
  | { type: 'output'; port: number; flow?: Flow }
  /** The same, encapsulated. Addresses are 32-bit numbers; a source of 0 means the port's own. */
  | { type: 'tunnel_output'; port: number; tunnelId: bigint; source: number; destination: number; flow?: Flow }
  | { type: 'push_vlan'; etherType: number; /** Tag control information without the present bit. */ tci: number }
  | { type: 'pop_vlan' }
  /** Writes the bits of `mask` of one word of the flow key (see `Word` in fields.ts) into the frame's headers, checksums repaired. */
  | { type: 'set'; word: number; value: number; mask: number }
  /** Ends the list, and that of no clone around it, where the meter says drop. */
  | { type: 'meter'; meter: number }
  /** Does these to a copy of the frame as it is now. */
  | { type: 'clone'; actions: DatapathAction[] }
  | {
      type: 'controller'
      reason: 'action' | 'invalid_ttl' | 'no_match'
      maxLength: number
      table: number
      cookie: bigint
      /** The key at this point, for the metadata fields of the packet-in. */ key: Uint32Array
    }
  /** Says under which name a frame with no output ends. */
  | { type: 'drop'; reason: DropReason; flow?: Flow }
