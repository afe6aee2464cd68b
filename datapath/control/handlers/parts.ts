/** Bytes of a reply's part, about. */
const PART_SIZE = 1 << 18

/** Part of a reply, and whether more follow. */
interface Part<T> {
  items: T[]
  more: boolean
}

/** Items in order, cut into parts of about 256 KiB as they are taken; one part at least. */
export function* inParts<T>(items: Iterable<T>, sizeOf: (item: T) => number): Generator<Part<T>> {
  let part: T[] = []
  let size = 0
  for (const item of items) {
    const itemSize = sizeOf(item)
    if (size > 0 && size + itemSize > PART_SIZE) {
      yield { items: part, more: true }
      part = []
      size = 0
    }
    part.push(item)
    size += itemSize
  }
  yield { items: part, more: false }
}
