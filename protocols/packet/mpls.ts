// RFC 3032 §2.1: label stack entries stand between the ethertype and the network header, the outermost first.
//
//   | label 20 | traffic class 3 (RFC 5462) | bottom of stack 1 | TTL 8 |
//
// No field says what the label switched packet is: that goes with the label. As other analysers do we take the IP version's
// place for a version.

import { requireBytes } from '../bytes.ts'
import { EtherType } from '../match.ts'

const LABEL_SHIFT = 12
const TRAFFIC_CLASS_SHIFT = 9
const BOTTOM_OF_STACK = 0x100
const TTL = 3
export const LABEL_SIZE = 4

export interface LabelStackEntry {
  label: number
  trafficClass: number
  bottomOfStack: boolean
  ttl: number
}

/** @throws Malformed fewer than four bytes. */
export function decodeLabel(view: DataView, at: number, end = view.byteLength): LabelStackEntry {
  requireBytes('mpls', 'label stack entry', at, end, LABEL_SIZE)
  const entry = view.getUint32(at)
  return {
    label: entry >>> LABEL_SHIFT,
    trafficClass: (entry >>> TRAFFIC_CLASS_SHIFT) & 7,
    bottomOfStack: (entry & BOTTOM_OF_STACK) !== 0,
    ttl: entry & 0xff,
  }
}

/** Returns where the entry ends. */
export function encodeLabel(entry: LabelStackEntry, view: DataView, at: number): number {
  const bottom = entry.bottomOfStack ? BOTTOM_OF_STACK : 0
  view.setUint32(at, (entry.label << LABEL_SHIFT) | (entry.trafficClass << TRAFFIC_CLASS_SHIFT) | bottom | entry.ttl)
  return at + LABEL_SIZE
}

/** For the per-packet path: whether no other entry follows the one at `at`. Length already checked. */
export const isBottomOfStack = (view: DataView, at: number): boolean => (view.getUint32(at) & BOTTOM_OF_STACK) !== 0

/** For the per-packet path: where the TTL of the entry at `at` stands. */
export const labelTtlAt = (at: number): number => at + TTL

/** For the per-packet path: whole entries from `at` up to the bottom of the stack, `most` of them at most. */
export function countLabels(view: DataView, at: number, end: number, most: number): number {
  for (let labels = 0; labels < most; labels++) {
    if (at + LABEL_SIZE > end) return labels
    if (isBottomOfStack(view, at)) return labels + 1
    at += LABEL_SIZE
  }
  return most
}

/** Whether label stack entries follow this ethertype. */
export const announcesLabels = (etherType: number): boolean =>
  etherType === EtherType.Mpls || etherType === EtherType.MplsMulticast

/** The ethertype of what stands at `at` below the stack, as far as it shows; 0 where it is neither IPv4 nor IPv6. */
export function typeBelowLabels(view: DataView, at: number, end: number): number {
  if (at >= end) return 0
  const version = view.getUint8(at) >> 4
  return version === 4 ? EtherType.Ipv4 : version === 6 ? EtherType.Ipv6 : 0
}
