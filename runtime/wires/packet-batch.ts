// Frames that a packet socket hands over together: recvmmsg(2) with the structures that it fills, laid out once.

import type { Native } from './native.ts'
import type { Offload } from './offload.ts'
import { LONGEST_OFFLOADED, OFFLOAD_HEADER_SIZE, readOffload } from './offload.ts'

const COUNT = 16
const MSG_DONTWAIT = 0x40
const MSG_TRUNC = 0x20

// struct mmsghdr, struct iovec and struct cmsghdr with a struct tpacket_auxdata behind it (linux/if_packet.h), 64 bits.
const MESSAGE = { iovecs: 16, iovecCount: 24, control: 32, controlSize: 40, flags: 48, received: 56, size: 64 } as const
const IOVEC_SIZE = 16
const CONTROL = { size: 40, status: 16, tag: 32, tagType: 34 } as const
const CMSG_AUXDATA_SIZE = 36

const TP_STATUS_VLAN_VALID = 0x10
const TP_STATUS_VLAN_TPID_VALID = 0x40
const VLAN_TAG_SIZE = 4
const VLAN_TYPE = 0x8100
const ADDRESSES_SIZE = 12

const SLOT_SIZE = OFFLOAD_HEADER_SIZE + LONGEST_OFFLOADED

export interface ReceivedPacket {
  offload: Offload
  /** Undefined where it was longer than any frame may be. */
  frame: Buffer | undefined
}

export class PacketBatch {
  readonly #native: Native
  readonly #messages = Buffer.alloc(COUNT * MESSAGE.size)
  readonly #iovecs = Buffer.alloc(COUNT * IOVEC_SIZE)
  readonly #controls = Buffer.alloc(COUNT * CONTROL.size)
  readonly #bytes = Buffer.allocUnsafeSlow(COUNT * SLOT_SIZE)

  constructor(native: Native) {
    this.#native = native
    const [iovecs, controls, bytes] = [this.#iovecs, this.#controls, this.#bytes].map((one) => native.addressOf(one))
    for (let index = 0; index < COUNT; index++) {
      const message = index * MESSAGE.size
      this.#messages.writeBigUInt64LE(iovecs! + BigInt(index * IOVEC_SIZE), message + MESSAGE.iovecs)
      this.#messages.writeBigUInt64LE(1n, message + MESSAGE.iovecCount)
      this.#messages.writeBigUInt64LE(controls! + BigInt(index * CONTROL.size), message + MESSAGE.control)
      this.#iovecs.writeBigUInt64LE(bytes! + BigInt(index * SLOT_SIZE), index * IOVEC_SIZE)
      this.#iovecs.writeBigUInt64LE(BigInt(SLOT_SIZE), index * IOVEC_SIZE + 8)
    }
  }

  /** As many frames as are there and fit. @returns how many; -1 with an error number where there is none */
  receive(socket: number): number {
    for (let message = 0; message < this.#messages.length; message += MESSAGE.size)
      this.#messages.writeUInt32LE(CONTROL.size, message + MESSAGE.controlSize)
    return this.#native.recvmmsg(socket, this.#messages, COUNT, MSG_DONTWAIT, null)
  }

  /** One of the frames that came last, with its VLAN tag where it belongs. */
  take(index: number): ReceivedPacket {
    const message = index * MESSAGE.size
    const begin = index * SLOT_SIZE
    const offload = readOffload(this.#bytes, begin)
    const end = begin + this.#messages.readUInt32LE(message + MESSAGE.received)
    const truncated = (this.#messages.readUInt32LE(message + MESSAGE.flags) & MSG_TRUNC) !== 0
    if (truncated || end < begin + OFFLOAD_HEADER_SIZE + ADDRESSES_SIZE) return { offload, frame: undefined }
    const tagged = this.#putTagBack(index, begin + OFFLOAD_HEADER_SIZE)
    if (tagged) offload.checksumStart += VLAN_TAG_SIZE
    return { offload, frame: this.#bytes.subarray(begin + OFFLOAD_HEADER_SIZE - (tagged ? VLAN_TAG_SIZE : 0), end) }
  }

  /** It takes the place of the end of the offload header, which has been read. */
  #putTagBack(index: number, frame: number): boolean {
    const control = index * CONTROL.size
    const size = this.#controls.readUInt32LE(control)
    if (this.#messages.readUInt32LE(index * MESSAGE.size + MESSAGE.controlSize) === 0 || size < CMSG_AUXDATA_SIZE)
      return false
    const status = this.#controls.readUInt32LE(control + CONTROL.status)
    if ((status & TP_STATUS_VLAN_VALID) === 0) return false
    const typeValid = (status & TP_STATUS_VLAN_TPID_VALID) !== 0
    const type = typeValid ? this.#controls.readUInt16LE(control + CONTROL.tagType) : VLAN_TYPE
    this.#bytes.copyWithin(frame - VLAN_TAG_SIZE, frame, frame + ADDRESSES_SIZE)
    this.#bytes.writeUInt16BE(type, frame - VLAN_TAG_SIZE + ADDRESSES_SIZE)
    this.#bytes.writeUInt16BE(this.#controls.readUInt16LE(control + CONTROL.tag), frame + ADDRESSES_SIZE - 2)
    return true
  }
}
