// What a tunnel reads of the packet it carries.

import { EtherType } from '../../protocols/match.ts'
import type { FrameArena, FrameHandle } from '../frames.ts'
import { locate } from '../rewrite/layout.ts'

/** The inner packet's type of service or traffic class; -1 where the frame carries no IP. */
export function innerTos(arena: FrameArena, frame: FrameHandle): number {
  const { etherType, network } = locate(arena, frame)
  if (network === 0) return -1
  if (etherType === EtherType.Ipv4) return arena.view.getUint8(network + 1)
  return etherType === EtherType.Ipv6 ? (arena.view.getUint16(network) >> 4) & 0xff : -1
}

/** The inner packet's TTL or hop limit; `otherwise` where the frame carries no IP. */
export function innerTtl(arena: FrameArena, frame: FrameHandle, otherwise: number): number {
  const { etherType, network } = locate(arena, frame)
  if (network === 0) return otherwise
  if (etherType === EtherType.Ipv4) return arena.view.getUint8(network + 8)
  return etherType === EtherType.Ipv6 ? arena.view.getUint8(network + 7) : otherwise
}
