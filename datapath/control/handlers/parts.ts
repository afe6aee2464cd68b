/** Bytes of a reply's part, about. */
const PART_SIZE = 1 << 20

/** Items in order, cut into parts of about 1 MiB; one part at least. */
export function inParts<T>(items: readonly T[], sizeOf: (item: T) => number): T[][] {
  const parts: T[][] = [[]]
  let size = 0
  for (const item of items) {
    const itemSize = sizeOf(item)
    if (size > 0 && size + itemSize > PART_SIZE) {
      parts.push([])
      size = 0
    }
    parts.at(-1)!.push(item)
    size += itemSize
  }
  return parts
}
