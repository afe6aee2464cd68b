// A map that is never altered: setting a key gives another map, which shares with the one before all that is the same. So a
// change costs the same however much else there is, and what is different between two such maps is found without looking at the rest.
//
// It is a trie over 32 bits of each key's hash, five at a time (Bagwell, "Ideal Hash Trees", 2001). A branch has a bit for each
// of its up to 32 children; keys of equal hash hang from each other.

type Key = string | number

class Leaf<K, V> {
  readonly hash: number
  readonly key: K
  readonly value: V
  readonly next: Leaf<K, V> | undefined

  constructor(hash: number, key: K, value: V, next?: Leaf<K, V>) {
    this.hash = hash
    this.key = key
    this.value = value
    this.next = next
  }
}

class Branch<K, V> {
  readonly bits: number
  readonly children: readonly Node<K, V>[]

  constructor(bits: number, children: readonly Node<K, V>[]) {
    this.bits = bits
    this.children = children
  }
}

type Node<K, V> = Leaf<K, V> | Branch<K, V>

/** A key, what it had before, and what it has now; undefined for nothing. */
export type KeyChange<K, V> = readonly [key: K, before: V | undefined, after: V | undefined]

export class PersistentMap<K extends Key, V> implements ReadonlyMap<K, V> {
  static readonly #none = new PersistentMap<never, never>(undefined, 0)
  readonly size: number
  readonly #root: Node<K, V> | undefined

  private constructor(root: Node<K, V> | undefined, size: number) {
    this.#root = root
    this.size = size
  }

  static empty<K extends Key, V>(): PersistentMap<K, V> {
    return PersistentMap.#none as unknown as PersistentMap<K, V>
  }

  static from<K extends Key, V>(entries: Iterable<readonly [K, V]>): PersistentMap<K, V> {
    let map = PersistentMap.empty<K, V>()
    for (const [key, value] of entries) map = map.set(key, value)
    return map
  }

  get(key: K): V | undefined {
    return find(this.#root, hashOf(key), key)?.value
  }

  has(key: K): boolean {
    return find(this.#root, hashOf(key), key) !== undefined
  }

  /** The same map where the key has this very value already. */
  set(key: K, value: V): PersistentMap<K, V> {
    const hash = hashOf(key)
    const before = find(this.#root, hash, key)
    if (before !== undefined && Object.is(before.value, value)) return this
    const root = withLeaf(this.#root, 0, hash, key, value)
    return new PersistentMap(root, before === undefined ? this.size + 1 : this.size)
  }

  /** The same map where there is no such key. */
  delete(key: K): PersistentMap<K, V> {
    const hash = hashOf(key)
    if (find(this.#root, hash, key) === undefined) return this
    return new PersistentMap(withoutLeaf(this.#root!, 0, hash, key), this.size - 1)
  }

  *entries(): Generator<[K, V], undefined> {
    for (const { key, value } of leaves(this.#root)) yield [key, value]
  }

  *keys(): Generator<K, undefined> {
    for (const { key } of leaves(this.#root)) yield key
  }

  *values(): Generator<V, undefined> {
    for (const { value } of leaves(this.#root)) yield value
  }

  [Symbol.iterator](): Generator<[K, V], undefined> {
    return this.entries()
  }

  forEach(call: (value: V, key: K, map: ReadonlyMap<K, V>) => void): void {
    for (const [key, value] of this) call(value, key, this)
  }

  /** What must be set and deleted for `before` to become this map. */
  changesSince(before: PersistentMap<K, V>): KeyChange<K, V>[] {
    const changes: KeyChange<K, V>[] = []
    compare(before.#root, this.#root, 0, changes)
    return changes
  }
}

/** What must be set and deleted for `before` to become `after`: at once where both are persistent, else by looking at everything. */
export function changedKeys<K extends Key, V>(before: ReadonlyMap<K, V>, after: ReadonlyMap<K, V>): KeyChange<K, V>[] {
  if (before === after) return []
  if (before instanceof PersistentMap && after instanceof PersistentMap)
    return (after as PersistentMap<K, V>).changesSince(before as PersistentMap<K, V>)
  const changes: KeyChange<K, V>[] = []
  for (const [key, value] of after) {
    const was = before.get(key)
    if (!Object.is(was, value)) changes.push([key, was, value])
  }
  for (const [key, value] of before) if (!after.has(key)) changes.push([key, value, undefined])
  return changes
}

const STEP = 5
const FULL = 31

function hashOf(key: Key): number {
  if (typeof key === 'number') return mixed((key % 0x100000000) ^ Math.trunc(key / 0x100000000))
  let hash = 0x811c9dc5
  for (let index = 0; index < key.length; index++) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193)
  return mixed(hash)
}

/** Numbers in a row, and texts that end alike, differ in their low bits too (MurmurHash3's last steps). */
function mixed(hash: number): number {
  let mix = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  mix = Math.imul(mix ^ (mix >>> 13), 0xc2b2ae35)
  return (mix ^ (mix >>> 16)) >>> 0
}

const bitAt = (hash: number, shift: number): number => 1 << ((hash >>> shift) & FULL)

/** Place among the children of the one that `bit` stands for: how many bits below it are set. */
function placeOf(bits: number, bit: number): number {
  let below = bits & (bit - 1)
  below -= (below >>> 1) & 0x55555555
  below = (below & 0x33333333) + ((below >>> 2) & 0x33333333)
  return Math.imul((below + (below >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

function find<K extends Key, V>(root: Node<K, V> | undefined, hash: number, key: K): Leaf<K, V> | undefined {
  let node = root
  for (let shift = 0; node instanceof Branch; shift += STEP) {
    const bit = bitAt(hash, shift)
    if ((node.bits & bit) === 0) return undefined
    node = node.children[placeOf(node.bits, bit)]!
  }
  let leaf: Leaf<K, V> | undefined = node
  while (leaf !== undefined && leaf.key !== key) leaf = leaf.next
  return leaf
}

function withLeaf<K, V>(node: Node<K, V> | undefined, shift: number, hash: number, key: K, value: V): Node<K, V> {
  if (node === undefined) return new Leaf(hash, key, value)
  if (node instanceof Branch) {
    const bit = bitAt(hash, shift)
    const place = placeOf(node.bits, bit)
    if ((node.bits & bit) === 0)
      return new Branch(node.bits | bit, node.children.toSpliced(place, 0, new Leaf(hash, key, value)))
    return new Branch(
      node.bits,
      node.children.with(place, withLeaf(node.children[place], shift + STEP, hash, key, value)),
    )
  }
  if (node.hash === hash) return new Leaf(hash, key, value, chainWithout(node, key))
  return withLeaf(new Branch(bitAt(node.hash, shift), [node]), shift, hash, key, value)
}

function withoutLeaf<K, V>(node: Node<K, V>, shift: number, hash: number, key: K): Node<K, V> | undefined {
  if (!(node instanceof Branch)) return chainWithout(node, key)
  const bit = bitAt(hash, shift)
  const place = placeOf(node.bits, bit)
  const child = withoutLeaf(node.children[place]!, shift + STEP, hash, key)
  if (child !== undefined) {
    // A branch that leads to one leaf alone is none: maps of the same keys have the same shape, whatever came and went.
    if (node.children.length === 1 && child instanceof Leaf) return child
    return new Branch(node.bits, node.children.with(place, child))
  }
  if (node.children.length === 1) return undefined
  const rest = node.children.toSpliced(place, 1)
  return rest.length === 1 && rest[0] instanceof Leaf ? rest[0] : new Branch(node.bits & ~bit, rest)
}

function chainWithout<K, V>(leaf: Leaf<K, V> | undefined, key: K): Leaf<K, V> | undefined {
  if (leaf === undefined || leaf.key === key) return leaf?.next
  return new Leaf(leaf.hash, leaf.key, leaf.value, chainWithout(leaf.next, key))
}

function* leaves<K, V>(node: Node<K, V> | undefined): Generator<Leaf<K, V>, undefined> {
  if (node instanceof Branch) for (const child of node.children) yield* leaves(child)
  else for (let leaf = node; leaf !== undefined; leaf = leaf.next) yield leaf
}

/** Goes down only where the two are not one and the same. */
function compare<K extends Key, V>(
  before: Node<K, V> | undefined,
  after: Node<K, V> | undefined,
  shift: number,
  changes: KeyChange<K, V>[],
): void {
  if (before === after) return
  if (before instanceof Branch && after instanceof Branch) {
    if (before.bits === after.bits) {
      for (let place = 0; place < after.children.length; place++)
        compare(before.children[place], after.children[place], shift + STEP, changes)
      return
    }
    for (let all = before.bits | after.bits; all !== 0; all &= all - 1) {
      const bit = all & -all
      compare(childAt(before, bit), childAt(after, bit), shift + STEP, changes)
    }
    return
  }
  eachLeaf(after, (leaf) => {
    const was = findFrom(before, shift, leaf)
    if (was === undefined || !Object.is(was.value, leaf.value)) changes.push([leaf.key, was?.value, leaf.value])
  })
  eachLeaf(before, (leaf) => {
    if (findFrom(after, shift, leaf) === undefined) changes.push([leaf.key, leaf.value, undefined])
  })
}

/** As `leaves`; a map that is new to somebody may have thousands. */
function eachLeaf<K, V>(node: Node<K, V> | undefined, call: (leaf: Leaf<K, V>) => void): void {
  if (node instanceof Branch) for (const child of node.children) eachLeaf(child, call)
  else for (let leaf = node; leaf !== undefined; leaf = leaf.next) call(leaf)
}

const childAt = <K, V>({ bits, children }: Branch<K, V>, bit: number): Node<K, V> | undefined =>
  (bits & bit) === 0 ? undefined : children[placeOf(bits, bit)]

/** The one with the key of `wanted`. */
function findFrom<K extends Key, V>(
  root: Node<K, V> | undefined,
  shift: number,
  { hash, key }: Leaf<K, V>,
): Leaf<K, V> | undefined {
  let node = root
  for (let at = shift; node instanceof Branch; at += STEP) node = childAt(node, bitAt(hash, at))
  while (node !== undefined && node.key !== key) node = node.next
  return node
}
