// What a set action does to a frame's bytes. Words are those of the flow key (`Word` in protocols/fields.ts); a frame that
// has no such header, or not the whole of it, stays as it is.

import { Word } from '../protocols/fields.ts'
import { EtherType } from '../protocols/match.ts'
import type { FrameArena, FrameHandle } from './frames.ts'
import { addressesCovered, Covered, write16, write32 } from './rewrite/bits.ts'
import { hasEthernet } from './rewrite/ethernet-header.ts'
import type { Layout } from './rewrite/layout.ts'
import { locate } from './rewrite/layout.ts'
import { setLabelWord } from './rewrite/mpls.ts'
import { setNeighbourWord } from './rewrite/neighbour-discovery.ts'
import { setServiceId } from './rewrite/pbb.ts'
import { setTransportWord } from './rewrite/transport.ts'

export { popEthernet, pushEthernet } from './rewrite/ethernet-header.ts'
export { popMpls, pushMpls } from './rewrite/mpls.ts'
export { popPbb, pushPbb } from './rewrite/pbb.ts'
export { copyTtlIn, copyTtlOut } from './rewrite/ttl.ts'
export { popVlan, pushVlan } from './rewrite/vlan.ts'

const VLAN_PRESENT = 0x1000

const ARP_OPERATION = 6
const ARP_SENDER_HARDWARE = 8
const ARP_SENDER_ADDRESS = 14
const ARP_TARGET_HARDWARE = 18
const ARP_TARGET_ADDRESS = 24

const IPV4_TTL = 8
const IPV4_SOURCE = 12
const IPV4_DESTINATION = 16

const IPV6_HOP_LIMIT = 6
const IPV6_SOURCE = 8
const IPV6_DESTINATION = 24

/**
 * Writes the bits of `mask` of one word of the flow key into the frame's headers and repairs every checksum over them. A
 * checksum that was wrong stays wrong. Words that are no header's (registers, tunnel, in_port) write nothing.
 */
export function applySet(arena: FrameArena, frame: FrameHandle, word: number, value: number, mask: number): void {
  if (word < Word.ethernetDestination) return
  const layout = locate(arena, frame)
  if (word < Word.etherType) {
    if (hasEthernet(arena, frame)) setEthernetWord(layout, arena.offset[frame]!, word, value, mask)
  } else if (word === Word.vlan) setTag(layout, layout.tag, value, mask)
  else if (word === Word.innerVlan) setTag(layout, layout.innerTag, value, mask)
  else if (word >= Word.mpls && word < Word.pbbServiceId) setLabelWord(layout, word, value, mask)
  else if (word === Word.pbbServiceId) setServiceId(layout, value, mask)
  else if (layout.network !== 0) setNetworkWord(layout, word, value, mask)
}

function setEthernetWord(layout: Layout, at: number, word: number, value: number, mask: number): void {
  const SOURCE = 6
  const isSource = word >= Word.ethernetSource
  setHardware(layout, isSource ? at + SOURCE : at, (word - Word.ethernetDestination) % 2, value, mask, Covered.none)
}

/** A hardware address takes two words: its first 16 bits, then its last 32. */
function setHardware(layout: Layout, at: number, part: number, value: number, mask: number, covered: number): void {
  if (part === 0) write16(layout, at, value & 0xffff, mask & 0xffff, covered)
  else write32(layout, at + 2, value, mask, covered)
}

/** Bit 12 of the key's word says that the tag is there; in the frame that place is drop-eligible's, which is kept. */
function setTag(layout: Layout, at: number, value: number, mask: number): void {
  if (at !== 0) write32(layout, at, value, mask & ~VLAN_PRESENT, Covered.none)
}

function setNetworkWord(layout: Layout, word: number, value: number, mask: number): void {
  if (layout.etherType === EtherType.Ipv4) {
    setIpv4Word(layout, word, value, mask)
    setTransportWord(layout, word, value, mask)
  } else if (layout.etherType === EtherType.Ipv6) {
    setIpv6Word(layout, word, value, mask)
    setTransportWord(layout, word, value, mask)
    setNeighbourWord(layout, word, value, mask)
  } else setArpWord(layout, word, value, mask)
}

function setArpWord(layout: Layout, word: number, value: number, mask: number): void {
  const at = layout.network
  switch (word) {
    case Word.protocol:
      return write16(layout, at + ARP_OPERATION, value & 0xffff, mask & 0xffff, Covered.none)
    case Word.ipv4Source:
      return write32(layout, at + ARP_SENDER_ADDRESS, value, mask, Covered.none)
    case Word.ipv4Destination:
      return write32(layout, at + ARP_TARGET_ADDRESS, value, mask, Covered.none)
    case Word.arpSenderHardware:
    case Word.arpSenderHardware + 1: {
      const part = word - Word.arpSenderHardware
      return setHardware(layout, at + ARP_SENDER_HARDWARE, part, value, mask, Covered.none)
    }
    case Word.arpTargetHardware:
    case Word.arpTargetHardware + 1: {
      const part = word - Word.arpTargetHardware
      return setHardware(layout, at + ARP_TARGET_HARDWARE, part, value, mask, Covered.none)
    }
  }
}

function setIpv4Word(layout: Layout, word: number, value: number, mask: number): void {
  const at = layout.network
  switch (word) {
    case Word.trafficClass:
      return write16(layout, at, value & 0xff, mask & 0xff, Covered.byHeader)
    case Word.ttl:
      return write16(layout, at + IPV4_TTL, (value & 0xff) << 8, (mask & 0xff) << 8, Covered.byHeader)
    case Word.ipv4Source:
      return write32(layout, at + IPV4_SOURCE, value, mask, Covered.byHeader | addressesCovered(layout))
    case Word.ipv4Destination:
      return write32(layout, at + IPV4_DESTINATION, value, mask, Covered.byHeader | addressesCovered(layout))
  }
}

function setIpv6Word(layout: Layout, word: number, value: number, mask: number): void {
  const at = layout.network
  if (word >= Word.ipv6Source && word < Word.ipv6Destination) {
    return write32(layout, at + IPV6_SOURCE + (word - Word.ipv6Source) * 4, value, mask, addressesCovered(layout))
  }
  if (word >= Word.ipv6Destination && word < Word.flowLabel) {
    const covered = layout.routed ? Covered.none : addressesCovered(layout)
    return write32(layout, at + IPV6_DESTINATION + (word - Word.ipv6Destination) * 4, value, mask, covered)
  }
  switch (word) {
    case Word.trafficClass:
      return write16(layout, at, (value & 0xff) << 4, (mask & 0xff) << 4, Covered.none)
    case Word.ttl:
      return write16(layout, at + IPV6_HOP_LIMIT, value & 0xff, mask & 0xff, Covered.none)
    case Word.flowLabel:
      return write32(layout, at, value, mask & 0x000fffff, Covered.none)
  }
}
