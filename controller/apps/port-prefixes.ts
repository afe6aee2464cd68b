/** A range of ports as the fewest values under masks: 80 to 95 is one, 1 to 65535 sixteen. */
export function portPrefixes({ first, last }: { first: number; last: number }): { value: bigint; mask: bigint }[] {
  const prefixes: { value: bigint; mask: bigint }[] = []
  let at = first
  while (at <= last) {
    let size = 1
    while (at % (2 * size) === 0 && at + 2 * size - 1 <= last) size *= 2
    prefixes.push({ value: BigInt(at), mask: BigInt(0x10000 - size) })
    at += size
  }
  return prefixes
}
