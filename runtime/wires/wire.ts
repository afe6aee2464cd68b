// START HERE. A wire carries Ethernet frames between a port of a switch and the world outside: one of the kinds in `WireSpec`,
// which `openWire` (open.ts) makes, and which people write as `parseWire` (parse.ts) reads it.

import type { Endpoint } from '../endpoint.ts'

/** One end of a wire. */
export interface Wire {
  /** With ports chosen, as text that parses again. */
  readonly name: string
  /** Somebody is there: the other end of a stream, a device that is up. Of datagrams nobody knows: always. */
  readonly connected: boolean
  /** Why it is not connected, as far as that is known; '' where it is. */
  readonly problem: string
  /** Called when `connected` or `problem` has changed, by itself and not by `close`. */
  onLink: () => void
  /** Queues a copy; false where the frame is too long, too much waits already, or nobody is there. */
  send(bytes: Uint8Array): boolean
  /** Nothing is received any more from here on. */
  close(): Promise<void>
}

/** Takes a frame that has come in. The bytes are the receiver's only until it returns. */
export type Received = (bytes: Uint8Array) => void

/** Who is told, a line for people each, when something happens, and when that is wrong. */
export interface Voices {
  log: (line: string) => void
  warn: (line: string) => void
}

export interface DatagramAddress {
  host: string
  port: number
}

/** Ethernet frames in UDP datagrams, one in each: QEMU's `-netdev dgram`, socat. */
export interface DatagramSpec {
  kind: 'dgram'
  local: DatagramAddress
  remote: DatagramAddress
}

/** Each frame after its length, over TCP or a Unix socket: QEMU's `-netdev stream`. */
export interface StreamSpec {
  kind: 'stream'
  /** Never of kind `ssl`. */
  endpoint: Endpoint
}

/** A TAP interface of Linux: what its kernel sends there comes in here. */
export interface TapSpec {
  kind: 'tap'
  name: string
  /** Bytes of payload of its frames; undefined leaves what the kernel gives. */
  mtu?: number
}

/** An interface that Linux has already: one end of a veth pair, or a network card. */
export interface InterfaceSpec {
  kind: 'interface'
  name: string
}

export type WireSpec = DatagramSpec | StreamSpec | TapSpec | InterfaceSpec
