// The checksums of the Internet: ones' complement sums (RFC 1071, RFC 1624) and CRC-32C (RFC 9260 appendix A). All work in
// place on a range of bytes that the caller has checked, and allocate nothing.
//
// A "sum" is a ones' complement sum that need not be folded yet; sums of several ranges add up, as long as every range but
// the last has an even length. A "checksum" is what a header carries: the complement of the folded sum.

/** The sum of `length` bytes as big-endian 16-bit words, an odd last byte padded with zero, on top of `sum`. */
export function onesSum(bytes: Uint8Array, offset: number, length: number, sum = 0): number {
  const end = offset + length
  const evenEnd = end - (length & 1)
  let total = sum
  for (let at = offset; at < evenEnd; at += 2) total += (bytes[at]! << 8) | bytes[at + 1]!
  if (evenEnd < end) total += bytes[evenEnd]! << 8
  return total
}

/** Brings the carries of a sum back into 16 bits. Takes sums below 2^48. */
export function foldSum(sum: number): number {
  let folded = sum
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000)
  return folded
}

/** The checksum of a range, on top of `sum` (a pseudo-header's, say). Over a range with a right checksum in it: 0. */
export const internetChecksum = (bytes: Uint8Array, offset: number, length: number, sum = 0): number =>
  ~foldSum(onesSum(bytes, offset, length, sum)) & 0xffff

/** RFC 1624 equation 3: the checksum after one aligned 16-bit word changed from `before` to `after`. */
export const updateChecksum = (checksum: number, before: number, after: number): number =>
  ~foldSum((~checksum & 0xffff) + (~before & 0xffff) + after) & 0xffff

/** The same for an aligned 32-bit word. */
export const updateChecksum32 = (checksum: number, before: number, after: number): number =>
  ~foldSum(
    (~checksum & 0xffff) +
      ((~before >>> 16) & 0xffff) +
      (~before & 0xffff) +
      ((after >>> 16) & 0xffff) +
      (after & 0xffff),
  ) & 0xffff

const IPV4_ADDRESSES = 12
const IPV6_ADDRESSES = 8

/** RFC 9293 §3.1: the sum of the pseudo-header, addresses taken from the IPv4 header at `ip`; `length` is the segment's. */
export const pseudoHeaderSum4 = (bytes: Uint8Array, ip: number, protocol: number, length: number): number =>
  onesSum(bytes, ip + IPV4_ADDRESSES, 8, protocol + length)

/** RFC 8200 §8.1: the same from the IPv6 header at `ip`; `protocol` is the last next header of the chain. */
export const pseudoHeaderSum6 = (bytes: Uint8Array, ip: number, protocol: number, length: number): number =>
  onesSum(bytes, ip + IPV6_ADDRESSES, 32, protocol + (length >>> 16) + (length & 0xffff))

/** RFC 768: a UDP checksum that comes out as zero is sent as all ones, for zero means that there is none. */
export const udpChecksum = (bytes: Uint8Array, offset: number, length: number, pseudoHeaderSum: number): number =>
  internetChecksum(bytes, offset, length, pseudoHeaderSum) || 0xffff

const CASTAGNOLI_REFLECTED = 0x82f63b78
const CRC32C = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte
  for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? CASTAGNOLI_REFLECTED : 0)
  return remainder
})

/** CRC-32C of a range, continuing from the CRC of what stood before it. */
export function crc32c(bytes: Uint8Array, offset: number, length: number, before = 0): number {
  let crc = ~before
  for (let at = offset; at < offset + length; at++) crc = (crc >>> 8) ^ CRC32C[(crc ^ bytes[at]!) & 0xff]!
  return ~crc >>> 0
}
