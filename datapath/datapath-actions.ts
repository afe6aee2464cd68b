// What the pipeline's answer is made of: the few things that can be done to a frame's bytes. A list of these, together with
// the bits that were consulted in finding it, is all that a flow cache needs to keep.

import type { PacketInReason } from '../protocols/control/messages.ts'
import type { TrackRequest } from './conntrack/tracker.ts'
import type { DropReason } from './drops.ts'
import type { Flow } from './flow.ts'
import type { Frozen } from './pipeline/freeze.ts'

export type DatapathAction =
  /** A copy of the frame as it is now leaves through the port's queue; `flow` is the flow that said so. */
  | {
      type: 'output'
      port: number
      queue: number
      /** Bytes of it that leave; all where absent. */ maxLength?: number
      flow?: Flow
    }
  /** The same, encapsulated. Addresses are 32-bit numbers; a source of 0 means the port's own. */
  | {
      type: 'tunnel_output'
      port: number
      queue: number
      tunnelId: bigint
      source: number
      destination: number
      maxLength?: number
      flow?: Flow
    }
  | { type: 'push_vlan'; etherType: number; /** Tag control information without the present bit. */ tci: number }
  | { type: 'pop_vlan' }
  /** `entry` is the whole label stack entry; `around` puts it around the frame's Ethernet header, too, which is then payload. */
  | { type: 'push_mpls'; etherType: number; entry: number; around?: true }
  | { type: 'pop_mpls'; etherType: number }
  /** IEEE 802.1ah: a backbone header (addresses copied from the frame's) with an I-TAG of this service instance. */
  | { type: 'push_pbb'; serviceId: number }
  | { type: 'pop_pbb' }
  /** On a frame without: addresses are 0 until written. */
  | { type: 'push_ethernet'; etherType: number }
  | { type: 'pop_ethernet' }
  /** OpenFlow 1.3 §5.12: TTL between an IP header and the label stack entry around it, or between two entries. */
  | { type: 'copy_ttl_out' }
  | { type: 'copy_ttl_in' }
  /** Writes the bits of `mask` of one word of the flow key (see `Word` in fields.ts) into the frame's headers, checksums repaired. */
  | { type: 'set'; word: number; value: number; mask: number }
  /** Ends the list, and that of no clone around it, where the meter says drop. */
  | { type: 'meter'; meter: number }
  /** Does these to a copy of the frame as it is now. */
  | { type: 'clone'; actions: DatapathAction[] }
  /** The connection tracker looks at the frame, and may change it (NAT). What it finds shows after the next `recirculate`. */
  | { type: 'ct'; request: TrackRequest }
  | { type: 'ct_clear' }
  /** Whether the frame is longer than `length` bytes shows in the register after the next `recirculate`. */
  | { type: 'check_length'; length: number; word: number; bit: number }
  /** Last in a list: the frame is read anew, and its way through the pipeline goes on where it was frozen. */
  | { type: 'recirculate'; frozen: Frozen }
  /** Recorded, with nobody told. */
  | { type: 'sample'; probability: number; observationPoint: number }
  | {
      type: 'controller'
      reason: PacketInReason
      maxLength: number
      table: number
      cookie: bigint
      controllerId?: number
      userdata?: Uint8Array
      /** The key at this point, for the metadata fields of the packet-in. */ key: Uint32Array
    }
  /** Says under which name a frame with no output ends. */
  | { type: 'drop'; reason: DropReason; flow?: Flow }
