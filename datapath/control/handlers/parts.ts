/** Bytes of a reply's part, at most and more than there are: a part is made in one go, while frames wait. */
const PART_SIZE = 1 << 12

/** Part of a reply, and whether more follow. */
interface Part<T> {
  items: T[]
  more: boolean
}

/** Items in order, cut into parts of some 600 bytes as they are taken; one part at least. */
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
