// What is known of every frame that meets a flow, while the flow's actions change it: Open vSwitch's ofpacts_check
// (lib/ofp-actions.c). An action on a header that a frame may not have is refused before the first frame comes.

import type { Field, FieldName } from '../../protocols/fields.ts'
import { fieldOf } from '../../protocols/fields.ts'
import type { Match } from '../../protocols/match.ts'
import { missingPrerequisite } from '../../protocols/match.ts'

/** A field that a frame has only with that header. */
const TELLING = {
  vlan: 'vlan_pcp',
  mpls: 'mpls_tc',
  pbb: 'pbb_isid',
  ip: 'ip_dscp',
  ipv4: 'nw_src',
  ipv6: 'ipv6_src',
  tcp: 'tcp_src',
  udp: 'udp_src',
  ct: 'ct_nw_proto',
} as const satisfies Record<string, FieldName>

export type Header = keyof typeof TELLING

/** Fields that say nothing any more once the frame's payload is another one. */
const isOfPayload = (name: FieldName) => name === 'eth_type' || fieldOf(name).prerequisite !== 'none'

export class KnownFrame {
  /** Undefined where the frame may be any: nothing is refused then for what it lacks. */
  #match: Match | undefined
  #tags: number
  #hasEthernet = true

  constructor(match: Match | undefined) {
    this.#match = match
    this.#tags = match !== undefined && missingPrerequisite(fieldOf('vlan_pcp'), match) === undefined ? 1 : 0
  }

  copy(): KnownFrame {
    const copy = new KnownFrame(this.#match)
    copy.#tags = this.#tags
    copy.#hasEthernet = this.#hasEthernet
    return copy
  }

  /** What the flow would have to match for every frame to have the field, as flow text; undefined where nothing is missing. */
  lacksFor(field: Field): string | undefined {
    if (this.#match === undefined) return undefined
    const needsTag = field.prerequisite === 'vlan' || field.name === 'vlan_vid'
    if (needsTag) return this.#tags > 0 ? undefined : 'dl_vlan'
    return missingPrerequisite(field, this.#match)
  }

  lacks(header: Header): string | undefined {
    return this.lacksFor(fieldOf(TELLING[header]))
  }

  /** A frame that has been decapsulated begins with another header. */
  get hasEthernet(): boolean {
    return this.#hasEthernet || this.#match === undefined
  }

  /** True where the flow matches exactly this bit of ct_state as set. */
  hasState(bit: number): boolean {
    const state = this.#match?.find((part) => part.field === 'ct_state')
    return state !== undefined && (Number(state.value) & bit) !== 0
  }

  pushTag(): void {
    this.#tags++
  }

  /** It has a tag from here on, if it had none. */
  setTag(): void {
    this.#tags = Math.max(this.#tags, 1)
  }

  popTag(): void {
    this.#tags = Math.max(this.#tags - 1, 0)
  }

  /** The payload is of this type from here on, and more is not known of it; undefined: not even the type. */
  setPayload(etherType: number | undefined): void {
    if (this.#match === undefined) return
    const rest = this.#match.filter((part) => !isOfPayload(part.field))
    this.#match = etherType === undefined ? rest : [...rest, { field: 'eth_type', value: BigInt(etherType) }]
  }

  setEthernet(has: boolean): void {
    this.#hasEthernet = has
  }
}
