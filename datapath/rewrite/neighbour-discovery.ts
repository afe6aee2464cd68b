// RFC 4861 §4.3, §4.4: what a neighbour solicitation or advertisement carries.
//
//   | type 8 | code 8 | checksum 16 | reserved 32 | target address 128 | options: type 8, length 8 (of 8 octets), …

import { Word } from '../../protocols/fields.ts'
import { IpProtocol } from '../../protocols/match.ts'
import { Covered, write16, write32 } from './bits.ts'
import type { Layout } from './layout.ts'

const SOLICITATION = 135
const ADVERTISEMENT = 136
const RESERVED = 4
const TARGET = 8
const OPTIONS = 24
const SOURCE_LINK_LAYER = 1
const TARGET_LINK_LAYER = 2

export function setNeighbourWord(layout: Layout, word: number, value: number, mask: number): void {
  if (word < Word.ndTarget || !isNeighbourDiscovery(layout)) return
  const at = layout.transport
  if (word < Word.arpSenderHardware) {
    write32(layout, at + TARGET + (word - Word.ndTarget) * 4, value, mask, Covered.byTransport)
  } else if (word < Word.arpTargetHardware) {
    setLinkLayer(layout, SOURCE_LINK_LAYER, word - Word.arpSenderHardware, value, mask)
  } else if (word < Word.ndReserved) {
    setLinkLayer(layout, TARGET_LINK_LAYER, word - Word.arpTargetHardware, value, mask)
  } else if (word === Word.ndReserved) {
    write32(layout, at + RESERVED, value, mask, Covered.byTransport)
  } else if (word === Word.ndOptionsType && at + OPTIONS + 8 <= layout.end) {
    write16(layout, at + OPTIONS, (value & 0xff) << 8, (mask & 0xff) << 8, Covered.byTransport)
  }
}

function isNeighbourDiscovery(layout: Layout): boolean {
  const at = layout.transport
  if (layout.protocol !== IpProtocol.Icmpv6 || at === 0 || at + OPTIONS > layout.end) return false
  const type = layout.view.getUint8(at)
  return (type === SOLICITATION || type === ADVERTISEMENT) && layout.view.getUint8(at + 1) === 0
}

function setLinkLayer(layout: Layout, kind: number, part: number, value: number, mask: number): void {
  const option = findOption(layout, kind)
  if (option === 0) return
  const address = option + 2
  if (part === 0) write16(layout, address, value & 0xffff, mask & 0xffff, Covered.byTransport)
  else write32(layout, address + 2, value, mask, Covered.byTransport)
}

/** The first option of this kind with room for an Ethernet address; 0 where there is none. */
function findOption(layout: Layout, kind: number): number {
  let at = layout.transport + OPTIONS
  while (at + 8 <= layout.end) {
    const size = layout.view.getUint8(at + 1) * 8
    if (size === 0 || at + size > layout.end) return 0
    if (layout.view.getUint8(at) === kind && size === 8) return at
    at += size
  }
  return 0
}
