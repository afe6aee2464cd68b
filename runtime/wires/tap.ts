// A TAP interface: what the kernel sends out of it comes in here (Linux Documentation/networking/tuntap.rst). It may be moved to
// another namespace meanwhile. The kernel completes checksums and cuts long segments before it hands frames over.

import { closeSync, constants, openSync } from 'node:fs'
import type { Native } from './native.ts'
import { failure, interfaceRequest, loadNative, setInterfaceMtu, setInterfaceUp } from './native.ts'
import { formatWire } from './parse.ts'
import type { Watch } from './readiness.ts'
import { READABLE, watch, WRITABLE } from './readiness.ts'
import type { Log, Received, TapSpec, Wire } from './wire.ts'

const CLONE_DEVICE = '/dev/net/tun'
const TUNSETIFF = 0x400454ca
const IFF_TAP = 0x2
const IFF_NO_PI = 0x1000
const FLAGS = 16

const AF_INET = 2
const SOCK_DGRAM = 2

/** Frames that are read before others have their turn. */
const BURST = 64
/** No frame of a TAP is longer: 65521 bytes of payload (IP_MAX_MTU less a header), header and tags. */
const LONGEST_FRAME = 0x10000

/** Where a frame is read to; the next one takes its place. */
const buffer = Buffer.allocUnsafeSlow(LONGEST_FRAME)

/**
 * Opens the TAP, makes it where there is none of this name, and sets it up. One that was made here goes with the wire; one that was
 * there before (`ip tuntap add`) stays. Rejects without root, without koffi, or where the name is another's.
 */
export async function openTap(spec: TapSpec, received: Received, log: Log): Promise<Wire> {
  const native = loadNative()
  const file = attach(native, spec.name)
  try {
    configure(native, spec)
    return new TapWire(native, file, spec, received, log)
  } catch (error) {
    closeSync(file)
    throw error
  }
}

function attach(native: Native, name: string): number {
  const file = openClone()
  const request = interfaceRequest(name)
  request.writeUInt16LE(IFF_TAP | IFF_NO_PI, FLAGS)
  if (native.ioctl(file, TUNSETIFF, request) >= 0) return file
  const error = refusal(native, name)
  closeSync(file)
  throw error
}

function openClone(): number {
  try {
    return openSync(CLONE_DEVICE, constants.O_RDWR | constants.O_NONBLOCK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why =
      code === 'ENOENT' ? 'there is none: modprobe tun, or run the container with --device /dev/net/tun' : code
    throw new Error(`a TAP needs ${CLONE_DEVICE}: ${why}`, { cause: error })
  }
}

function refusal(native: Native, name: string): Error {
  switch (native.errno()) {
    case 'EBUSY':
      return new Error(`tap:${name}: another program has it open, or it is no TAP`)
    case 'EINVAL':
      return new Error(`tap:${name}: there is an interface of this name, and it is no TAP`)
    default:
      return failure(native, `tap:${name}: it can not be made`)
  }
}

function configure(native: Native, { name, mtu }: TapSpec): void {
  const socket = native.socket(AF_INET, SOCK_DGRAM, 0)
  if (socket < 0) throw failure(native, `tap:${name}`)
  try {
    if (mtu !== undefined) setInterfaceMtu(native, socket, name, mtu)
    setInterfaceUp(native, socket, name)
  } finally {
    native.close(socket)
  }
}

class TapWire implements Wire {
  readonly name: string
  connected = true
  onLink: () => void = () => {}
  readonly #native: Native
  readonly #file: number
  readonly #received: Received
  readonly #log: Log
  readonly #watch: Watch
  #open = true

  constructor(native: Native, file: number, spec: TapSpec, received: Received, log: Log) {
    this.name = formatWire(spec)
    this.#native = native
    this.#file = file
    this.#received = received
    this.#log = log
    this.#watch = watch(native, file, (events) => {
      // A TAP is writable while it is up, wherever it is.
      if ((events & WRITABLE) !== 0) this.#setLink(true)
      this.#read()
    })
    this.#arm()
  }

  send(bytes: Uint8Array): boolean {
    if (!this.connected || !this.#open) return false
    if (this.#native.write(this.#file, bytes, bytes.length) >= 0) return true
    if (this.#native.errno() === 'EIO') this.#setLink(false)
    return false
  }

  close(): Promise<void> {
    if (this.#open) {
      this.#open = false
      this.#watch.close()
      closeSync(this.#file)
    }
    return Promise.resolve()
  }

  #read(): void {
    for (let frame = 0; frame < BURST && this.#open; frame++) {
      const length = this.#native.read(this.#file, buffer, LONGEST_FRAME)
      if (length > 0) this.#received(buffer.subarray(0, length))
      else if (length < 0 && this.#native.errno() !== 'EAGAIN') return this.#gone()
      else return this.#arm()
    }
    if (this.#open) setImmediate(() => this.#read())
  }

  #arm(): void {
    this.#watch.arm(this.connected ? READABLE : READABLE | WRITABLE)
  }

  /** That it is down is noticed when a frame is sent to it; that it is up again, at once. */
  #setLink(up: boolean): void {
    if (this.connected === up) return
    this.connected = up
    this.#log(`${this.name}: it is ${up ? 'up' : 'down'}`)
    if (!up) this.#arm()
    // Not in the midst of the frame that was sent.
    queueMicrotask(() => this.onLink())
  }

  /** Somebody has deleted it, or its namespace. It is armed no more. */
  #gone(): void {
    this.connected = false
    this.#log(`${this.name}: it has been deleted`)
    this.onLink()
  }
}
