// What both switches are fed: UDP frames of 64 octets (the FCS comes on top of them) that differ in their 5-tuples, shuffled. For
// one switch they lie one behind the other in memory, for the other in a capture of the same frames in the same order.

import { PcapWriter } from '../../protocols/capture/pcap-writer.ts'
import { udpFrame, vxlanFrame } from '../../protocols/packet/compose.ts'
import { seeded } from '../../runtime/random.ts'

export const FRAME_SIZE = 64
const ETHERNET_IPV4_UDP = 42
const VLAN_TAG = 4
/** Of the outer headers. 0 says that there is none (RFC 7348 §4.1). */
const OUTER_UDP_CHECKSUM = 40

const START = 2

export const SENDER = 0x020000000001n
export const RECEIVER = 0x020000000002n
export const LOCAL_VTEP = { mac: 0x020000000901n, ip: 0x0a090001 }
export const REMOTE_VTEP = { mac: 0x020909090909n, ip: 0x0a090002 }
export const VNI = 42

export interface TrafficOptions {
  /** Distinct 5-tuples. */
  tuples: number
  /** The frames have this tag. */
  vlan?: number
  /** They come in a VXLAN tunnel, from the remote end to the local one. */
  tunnelled?: boolean
}

/** Frames of one length, one behind the other. */
export interface Traffic {
  words: Int32Array
  /** Where the first begins: at 2 modulo 4, as in the arena (frames.ts). */
  start: number
  /** Bytes from the beginning of one to that of the next. */
  stride: number
  length: number
  frames: number
}

/** What flows differ in. Addresses are 32-bit numbers. */
export interface Tuple {
  ipSrc: number
  ipDst: number
  srcPort: number
  dstPort: number
}

/** A flow's 5-tuple. */
export const tupleOf = (flow: number): Tuple => ({
  ipSrc: 0x0a010000 | (flow & 0xffff),
  ipDst: 0x0a020000 | ((flow >> 4) & 0xffff),
  srcPort: 1024 + ((flow * 7) % 50_000),
  dstPort: (flow % 200) + 1,
})

export function makeTraffic(options: TrafficOptions): Traffic {
  const order = shuffled(options.tuples)
  const length = frameOf(0, options).length
  const stride = (length + 3) & ~3
  const bytes = new Uint8Array(START + order.length * stride + 2)
  for (const [index, flow] of order.entries()) bytes.set(frameOf(flow, options), START + index * stride)
  return { words: new Int32Array(bytes.buffer), start: START, stride, length, frames: order.length }
}

export function pcapOf({ words, start, stride, length, frames }: Traffic): Uint8Array {
  const bytes = new Uint8Array(words.buffer)
  const records: Uint8Array[] = []
  const writer = new PcapWriter((record) => records.push(record), { resolution: 'us' })
  for (let index = 0; index < frames; index++)
    writer.write(BigInt(index) * 1000n, bytes.subarray(start + index * stride, start + index * stride + length))
  return Buffer.concat(records)
}

function frameOf(flow: number, { vlan, tunnelled = false }: TrafficOptions): Uint8Array {
  const room = FRAME_SIZE - ETHERNET_IPV4_UDP - (vlan === undefined ? 0 : VLAN_TAG)
  const inner = udpFrame({
    ethSrc: SENDER,
    ethDst: RECEIVER,
    ...(vlan !== undefined && { vlan: [{ id: vlan }] }),
    ...tupleOf(flow),
    payload: new Uint8Array(room),
  })
  return tunnelled ? wrapped(inner, flow) : inner
}

function wrapped(inner: Uint8Array, flow: number): Uint8Array {
  const frame = vxlanFrame({
    ethSrc: REMOTE_VTEP.mac,
    ethDst: LOCAL_VTEP.mac,
    ipSrc: REMOTE_VTEP.ip,
    ipDst: LOCAL_VTEP.ip,
    srcPort: 49_152 + (flow % 16_384),
    vni: VNI,
    inner,
  })
  frame.fill(0, OUTER_UDP_CHECKSUM, OUTER_UDP_CHECKSUM + 2)
  return frame
}

function shuffled(count: number): number[] {
  const random = seeded(1)
  const order = Array.from({ length: count }, (_, index) => index)
  for (let index = count - 1; index > 0; index--) {
    const other = random.below(index + 1)
    const moved = order[index]!
    order[index] = order[other]!
    order[other] = moved
  }
  return order
}
