// IEEE 802.1Q §9.6: four bytes between the source address and the real ethertype. Tags of 802.1Q (0x8100) and 802.1ad (0x88a8)
// look alike and may be stacked, the outermost first. The tag proper begins behind the ethertype that announces it.
//
//   | priority 3 | drop eligible 1 | vlan id 12 | ethertype 16 |

import { requireBytes } from '../bytes.ts'
import { EtherType } from '../match.ts'

const TCI = 0
const ETHER_TYPE = 2
const DROP_ELIGIBLE = 0x1000
export const VLAN_TAG_SIZE = 4

export interface VlanTag {
  priority: number
  dropEligible: boolean
  id: number
  /** Of what follows: another tag's, or the payload's. */
  etherType: number
}

/** @throws Malformed fewer than four bytes. */
export function decodeVlanTag(view: DataView, at: number, end = view.byteLength): VlanTag {
  requireBytes('vlan', 'tag', at, end, VLAN_TAG_SIZE)
  const tci = view.getUint16(at + TCI)
  return {
    priority: tci >> 13,
    dropEligible: (tci & DROP_ELIGIBLE) !== 0,
    id: tci & 0x0fff,
    etherType: view.getUint16(at + ETHER_TYPE),
  }
}

/** Returns where the tag ends. */
export function encodeVlanTag(tag: VlanTag, view: DataView, at: number): number {
  view.setUint16(at + TCI, (tag.priority << 13) | (tag.dropEligible ? DROP_ELIGIBLE : 0) | tag.id)
  view.setUint16(at + ETHER_TYPE, tag.etherType)
  return at + VLAN_TAG_SIZE
}

/** Whether a VLAN tag follows this ethertype. */
export const announcesVlan = (etherType: number): boolean =>
  etherType === EtherType.Vlan || etherType === EtherType.ProviderVlan
