// What a flow, a group's bucket or a packet-out does to a frame: OpenFlow 1.3 §5.12, and Open vSwitch's ovs-actions(7).

import type { FieldName } from '../fields.ts'

/** Some bits of a field: `NXM_OF_ETH_SRC[]`, `NXM_NX_REG0[0..15]`. */
export interface Subfield {
  field: FieldName
  /** First bit, from the least significant. */
  offset: number
  bits: number
}

export type Action =
  | { type: 'output'; port: number }
  /** `output:reg0[]`: the port's number is in the frame's own metadata. `maxLength` matters where that is the controller. */
  | { type: 'output_reg'; from: Subfield; maxLength: number }
  /** `output(port=…,max_len=…)`: this copy is cut to `maxLength` bytes. */
  | { type: 'output_trunc'; port: number; maxLength: number }
  | ControllerAction
  | { type: 'group'; group: number }
  /** The queue that outputs from here on use. */
  | { type: 'set_queue'; queue: number }
  | { type: 'pop_queue' }
  | { type: 'push_vlan'; etherType: number }
  | { type: 'pop_vlan' }
  /** Sets the outer tag's VLAN or priority as OpenFlow 1.0 does: an untagged frame gets a tag (TPID 0x8100, all else 0) first. */
  | { type: 'set_vlan_vid'; vid: number }
  | { type: 'set_vlan_pcp'; pcp: number }
  | { type: 'push_mpls'; etherType: number }
  /** `etherType` is what the frame is once the outermost entry is gone. */
  | { type: 'pop_mpls'; etherType: number }
  | { type: 'push_pbb'; etherType: number }
  | { type: 'pop_pbb' }
  /** `encap(ethernet)`, `encap(mpls)`, `encap(mpls_mc)`: a new outermost header. */
  | { type: 'encap'; header: 'ethernet' | 'mpls' | 'mpls_mc' }
  /** Takes the outermost header off; `packetType` (namespace in the high half) says what is under it where the header does not. */
  | { type: 'decap'; packetType?: number }
  | { type: 'set_field'; field: FieldName; value: bigint; mask?: bigint }
  | { type: 'load'; value: bigint; to: Subfield }
  | { type: 'move'; from: Subfield; to: Subfield }
  /** `push:NXM…`, `pop:NXM…`: the frame's own stack. */
  | { type: 'stack_push'; from: Subfield }
  | { type: 'stack_pop'; to: Subfield }
  /** `set_tunnel:ID`, `set_tunnel64:ID`: OpenFlow 1.0's way to set tun_id. */
  | { type: 'set_tunnel'; id: bigint; wide: boolean }
  /** An expired TTL goes up to the controllers with these ids (`dec_ttl(1,2)`); where absent to the one with id 0. */
  | { type: 'dec_ttl'; controllers?: number[] }
  | { type: 'set_nw_ttl'; ttl: number }
  | { type: 'set_mpls_ttl'; ttl: number }
  | { type: 'dec_mpls_ttl' }
  | { type: 'copy_ttl_out' }
  | { type: 'copy_ttl_in' }
  /**
   * Looks `table` (absent: the current one) up again as though the frame had come in on `port` (absent: the current one);
   * `swapped` looks up with the connection's tuple in the place of the frame's (`resubmit(,1,ct)`).
   */
  | { type: 'resubmit'; port?: number; table?: number; swapped?: true }
  /**
   * Does `actions` to a copy of the frame and of all that the pipeline knows of it, action set included, which the copy carries
   * out at its end. What they change, and a meter that drops the copy, is nothing to the actions that follow.
   */
  | { type: 'clone'; actions: Action[] }
  | { type: 'exit' }
  /** Does nothing. */
  | { type: 'note'; data: Uint8Array }
  | LearnAction
  /** This flow is clause `clause` (1..`clauses`) of conjunction `id`: ovs-fields(7), CONJUNCTIVE MATCH FIELDS. Stands alone but for notes. */
  | { type: 'conjunction'; id: number; clause: number; clauses: number }
  | CtAction
  | NatAction
  | { type: 'ct_clear' }
  | MultipathAction
  | BundleAction
  /** Shortens the flow's own timeouts (seconds; 0 leaves one) when a TCP frame with FIN or RST meets it. */
  | { type: 'fin_timeout'; idleTimeout: number; hardTimeout: number }
  /** One bit: is the frame longer than `length` bytes? */
  | { type: 'check_pkt_larger'; length: number; to: Subfield }
  | SampleAction

/** To the controllers. What is absent has OpenFlow's default: any of them, reason `action`, nothing said with it. */
export interface ControllerAction {
  type: 'controller'
  /** Bytes of the frame that go up; 0xffff for all. */
  maxLength: number
  controllerId?: number
  reason?: PacketInReason
  /** Handed back in the packet-in. */
  userdata?: Uint8Array
  /** Only so many as the meter lets. */
  meter?: number
}

/** OFPR_*: OpenFlow 1.5 §7.4.1 for the last three. */
export const PACKET_IN_REASONS = ['no_match', 'action', 'invalid_ttl', 'action_set', 'group', 'packet_out'] as const
export type PacketInReason = (typeof PACKET_IN_REASONS)[number]

export interface LearnAction {
  type: 'learn'
  table: number
  priority: number
  cookie: bigint
  /** Seconds; 0 for never. */
  idleTimeout: number
  hardTimeout: number
  finIdleTimeout: number
  finHardTimeout: number
  sendFlowRemoved: boolean
  /** Learned flows go when the last flow that learns them, by table and cookie, does. */
  deleteLearned: boolean
  /** Flows that may be learned; 0 for any number. */
  limit: number
  /** One bit that says whether it was learned. */
  result?: Subfield
  specs: LearnSpec[]
}

/** A part of a learned flow: `bits` of the frame or of a constant become a match, a load, or the port to send to. */
export interface LearnSpec {
  bits: number
  source: { type: 'field'; from: Subfield } | { type: 'value'; value: bigint }
  target: { type: 'match'; to: Subfield } | { type: 'load'; to: Subfield } | { type: 'output' }
}

/** Protocols whose connections bring others along, by their ports: FTP's of TCP, TFTP's of UDP. */
export const APPLICATION_GATEWAYS = { ftp: 21, tftp: 69 } as const

/** ovs-actions(7), THE CT ACTION. */
export interface CtAction {
  type: 'ct'
  commit: boolean
  /** Ends a connection that was begun from the other side, and begins it anew. */
  force: boolean
  zone: number | Subfield
  /** Where the frame goes on, tracked; absent: nowhere, and what follows sees it untracked. */
  table?: number
  /** `APPLICATION_GATEWAYS`, or 0 for none. Taken and not acted upon; a switch that runs alone warns of flows that have it. */
  alg: number
  /** `exec(…)` on ct_mark and ct_label, and `nat`. */
  actions: Action[]
}

/** In a ct action only. Without `direction`: as the connection has it already. */
export interface NatAction {
  type: 'nat'
  direction?: 'src' | 'dst'
  /** Inclusive; addresses as numbers of 32 or 128 bits. */
  addresses?: { family: 4 | 6; first: bigint; last: bigint }
  ports?: { first: number; last: number }
  persistent?: true
  algorithm?: 'hash' | 'random'
}

export const HASH_FIELDS = [
  'eth_src',
  'symmetric_l4',
  'symmetric_l3l4',
  'symmetric_l3l4+udp',
  'nw_src',
  'nw_dst',
  'symmetric_l3',
] as const
export type HashFields = (typeof HASH_FIELDS)[number]

export interface MultipathAction {
  type: 'multipath'
  fields: HashFields
  basis: number
  algorithm: 'modulo_n' | 'hash_threshold' | 'hrw' | 'iter_hash'
  /** How many there are to choose from: 1..65536. */
  links: number
  argument: number
  to: Subfield
}

export interface BundleAction {
  type: 'bundle'
  fields: HashFields
  basis: number
  algorithm: 'active_backup' | 'hrw'
  members: number[]
  /** `bundle_load`: writes the chosen port's number there and sends nothing. */
  to?: Subfield
}

export interface SampleAction {
  type: 'sample'
  /** Of 65535. */
  probability: number
  collectorSet: number
  observationDomain: number
  observationPoint: number
  samplingPort?: number
  direction?: 'ingress' | 'egress'
}

/** How deep clones and cts may stand within each other: as deep as in the datapath of the Linux kernel. */
export const MAX_CLONE_DEPTH = 16

/** OpenFlow 1.3 §5.9, executed in this order whatever the order of writing. Nothing at all means drop. */
export interface Instructions {
  meter?: number
  apply: Action[]
  clear: boolean
  write: Action[]
  writeMetadata?: { value: bigint; mask: bigint }
  gotoTable?: number
}
