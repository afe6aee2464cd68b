// RFC 8200 §4: the chain of headers between the fixed IPv6 header and what it carries. All but two look alike:
//
//   | next header 8 | words 8 | body … |        size (words + 1) * 8; authentication (RFC 4302): (words + 2) * 4
//   fragment: | next header 8 | reserved 8 | offset 13 | reserved 2 | more 1 | identification 32 |

import { bytesOf, copyOf, requireBytes } from '../bytes.ts'

export const ExtensionType = {
  HopByHop: 0,
  Routing: 43,
  Fragment: 44,
  Authentication: 51,
  DestinationOptions: 60,
  Mobility: 135,
} as const

const NEXT_HEADER = 0
const WORDS = 1
const FRAGMENT = 2
const IDENTIFICATION = 4
const MINIMUM_SIZE = 8
const OFFSET_MASK = 0xfff8
const MORE_FRAGMENTS = 1

export type Ipv6Extension =
  | {
      type: 'fragment'
      /** In bytes, a multiple of eight. */
      offset: number
      more: boolean
      identification: number
    }
  | {
      type: 'other'
      /** Which extension this is: one of `ExtensionType`, other than `Fragment`. */
      protocol: number
      /** Behind next header and length. */
      body: Uint8Array
    }

export interface Ipv6Chain {
  extensions: Ipv6Extension[]
  /** What the chain ends in: a transport's number, or 59 for nothing. */
  protocol: number
  /** Where that begins. */
  at: number
}

/**
 * The chain that starts with `nextHeader` at `from`. Ends behind the header of a fragment that is not the first, for what
 * follows there is the middle of something.
 * @throws Malformed a header that leaves the packet.
 */
export function decodeIpv6Chain(view: DataView, from: number, end: number, nextHeader: number): Ipv6Chain {
  const extensions: Ipv6Extension[] = []
  let protocol = nextHeader
  let at = from
  while (isExtension(protocol)) {
    requireBytes('ipv6', 'extension header', at, end, MINIMUM_SIZE)
    const size = extensionSize(view, at, protocol)
    requireBytes('ipv6', 'extension header', at, end, size)
    const extension = decodeExtension(view, at, size, protocol)
    extensions.push(extension)
    protocol = view.getUint8(at + NEXT_HEADER)
    at += size
    if (extension.type === 'fragment' && extension.offset > 0) break
  }
  return { extensions, protocol, at }
}

function decodeExtension(view: DataView, at: number, size: number, protocol: number): Ipv6Extension {
  if (protocol !== ExtensionType.Fragment) return { type: 'other', protocol, body: copyOf(view, at + 2, at + size) }
  const fragment = view.getUint16(at + FRAGMENT)
  return {
    type: 'fragment',
    offset: fragment & OFFSET_MASK,
    more: (fragment & MORE_FRAGMENTS) !== 0,
    identification: view.getUint32(at + IDENTIFICATION),
  }
}

const protocolOf = (extension: Ipv6Extension) =>
  extension.type === 'fragment' ? ExtensionType.Fragment : extension.protocol

const sizeOf = (extension: Ipv6Extension) => (extension.type === 'fragment' ? MINIMUM_SIZE : 2 + extension.body.length)

/** What the header before this chain has to name as its next. */
export const firstProtocol = (extensions: readonly Ipv6Extension[], protocol: number): number =>
  extensions[0] === undefined ? protocol : protocolOf(extensions[0])

/** Bytes that the chain takes. */
export const ipv6ChainSize = (extensions: readonly Ipv6Extension[]): number =>
  extensions.reduce((sum, extension) => sum + sizeOf(extension), 0)

/**
 * Writes the chain so that it ends in `protocol`; returns where it stopped.
 * @throws RangeError a body that does not fill whole words.
 */
export function encodeIpv6Chain(
  extensions: readonly Ipv6Extension[],
  protocol: number,
  view: DataView,
  from: number,
): number {
  let at = from
  extensions.forEach((extension, index) => {
    view.setUint8(at + NEXT_HEADER, firstProtocol(extensions.slice(index + 1), protocol))
    encodeExtension(extension, view, at)
    at += sizeOf(extension)
  })
  return at
}

function encodeExtension(extension: Ipv6Extension, view: DataView, at: number): void {
  if (extension.type === 'fragment') {
    view.setUint8(at + WORDS, 0)
    view.setUint16(at + FRAGMENT, extension.offset | (extension.more ? MORE_FRAGMENTS : 0))
    view.setUint32(at + IDENTIFICATION, extension.identification)
    return
  }
  const size = sizeOf(extension)
  view.setUint8(at + WORDS, extension.protocol === ExtensionType.Authentication ? size / 4 - 2 : size / 8 - 1)
  if (extensionSize(view, at, extension.protocol) !== size)
    throw new RangeError(`${size} bytes of IPv6 extension header; expected whole words, at most 2048 bytes`)
  bytesOf(view).set(extension.body, at + 2)
}

/** For the per-packet path: whether this next header is one more link of the chain. */
export const isExtension = (protocol: number): boolean =>
  protocol === ExtensionType.HopByHop ||
  protocol === ExtensionType.Routing ||
  protocol === ExtensionType.Fragment ||
  protocol === ExtensionType.DestinationOptions ||
  protocol === ExtensionType.Authentication ||
  protocol === ExtensionType.Mobility

/** Bytes of the extension header at `at`, as it says itself. */
function extensionSize(view: DataView, at: number, protocol: number): number {
  if (protocol === ExtensionType.Fragment) return MINIMUM_SIZE
  const words = view.getUint8(at + WORDS)
  return protocol === ExtensionType.Authentication ? (words + 2) * 4 : (words + 1) * 8
}

/** What a walk along the chain has found. One of these serves any number of walks. */
export interface Ipv6Walk {
  /** What the chain ends in; where it is broken, the header that is. */
  protocol: number
  /** Where that begins. */
  at: number
  /** The 16 bits of the last fragment header: offset, and in the lowest bit whether more follow. 0 for a whole packet. */
  fragment: number
}

export const newIpv6Walk = (): Ipv6Walk => ({ protocol: 0, at: 0, fragment: 0 })

/**
 * For the per-packet path: walks the chain as `decodeIpv6Chain` does and leaves what it found in `walk`. False where a
 * header leaves the packet; never throws.
 */
export function walkIpv6Chain(view: DataView, from: number, end: number, nextHeader: number, walk: Ipv6Walk): boolean {
  walk.protocol = nextHeader
  walk.at = from
  walk.fragment = 0
  while (isExtension(walk.protocol)) {
    if (end - walk.at < MINIMUM_SIZE) return false
    const size = extensionSize(view, walk.at, walk.protocol)
    if (end - walk.at < size) return false
    if (walk.protocol === ExtensionType.Fragment)
      walk.fragment = view.getUint16(walk.at + FRAGMENT) & (OFFSET_MASK | MORE_FRAGMENTS)
    const isLater = walk.protocol === ExtensionType.Fragment && (walk.fragment & OFFSET_MASK) !== 0
    walk.protocol = view.getUint8(walk.at + NEXT_HEADER)
    walk.at += size
    if (isLater) return true
  }
  return true
}
