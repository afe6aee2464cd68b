// Which address and port of several a NAT chooses is free: in frames and messages one that stands for any takes their place,
// checksums adapted, so that what is left can be compared byte for byte.

import { parseIpv4, parseIpv6 } from '../../../protocols/address.ts'
import { updateChecksum } from '../../../protocols/checksum.ts'
import { EtherType, IpProtocol } from '../../../protocols/match.ts'
import { decodeOpenFlow } from '../../../protocols/openflow/codec.ts'
import type { Pool } from './connection-cases.ts'
import type { Answer } from './openflow-sides.ts'
import { text, told } from './openflow-sides.ts'

const ETHERNET_SIZE = 14
const ERROR = 1
/** Stands for whatever was chosen. */
const STAND_IN = 0xfe00

export class Choices {
  readonly #pool: Pool | undefined
  readonly #addresses: ReadonlySet<bigint>

  constructor(pool: Pool | undefined) {
    this.#pool = pool
    this.#addresses = new Set(pool?.addresses.map((address) => parsed(address)))
  }

  /**
   * What was said and what left in answer to a frame, as lines. Sorted: the order of fragments hangs on which of
   * them the caches of Open vSwitch know.
   */
  lines({ messages, copies }: Answer): string[] {
    return [
      ...messages.map((message) => this.#message(message)).toSorted(),
      ...copies.map((copy) => this.#copy(copy)).toSorted(),
    ]
  }

  /** A line of a dump without what was chosen, and without a helper: ours has none. */
  rename(given: string): string {
    const pool = this.#pool
    const line = given.replace(/,helper=t?ftp/, '')
    if (pool === undefined) return line
    const isChosen = (port: number) => port >= pool.firstPort && port <= pool.lastPort
    return line
      .replaceAll(/(src|dst)=([^,)]+)/g, (all, name, address) =>
        pool.addresses.includes(address) ? `${name}=chosen` : all,
      )
      .replaceAll(/(sport|dport)=(\d+)/g, (all, name, port) => (isChosen(Number(port)) ? `${name}=chosen` : all))
  }

  #copy(copy: string): string {
    const [port = '', hex = ''] = copy.split(': ')
    return `${port}: ${Buffer.from(this.#frame(Buffer.from(hex, 'hex'))).toString('hex')}`
  }

  #message(bytes: Uint8Array): string {
    if (bytes[1] === ERROR) return told(bytes)
    const { xid, message } = decodeOpenFlow(bytes)
    if (message.type !== 'packetIn') return told(bytes)
    const { match, frame, ...rest } = message
    const known = match.map(({ field, value }) => `${field}=${this.#field(field, value).toString(16)}`)
    const bytesOfFrame = Buffer.from(this.#frame(frame)).toString('hex')
    return `${xid}: ${known.toSorted().join(',')} ${bytesOfFrame} ${text(rest)}`
  }

  #field(name: string, value: bigint): bigint {
    if (/^ct_(nw|ipv6)_(src|dst)$/.test(name)) return this.#addresses.has(value) ? BigInt(STAND_IN) : value
    return name.startsWith('ct_tp') ? BigInt(this.#port(Number(value))) : value
  }

  #port(port: number): number {
    if (this.#pool === undefined || port < this.#pool.firstPort || port > this.#pool.lastPort) return port
    return STAND_IN
  }

  #frame(given: Uint8Array): Uint8Array {
    const frame = new Rewriting(given)
    const etherType = frame.view.getUint16(ETHERNET_SIZE - 2)
    if (etherType === EtherType.Ipv4 || etherType === EtherType.Ipv6) this.#packet(frame, ETHERNET_SIZE, [])
    return frame.bytes
  }

  /** `around`: checksums that cover all of this packet. */
  #packet(frame: Rewriting, at: number, around: readonly number[]): void {
    const header = readHeader(frame.view, at)
    if (header === undefined) return
    const { transport, protocol, isFirst, addresses, words } = header
    const checksum = isFirst ? checksumOf(frame, transport, protocol) : undefined
    const covered = checksum === undefined ? around : [...around, checksum]
    for (const address of addresses) {
      const value = numberAt(frame.view, address, words)
      if (!this.#addresses.has(value)) continue
      const own = words === 2 ? [at + 10] : []
      const other = BigInt(STAND_IN)
      // ICMP over IPv4 does not cover addresses.
      const over = protocol === IpProtocol.Icmp ? around : covered
      for (let word = 0; word < words; word++) {
        const shift = BigInt(16 * (words - 1 - word))
        frame.write(address + 2 * word, Number((other >> shift) & 0xffffn), over, own, around)
      }
    }
    if (!isFirst) return
    if (protocol === IpProtocol.Tcp || protocol === IpProtocol.Udp) {
      for (const port of [transport, transport + 2])
        if (port + 2 <= frame.bytes.length)
          frame.write(port, this.#port(frame.view.getUint16(port)), covered, [], around)
    } else if (isError(frame.view, transport, protocol) && around.length === 0)
      this.#packet(frame, transport + 8, [transport + 2])
  }
}

const parsed = (address: string): bigint => (address.includes(':') ? parseIpv6(address) : BigInt(parseIpv4(address)))

/** A frame in which words are replaced, and checksums with them (RFC 1624). */
class Rewriting {
  readonly bytes: Uint8Array
  readonly view: DataView

  constructor(given: Uint8Array) {
    this.bytes = Uint8Array.from(given)
    this.view = new DataView(this.bytes.buffer)
  }

  /** `covers` cover the word; `own` does, too, and is itself covered by `around`. */
  write(at: number, value: number, covers: readonly number[], own: readonly number[], around: readonly number[]): void {
    const before = this.view.getUint16(at)
    if (before === value) return
    this.view.setUint16(at, value)
    for (const checksum of [...covers, ...own]) {
      const old = this.view.getUint16(checksum)
      const repaired = updateChecksum(old, before, value)
      this.view.setUint16(checksum, repaired === 0xffff ? 0 : repaired)
      if (around.includes(checksum)) continue
      for (const outer of around)
        this.view.setUint16(outer, updateChecksum(this.view.getUint16(outer), old, this.view.getUint16(checksum)))
    }
  }
}

interface Header {
  transport: number
  protocol: number
  isFirst: boolean
  addresses: readonly [number, number]
  /** Of 16 bits, in an address. */
  words: number
}

function readHeader(view: DataView, at: number): Header | undefined {
  const left = view.byteLength - at
  if (left < 20) return undefined
  if (view.getUint8(at) >> 4 === 4) {
    const transport = at + (view.getUint8(at) & 15) * 4
    const isFirst = (view.getUint16(at + 6) & 0x1fff) === 0
    return { transport, protocol: view.getUint8(at + 9), isFirst, addresses: [at + 12, at + 16], words: 2 }
  }
  if (left < 40) return undefined
  const addresses = [at + 8, at + 24] as const
  const protocol = view.getUint8(at + 6)
  if (protocol !== 44) return { transport: at + 40, protocol, isFirst: true, addresses, words: 8 }
  if (left < 48) return undefined
  const isFirst = (view.getUint16(at + 42) & 0xfff8) === 0
  return { transport: at + 48, protocol: view.getUint8(at + 40), isFirst, addresses, words: 8 }
}

/** Where the transport's checksum is, if it is there and means something. */
function checksumOf({ view }: Rewriting, transport: number, protocol: number): number | undefined {
  const offset =
    protocol === IpProtocol.Tcp ? 16 : protocol === IpProtocol.Udp ? 6 : protocol === IpProtocol.Icmpv6 ? 2 : undefined
  if (offset === undefined || transport + offset + 2 > view.byteLength) return undefined
  return protocol === IpProtocol.Udp && view.getUint16(transport + offset) === 0 ? undefined : transport + offset
}

function isError(view: DataView, transport: number, protocol: number): boolean {
  if (transport + 8 > view.byteLength) return false
  const type = view.getUint8(transport)
  return protocol === IpProtocol.Icmp ? [3, 4, 5, 11, 12].includes(type) : protocol === IpProtocol.Icmpv6 && type < 128
}

function numberAt(view: DataView, at: number, words: number): bigint {
  let number = 0n
  for (let word = 0; word < words; word++) number = (number << 16n) | BigInt(view.getUint16(at + 2 * word))
  return number
}
