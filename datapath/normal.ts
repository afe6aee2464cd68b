// The action NORMAL: an ordinary learning switch with VLANs, as Open vSwitch's `xlate_normal` (ofproto-dpif-xlate.c).

import type { Nanoseconds } from '../runtime/clock.ts'
import { Word } from '../protocols/fields.ts'
import { EtherType } from '../protocols/match.ts'
import type { MacTable } from './mac-table.ts'
import { isGroupAddress } from './mac-table.ts'
import type { Translation } from './pipeline/translation.ts'
import type { Port } from './port.ts'
import type { PortTable } from './ports.ts'
import type { VlanPolicy } from './vlan-modes.ts'
import { CARRIES_ALL, admits, carries, tagsInside, tagsOutside, vlanOf } from './vlan-modes.ts'

export interface NormalContext {
  ports: Pick<PortTable, 'byNumber'> & Iterable<Port>
  macTable: Pick<MacTable, 'lookup'>
  now: Nanoseconds
  /** A copy of the frame, as it is now, leaves through the port. */
  output: (port: Port) => void
  /** Is told why things go as they do. */
  note: ((text: string) => void) | undefined
}

/**
 * Sends the frame to where its destination was last seen in its VLAN, or to all of the VLAN where that is unknown. The
 * frame is tagged for each port by that port's mode, and afterwards is as it was. What was learned is noted, not yet kept.
 */
export function forwardNormally(frame: Translation, context: NormalContext): void {
  const source = readMac(frame, Word.ethernetSource)
  const destination = readMac(frame, Word.ethernetDestination)
  const ingress = frame.read(Word.inPort)
  const port = context.ports.byNumber(ingress)
  const policy = port ? port.vlan : CARRIES_ALL
  const outside = frame.tags
  if (policy === undefined || hasPartialTag(frame) || !admits(policy, outside)) {
    const partial = `dropping packet with partial VLAN tag received on port ${port?.name ?? ingress}`
    context.note?.(hasPartialTag(frame) ? partial : 'disallowed VLAN VID for this input port, dropping')
    return frame.note('vlan_mismatch')
  }
  if (port && isReserved(destination)) {
    context.note?.('packet has reserved destination MAC, dropping')
    return frame.note('reserved_multicast')
  }
  const tags = tagsInside(policy, outside)
  const vlan = vlanOf(tags[0] ?? 0)
  if (port && !isGroupAddress(source)) frame.effects.push({ type: 'learn_address', vlan, mac: source, port: ingress })
  const seenAt = destination === source && port ? ingress : context.macTable.lookup(vlan, destination, context.now)
  if (seenAt === undefined) flood(frame, context, ingress, tags)
  else deliver(frame, context, ingress, tags, seenAt)
  frame.setTags(outside)
  frame.note('no_recipient')
}

function deliver(
  frame: Translation,
  context: NormalContext,
  ingress: number,
  tags: readonly number[],
  to: number,
): void {
  const port = context.ports.byNumber(to)
  const isBack = to === ingress
  context.note?.(isBack ? 'learned port is input port, dropping' : 'forwarding to learned port')
  if (port?.vlan !== undefined && !isBack) outputTagged(frame, context, port, port.vlan, tags)
}

function flood(frame: Translation, context: NormalContext, ingress: number, tags: readonly number[]): void {
  context.note?.('no learned MAC for destination, flooding')
  for (const port of context.ports) {
    if (port.number === ingress || port.flags.noFlood) continue
    if (port.vlan === undefined || !carries(port.vlan, tags)) continue
    outputTagged(frame, context, port, port.vlan, tags)
  }
}

function outputTagged(
  frame: Translation,
  context: NormalContext,
  port: Port,
  policy: VlanPolicy,
  tags: readonly number[],
) {
  frame.setTags(tagsOutside(policy, tags))
  context.output(port)
}

const readMac = (frame: Translation, word: number) => frame.read(word) * 2 ** 32 + frame.read(word + 1)

/** A VLAN type with no room for a tag behind it. */
const hasPartialTag = (frame: Translation) => {
  const type = frame.read(Word.etherType)
  const isTag = type === EtherType.Vlan || type === EtherType.ProviderVlan
  return isTag && frame.read(Word.vlan) === 0
}

// Group addresses of protocols between neighbouring bridges, which no bridge forwards: IEEE 802.1Q table 8-1 and what Extreme
// and Cisco use alike (Open vSwitch `eth_addr_is_reserved`).
const IEEE_RESERVED = 0x0180c2000000
const CISCO_CFM = 0x01000cccccc0
const VENDOR_RESERVED = new Set([
  0x00e02b000000, 0x00e02b000004, 0x00e02b000006, 0x01000c000000, 0x01000ccccccc, 0x01000ccccccd, 0x01000ccdcdcd,
])

const isReserved = (mac: number) =>
  (mac >= IEEE_RESERVED && mac <= IEEE_RESERVED + 0xf) ||
  (mac >= CISCO_CFM && mac <= CISCO_CFM + 7) ||
  VENDOR_RESERVED.has(mac)
