// The UDP socket over which a host's tunnels leave: one for all of them, and for whoever sends to it.

import { createSocket } from 'node:dgram'
import { bind } from './wires/dgram.ts'
import type { DatagramAddress } from './wires/wire.ts'

/** Bytes that wait to leave; above that datagrams are refused. */
const LARGEST_BACKLOG = 4 << 20

export interface UnderlaySocket {
  /** Where it receives, its port number chosen. */
  readonly local: DatagramAddress
  /** Queues a copy of `payload` for an IPv4 address; false where too much waits already. */
  send(payload: Uint8Array, address: string, port: number): boolean
  close(): Promise<void>
}

/** Rejects where the address can not be had. */
export async function openUnderlay(
  local: DatagramAddress,
  received: (payload: Uint8Array, source: string, sourcePort: number) => void,
): Promise<UnderlaySocket> {
  // Only addresses in figures come here: asking a resolver for each datagram would cost more than sending it.
  const socket = createSocket({ type: 'udp4', lookup: (address, _options, found) => found(null, address, 4) })
  await bind(socket, local)
  socket.on('message', (payload, { address, port }) => received(payload, address, port))
  // Nobody there, or no way there: the next datagram may find one.
  socket.on('error', () => {})
  socket.setRecvBufferSize(LARGEST_BACKLOG)
  const refused = () => {}
  return {
    local: { host: local.host, port: socket.address().port },
    send: (payload, address, port) => {
      if (socket.getSendQueueSize() > LARGEST_BACKLOG) return false
      socket.send(new Uint8Array(payload), port, address, refused)
      return true
    },
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  }
}
