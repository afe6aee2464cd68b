// Ethernet frames in UDP datagrams, one in each: what QEMU's `-netdev dgram` and socat speak.

import { createSocket, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { formatWire } from './parse.ts'
import type { DatagramAddress, DatagramSpec, Received, Wire } from './wire.ts'

/** Bytes that wait to leave; above that frames are refused. */
const LARGEST_BACKLOG = 4 << 20
/** What fits into a UDP datagram, over IPv4 (RFC 768, RFC 791) and over IPv6 (RFC 8200). */
const LONGEST_DATAGRAM = { udp4: 0xffff - 20 - 8, udp6: 0xffff - 8 } as const

/** Receives at the local end, from the remote one alone, and sends there. Rejects where the remote one is no place. */
export async function openDatagrams(spec: DatagramSpec, received: Received): Promise<Wire> {
  const { local, remote } = spec
  const family = isIPv6(local.host) ? 'udp6' : 'udp4'
  const socket = createSocket(family)
  await bind(socket, local)
  socket.on('message', (bytes) => received(bytes))
  // Nobody there yet (ICMP port unreachable): the next frame may find somebody.
  socket.on('error', () => {})
  try {
    await connect(socket, remote)
    socket.setRecvBufferSize(LARGEST_BACKLOG)
  } catch (error) {
    socket.close()
    throw error
  }
  let open = true
  return {
    name: formatWire({ kind: 'dgram', local: { host: local.host, port: socket.address().port }, remote }),
    connected: true,
    problem: '',
    onLink: () => {},
    send: (bytes) => {
      if (!open || bytes.length > LONGEST_DATAGRAM[family] || socket.getSendQueueSize() > LARGEST_BACKLOG) return false
      // A Buffer's own `slice` would copy nothing.
      socket.send(new Uint8Array(bytes))
      return true
    },
    close: () => {
      if (!open) return Promise.resolve()
      open = false
      return new Promise((resolve) => socket.close(() => resolve()))
    },
  }
}

/** Rejects where the address can not be had; the socket is closed then. */
export function bind(socket: Socket, { host, port }: DatagramAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (error: Error) => {
      socket.close()
      reject(error)
    }
    socket.once('error', refuse)
    socket.bind(port, host, () => {
      socket.off('error', refuse)
      resolve()
    })
  })
}

function connect(socket: Socket, { host, port }: DatagramAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.connect(port, host, (error?: Error) => (error === undefined ? resolve() : reject(error)))
  })
}
