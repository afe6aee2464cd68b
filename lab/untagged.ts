/** A copy of the frame without its outer VLAN tag. */
export function untagged(bytes: Uint8Array): Uint8Array {
  const bare = new Uint8Array(bytes.length - 4)
  bare.set(bytes.subarray(0, 12))
  bare.set(bytes.subarray(16), 12)
  return bare
}
