// An interface that Linux has, by a packet socket (packet(7)): all that arrives there comes in here, and what is sent here leaves there.
// What the kernel has put aside is put back: VLAN tags (they come beside the frame), checksums and segments that were left to a network
// card (offload.ts).

import type { Native } from './native.ts'
import { failure, interfaceIndex, interfaceRuns, loadNative } from './native.ts'
import { finishOffload, OFFLOAD_HEADER_SIZE } from './offload.ts'
import { PacketBatch } from './packet-batch.ts'
import { formatWire } from './parse.ts'
import type { Watch } from './readiness.ts'
import { READABLE, watch } from './readiness.ts'
import type { InterfaceSpec, Received, Voices, Wire } from './wire.ts'
import { textOf } from '../error-text.ts'

const AF_PACKET = 17
const SOCK_RAW = 3
const SOCK_NONBLOCK = 0x800
const SOCK_CLOEXEC = 0x80000
const ETH_P_ALL = 3

const SOL_PACKET = 263
const PACKET_ADD_MEMBERSHIP = 1
const PACKET_AUXDATA = 8
const PACKET_VNET_HDR = 15
const PACKET_IGNORE_OUTGOING = 23
const PACKET_MR_PROMISC = 1
const SOL_SOCKET = 1
const SO_RCVBUFFORCE = 33

/** What arrives while others have their turn. */
const RECEIVE_BUFFER = 4 << 20
/** Vectors of frames that are read before others have their turn. */
const BURST = 4
/** How often it is asked whether the interface is up: milliseconds. */
const LINK_INTERVAL = 250
/** Longer frames leave no interface. */
const LONGEST_FRAME = 0x10000

/** Where frames are read to, and put together to be sent; the next ones take their place. */
let shared: PacketBatch | undefined
const outgoing = Buffer.alloc(OFFLOAD_HEADER_SIZE + LONGEST_FRAME)

/** Rejects without root, without koffi, or where there is no such interface. */
export async function openInterface(spec: InterfaceSpec, received: Received, voices: Voices): Promise<Wire> {
  const native = loadNative()
  const socket = native.socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
  if (socket < 0) throw failure(native, `interface:${spec.name}: there is no packet socket to be had`)
  try {
    configure(native, socket, spec)
    const index = interfaceIndex(native, socket, spec.name)
    if (index === 0) throw new Error(`interface:${spec.name}: there is no interface of this name`)
    join(native, socket, spec, index)
    shared ??= new PacketBatch(native)
    return new InterfaceWire({ native, socket, batch: shared, index }, spec, received, voices)
  } catch (error) {
    native.close(socket)
    throw error
  }
}

function configure(native: Native, socket: number, { name }: InterfaceSpec): void {
  const options: [number, number, number, string][] = [
    [SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, 'Linux 4.20'],
    [SOL_PACKET, PACKET_AUXDATA, 1, 'Linux 2.6.21'],
    [SOL_PACKET, PACKET_VNET_HDR, 1, 'Linux 2.6.34'],
    [SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER, 'CAP_NET_ADMIN'],
  ]
  for (const [level, option, value, needs] of options)
    if (native.setsockopt(socket, level, option, int32(value), 4) < 0)
      throw failure(native, `interface:${name}: that needs ${needs}`)
}

/** Binds the socket to the interface, which then lets everything in. */
function join(native: Native, socket: number, { name }: InterfaceSpec, index: number): void {
  const address = Buffer.alloc(20)
  address.writeUInt16LE(AF_PACKET, 0)
  address.writeUInt16BE(ETH_P_ALL, 2)
  address.writeInt32LE(index, 4)
  if (native.bind(socket, address, address.length) < 0) throw failure(native, `interface:${name}`)
  const membership = Buffer.alloc(16)
  membership.writeInt32LE(index, 0)
  membership.writeUInt16LE(PACKET_MR_PROMISC, 4)
  if (native.setsockopt(socket, SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership, membership.length) < 0)
    throw failure(native, `interface:${name}: it can not be made promiscuous`)
}

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  return bytes
}

interface Opened {
  native: Native
  socket: number
  batch: PacketBatch
  index: number
}

class InterfaceWire implements Wire {
  readonly name: string
  connected: boolean
  problem: string
  onLink: () => void = () => {}
  readonly #native: Native
  readonly #socket: number
  readonly #batch: PacketBatch
  readonly #spec: InterfaceSpec
  readonly #received: Received
  readonly #voices: Voices
  readonly #watch: Watch
  readonly #timer: NodeJS.Timeout
  #index: number
  #open = true
  #toldOfUncut = false

  constructor({ native, socket, batch, index }: Opened, spec: InterfaceSpec, received: Received, voices: Voices) {
    this.name = formatWire(spec)
    this.#native = native
    this.#socket = socket
    this.#batch = batch
    this.#index = index
    this.#spec = spec
    this.#received = received
    this.#voices = voices
    this.connected = interfaceRuns(native, socket, spec.name)
    this.problem = this.connected ? '' : 'it is down'
    this.#watch = watch(native, socket, () => this.#read())
    this.#watch.arm(READABLE)
    this.#timer = setInterval(() => this.#look(), LINK_INTERVAL)
  }

  send(bytes: Uint8Array): boolean {
    if (!this.#open || !this.connected || bytes.length > LONGEST_FRAME) return false
    // Behind a header that says that nothing is left to do.
    outgoing.set(bytes, OFFLOAD_HEADER_SIZE)
    return this.#native.write(this.#socket, outgoing, OFFLOAD_HEADER_SIZE + bytes.length) >= 0
  }

  close(): Promise<void> {
    if (this.#open) {
      this.#open = false
      clearInterval(this.#timer)
      this.#watch.close()
      this.#native.close(this.#socket)
    }
    return Promise.resolve()
  }

  #read(): void {
    for (let vector = 0; vector < BURST && this.#open; vector++) {
      const count = this.#batch.receive(this.#socket)
      // A frame that can not be described (a tunnel's segments) is an error of its own; others follow.
      if (count < 0 && this.#native.errno() === 'EAGAIN') return this.#watch.arm(READABLE)
      for (let index = 0; index < count && this.#open; index++) this.#hand(index)
    }
    if (this.#open) setImmediate(() => this.#read())
  }

  #hand(index: number): void {
    const { offload, frame } = this.#batch.take(index)
    if (frame === undefined || finishOffload(offload, frame, this.#received) || this.#toldOfUncut) return
    this.#toldOfUncut = true
    this.#voices.warn(
      `${this.name}: long segments that no card could be given are lost: switch their offload off at the other end`,
    )
  }

  /** Whether the link is up; and finds the interface again where another of its name has taken its place. */
  #look(): void {
    const index = interfaceIndex(this.#native, this.#socket, this.#spec.name)
    const problem = this.#bindAgain(index) ?? this.#whyDown(index)
    if (problem === this.problem) return
    this.problem = problem
    this.connected = problem === ''
    const { log, warn } = this.#voices
    if (this.connected) log(`${this.name}: it is up`)
    else warn(`${this.name}: ${problem}`)
    this.onLink()
  }

  #whyDown(index: number): string {
    if (index === 0) return 'it is gone'
    return interfaceRuns(this.#native, this.#socket, this.#spec.name) ? '' : 'it is down'
  }

  /** @returns why it can not be had, where it can not */
  #bindAgain(index: number): string | undefined {
    if (index === 0 || index === this.#index) return undefined
    try {
      join(this.#native, this.#socket, this.#spec, index)
      this.#index = index
      return undefined
    } catch (error) {
      return textOf(error)
    }
  }
}
