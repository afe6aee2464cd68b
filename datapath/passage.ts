// What stands in a frame's way at a port.

import { keepsFrames, letsIn } from '../protocols/control/messages.ts'
import { VXLAN_PORT } from '../protocols/packet/vxlan.ts'
import type { DropReason } from './drops.ts'
import { ETHERNET_HEADER_SIZE } from './flow-key.ts'
import type { FrameArena, FrameHandle } from './frames.ts'
import { payloadLength } from './payload-length.ts'
import type { Port } from './port.ts'
import type { Output, TunnelOutput } from './run-actions.ts'
import { OuterHeaders } from './tunnels/outer-headers.ts'

const DEFAULT_TTL = 64

/** Why the frame may not come in. */
export function refusal(arena: FrameArena, frame: FrameHandle, port: Port | undefined): DropReason | undefined {
  if (port === undefined) return 'unknown_port'
  if (!letsIn(port.config.state)) return 'inactive_binding'
  if (!port.linkUp || port.flags.down) return 'link_down'
  if (port.flags.noReceive) return 'no_recv'
  return arena.length[frame] < ETHERNET_HEADER_SIZE ? 'malformed' : undefined
}

/** Counts a frame that has come in at the port, or was refused there. */
export function countReceived({ counters }: Port, length: number, refused: boolean): void {
  counters.receivedPackets++
  counters.receivedBytes += length
  if (refused) counters.receivedDropped++
}

/** Why the frame can not leave through the port; where it can, it has its outer headers. */
export function obstacle(arena: FrameArena, frame: FrameHandle, port: Port, output: Output): DropReason | undefined {
  if (port.config.state === 'closed') return 'inactive_binding'
  // What a port holds leaves later: somebody may have come by then.
  if ((!port.linkUp && !keepsFrames(port.config.state)) || port.flags.down) return 'link_down'
  if (port.flags.noForward) return 'no_fwd'
  if (arena.packetType[frame] !== 0) return 'no_ethernet_header'
  if (port.config.mtu !== undefined && payloadLength(arena, frame) > port.config.mtu) return 'mtu_exceeded'
  return output.type === 'output' || enterTunnel(arena, frame, port, output) ? undefined : 'mtu_exceeded'
}

const enterTunnel = (arena: FrameArena, frame: FrameHandle, port: Port, output: TunnelOutput): boolean =>
  outerHeaders(port, output).putOnto(arena, frame)

/** What the port puts in front of frames that leave so. */
export function outerHeaders({ config: { tunnel } }: Port, output: TunnelOutput): OuterHeaders {
  return new OuterHeaders({
    localIp: output.source === 0 ? (tunnel?.localIp ?? 0) : output.source,
    remoteIp: output.destination,
    vni: Number(output.tunnelId & 0xffffffn),
    destinationPort: tunnel?.destinationPort ?? VXLAN_PORT,
    ttl: tunnel?.ttl ?? DEFAULT_TTL,
    tos: tunnel?.tos ?? 0,
  })
}
