// A TAP interface: what the kernel sends out of it comes in here (Linux Documentation/networking/tuntap.rst). It may be moved to
// another namespace meanwhile. The kernel completes checksums and cuts long segments before it hands frames over.

import { closeSync, constants, openSync } from 'node:fs'
import type { Native } from './native.ts'
import { failure, interfaceRequest, loadNative, setInterfaceMtu, setInterfaceUp } from './native.ts'
import { formatWire } from './parse.ts'
import type { Watch } from './readiness.ts'
import { READABLE, watch, WRITABLE } from './readiness.ts'
import type { Received, TapSpec, Voices, Wire } from './wire.ts'
import { textOf } from '../error-text.ts'

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

/** Milliseconds until one that was deleted is made again: twice as many each time. */
const FIRST_BACKOFF = 100
const LONGEST_BACKOFF = 5000

/** Where a frame is read to; the next one takes its place. */
const buffer = Buffer.allocUnsafeSlow(LONGEST_FRAME)

/**
 * Opens the TAP, makes it where there is none of this name, and sets it up. One that was made here goes with the wire; one that was
 * there before (`ip tuntap add`) stays. Rejects without root, without koffi, or where the name is another's.
 */
export async function openTap(spec: TapSpec, received: Received, voices: Voices): Promise<Wire> {
  const native = loadNative()
  const file = openDevice(native, spec)
  try {
    return new TapWire(native, file, spec, received, voices)
  } catch (error) {
    closeSync(file)
    throw error
  }
}

function openDevice(native: Native, spec: TapSpec): number {
  const file = attach(native, spec.name)
  try {
    configure(native, spec)
    return file
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
  problem = ''
  onLink: () => void = () => {}
  readonly #native: Native
  readonly #spec: TapSpec
  readonly #received: Received
  readonly #voices: Voices
  /** Undefined while it is deleted. */
  #device: { file: number; watch: Watch } | undefined
  #timer: NodeJS.Timeout | undefined
  #backoff = FIRST_BACKOFF

  /** @throws Error where the system has no more descriptors */
  constructor(native: Native, file: number, spec: TapSpec, received: Received, voices: Voices) {
    this.name = formatWire(spec)
    this.#native = native
    this.#spec = spec
    this.#received = received
    this.#voices = voices
    this.#take(file)
  }

  send(bytes: Uint8Array): boolean {
    if (!this.connected || this.#device === undefined) return false
    if (this.#native.write(this.#device.file, bytes, bytes.length) >= 0) return true
    if (this.#native.errno() === 'EIO') this.#setLink(false)
    return false
  }

  close(): Promise<void> {
    clearTimeout(this.#timer)
    this.#let()
    return Promise.resolve()
  }

  #take(file: number): void {
    const ready = (events: number) => {
      // A TAP is writable while it is up, wherever it is.
      if ((events & WRITABLE) !== 0) this.#setLink(true)
      this.#read(file)
    }
    this.#device = { file, watch: watch(this.#native, file, ready) }
    this.#arm()
  }

  #let(): void {
    this.#device?.watch.close()
    if (this.#device !== undefined) closeSync(this.#device.file)
    this.#device = undefined
  }

  #read(file: number): void {
    for (let frame = 0; frame < BURST && this.#device?.file === file; frame++) {
      const length = this.#native.read(file, buffer, LONGEST_FRAME)
      if (length > 0) this.#received(buffer.subarray(0, length))
      else if (length < 0 && this.#native.errno() !== 'EAGAIN') return this.#gone()
      else return this.#arm()
    }
    if (this.#device?.file === file) setImmediate(() => this.#read(file))
  }

  #arm(): void {
    this.#device?.watch.arm(this.connected ? READABLE : READABLE | WRITABLE)
  }

  /** That it is down is noticed when a frame is sent to it; that it is up again, at once. */
  #setLink(up: boolean): void {
    if (this.connected === up) return
    this.connected = up
    this.problem = up ? '' : 'it is down'
    const { log, warn } = this.#voices
    if (up) log(`${this.name}: it is up`)
    else warn(`${this.name}: it is down`)
    if (!up) this.#arm()
    // Not in the midst of the frame that was sent.
    queueMicrotask(() => this.onLink())
  }

  /** Somebody has deleted it, or its namespace. It is made again, in the namespace of this process. */
  #gone(): void {
    this.#let()
    this.connected = false
    this.problem = 'it has been deleted'
    this.#voices.warn(`${this.name}: it has been deleted; made again`)
    this.#makeLater()
    this.onLink()
  }

  #makeLater(): void {
    this.#timer = setTimeout(() => this.#makeAgain(), this.#backoff)
    this.#backoff = Math.min(2 * this.#backoff, LONGEST_BACKOFF)
  }

  #makeAgain(): void {
    let file: number | undefined
    try {
      file = openDevice(this.#native, this.#spec)
      this.#take(file)
    } catch (error) {
      if (this.#device !== undefined) this.#let()
      else if (file !== undefined) closeSync(file)
      const problem = textOf(error)
      this.#makeLater()
      if (problem === this.problem) return
      this.problem = problem
      this.#voices.warn(problem)
      return this.onLink()
    }
    this.#backoff = FIRST_BACKOFF
    this.connected = true
    this.problem = ''
    this.#voices.log(`${this.name}: it is there again`)
    this.#arm()
    this.onLink()
  }
}
