// Where frames live: one arena of bytes, slots with head-room, a handle (a small integer) for each. No frame is an object.
//
//   slot:  | head-room 130 | frame … | spare |
//
// A slot begins at a multiple of four, so a frame's first byte stands at 2 modulo 4 and its IP header on a whole word.
// Slots come in three sizes; a freed slot goes to the free list of its size. The smallest is an odd number of cache lines: were it
// a power of two, the headers of a vector of frames would all compete for the same few places of the processor's cache. The
// arena doubles when it is full, so `bytes`, `view` and `words` must be read anew after any `allocate` or `hasRoom`. Where there is no
// more memory, `hasRoom` says so while there still is some for the frames that are on their way, and their copies.

/** Bytes before a fresh frame: the outer headers of VXLAN over tagged Ethernet with room to spare. */
const HEADROOM = 130
const SLOT_SIZES = [2112, 16384, 131072] as const
const LONGEST_SMALL = SLOT_SIZES[0] - HEADROOM
/** Little, as there may be many arenas: one that needs 4 MiB has doubled six times, and is as fast from then on. */
const INITIAL_BYTES = 1 << 16
/** A place in it is a number of 32 bits. */
const MOST_BYTES = 2 ** 32
/** So many frames of the same size are left to those that are on their way. */
const RESERVE = 128

/** The longest frame an arena can hold, in bytes. */
export const MAX_FRAME_LENGTH = SLOT_SIZES[2] - HEADROOM

/** A frame's place in its arena: an index, dense and reused. */
export type FrameHandle = number

/** Told of the copies of frames that have an identity. */
export interface CopyWatch {
  copied(id: number): void
  gone(id: number): void
}

/** Handles that are free, the one that came last on top. */
class FreeList {
  handles = new Int32Array(256)
  size = 0

  push(handle: FrameHandle): void {
    if (this.size === this.handles.length) this.double()
    this.handles[this.size++] = handle
  }

  /** -1 where there is none. */
  pop(): FrameHandle {
    return this.size === 0 ? -1 : this.handles[--this.size]!
  }

  double(): void {
    const larger = new Int32Array(this.handles.length * 2)
    larger.set(this.handles)
    this.handles = larger
  }
}

export class FrameArena {
  watch: CopyWatch | undefined
  /** The memory of all frames. Replaced when it grows: do not keep it over an `allocate` or `clone`. */
  bytes = new Uint8Array(INITIAL_BYTES)
  /** Big-endian access to `bytes`; replaced with it. */
  view = new DataView(this.bytes.buffer)
  /** `bytes` four at a time, in the machine's order; replaced with it. */
  words = new Int32Array(this.bytes.buffer)

  /** By handle: where the frame's first byte stands in `bytes`. */
  offset = new Uint32Array(1024)
  /** By handle: the frame's length in bytes. */
  length = new Uint32Array(1024)
  /** By handle: an identity that follows a frame through rewrites, tunnels and copies. 0 for frames that nobody follows. */
  id = new Float64Array(1024)
  /** By handle: the last entry of the frame's trail (see emulator/trail.ts); -1 where it has none. */
  trail = new Int32Array(1024)
  /** By handle: when the frame got where it is, as far as somebody tells; 0 for a fresh one. */
  instant = new Float64Array(1024)
  /** By handle: 0 for a frame that begins with an Ethernet header; else the ethertype of what it begins with, its header off. */
  packetType = new Uint16Array(1024)

  #slotStart = new Uint32Array(1024)
  #slotClass = new Uint8Array(1024)
  #handles = 0
  #used = 0
  readonly #small = new FreeList()
  readonly #free: readonly FreeList[] = [this.#small, new FreeList(), new FreeList()]
  readonly #limit: number
  /** It has not been refused memory. */
  #mayGrow = true

  /** It never has more than `limit` bytes. */
  constructor(limit = MOST_BYTES) {
    this.#limit = limit
  }

  /** Frames allocated and not yet released. */
  get live(): number {
    return this.#free.reduce((live, { size }) => live - size, this.#handles)
  }

  /**
   * A frame of `length` bytes whose contents are whatever lay there before.
   * @throws RangeError for more than MAX_FRAME_LENGTH, and where there is no memory left at all (see `hasRoom`).
   */
  allocate(length: number): FrameHandle {
    let handle = length <= LONGEST_SMALL ? this.#small.pop() : -1
    if (handle < 0) handle = this.#otherSlot(length)
    this.offset[handle] = this.#slotStart[handle]! + HEADROOM
    this.length[handle] = length
    this.id[handle] = 0
    this.trail[handle] = -1
    this.instant[handle] = 0
    this.packetType[handle] = 0
    return handle
  }

  /**
   * Whether a frame of this length may come in. False where there is no more memory, and what there is is left to those that are on
   * their way.
   */
  hasRoom(length: number): boolean {
    while (!this.#hasReserve(length)) if (!this.#canGrow || !this.#tryToGrow()) return false
    return true
  }

  /** There is no more memory, and what there is is left to frames that are on their way: none may stay. */
  get isTight(): boolean {
    return !this.#canGrow && !this.#hasReserve(0)
  }

  /** What the frame takes of the memory: a slot, in bytes. */
  sizeOf(frame: FrameHandle): number {
    return SLOT_SIZES[this.#slotClass[frame]!]!
  }

  /** A frame with a copy of `bytes`. */
  allocateFrom(bytes: Uint8Array): FrameHandle {
    const handle = this.allocate(bytes.length)
    this.bytes.set(bytes, this.offset[handle]!)
    return handle
  }

  /**
   * Puts `count` frames into `frames`, each a copy of so many bytes of `source` as `lengths` says, from where `starts` says: at 2 modulo
   * 4, as frames stand here. It copies whole words: `set` would want an object for each frame, and takes longer than all else for
   * a short one.
   */
  copyInAll(source: Int32Array, starts: Int32Array, lengths: Int32Array, count: number, frames: Int32Array): void {
    for (let done = 0; done < count; done++) {
      done = this.#copyIntoFree(source, starts, lengths, done, count, frames)
      if (done === count) return
      const frame = this.allocate(lengths[done]!)
      frames[done] = frame
      copyWords(source, starts[done]!, lengths[done]!, this.words, this.offset[frame]!)
    }
  }

  /**
   * The same for those from `start` on that fit into small slots, as long as there are free ones: the same as `allocate` for each, in one
   * loop that asks no other object. Gives where these end.
   */
  #copyIntoFree(
    source: Int32Array,
    starts: Int32Array,
    lengths: Int32Array,
    start: number,
    count: number,
    frames: Int32Array,
  ): number {
    const { words, offset, length, id, trail, instant, packetType } = this
    const slotStart = this.#slotStart
    const { handles } = this.#small
    let free = this.#small.size
    let index = start
    for (; index < count && free > 0; index++) {
      const size = lengths[index]!
      if (size > LONGEST_SMALL) break
      const handle = handles[--free]!
      const at = slotStart[handle]! + HEADROOM
      frames[index] = handle
      offset[handle] = at
      length[handle] = size
      id[handle] = 0
      trail[handle] = -1
      instant[handle] = 0
      packetType[handle] = 0
      copyWords(source, starts[index]!, size, words, at)
    }
    this.#small.size = free
    return index
  }

  /** Makes a new frame a copy of the one of this identity, which is or was somewhere else. */
  identify(frame: FrameHandle, id: number): void {
    this.id[frame] = id
    if (this.watch !== undefined && id !== 0) this.watch.copied(id)
  }

  /** A second frame of the same bytes, identity, trail, instant and packet type. */
  clone(frame: FrameHandle): FrameHandle {
    const copy = this.allocate(this.length[frame]!)
    const start = this.offset[frame]!
    this.bytes.copyWithin(this.offset[copy]!, start, start + this.length[frame]!)
    this.id[copy] = this.id[frame]!
    this.trail[copy] = this.trail[frame]!
    this.instant[copy] = this.instant[frame]!
    this.packetType[copy] = this.packetType[frame]!
    if (this.watch !== undefined && this.id[copy] !== 0) this.watch.copied(this.id[copy]!)
    return copy
  }

  release(frame: FrameHandle): void {
    const slotClass = this.#slotClass[frame]!
    if (slotClass === 0) this.#small.push(frame)
    else this.#free[slotClass]!.push(frame)
    if (this.watch !== undefined && this.id[frame] !== 0) this.watch.gone(this.id[frame]!)
  }

  /** Releases the frames from `start` to `end`. */
  releaseAll(frames: Int32Array, start: number, end: number): void {
    const small = this.#small
    const slotClass = this.#slotClass
    if (this.watch !== undefined || small.size + end - start > small.handles.length) {
      for (let index = start; index < end; index++) this.release(frames[index]!)
      return
    }
    const { handles } = small
    let free = small.size
    for (let index = start; index < end; index++) {
      const frame = frames[index]!
      handles[free] = frame
      if (slotClass[frame] === 0) free++
      else this.release(frame)
    }
    small.size = free
  }

  /** The frame's bytes, valid until the next `allocate` or `clone`. */
  read(frame: FrameHandle): Uint8Array {
    const start = this.offset[frame]!
    return this.bytes.subarray(start, start + this.length[frame]!)
  }

  /**
   * Moves the frame's start: `by` bytes towards the front (a header is about to be written there), or away from it where
   * negative (a header is taken off). The bytes of the frame itself stay where they are, unless the head-room is used up;
   * `bytes` must be read anew afterwards.
   * @throws RangeError where the frame would be longer than MAX_FRAME_LENGTH.
   */
  grow(frame: FrameHandle, by: number): void {
    const start = this.offset[frame]! - by
    if (start < this.#slotStart[frame]!) return this.#regrow(frame, by)
    this.offset[frame] = start
    this.length[frame]! += by
  }

  /** The same for the frames from `start` to `end`. */
  growAll(frames: Int32Array, start: number, end: number, by: number): void {
    const { offset, length } = this
    const slotStart = this.#slotStart
    let index = start
    for (; index < end; index++) {
      const frame = frames[index]!
      const at = offset[frame]! - by
      if (at < slotStart[frame]!) break
      offset[frame] = at
      length[frame]! += by
    }
    for (; index < end; index++) this.grow(frames[index]!, by)
  }

  /** The head-room is used up (tunnels within tunnels): move the frame back to where a fresh one would stand. */
  #regrow(frame: FrameHandle, by: number): void {
    const from = this.offset[frame]!
    const length = this.length[frame]!
    const slotSize = SLOT_SIZES[this.#slotClass[frame]!]!
    if (HEADROOM + length > slotSize) this.#takeLargerSlot(frame, slotSize)
    const to = this.#slotStart[frame]! + HEADROOM
    this.bytes.copyWithin(to, from, from + length)
    this.offset[frame] = to
    this.grow(frame, by)
  }

  /** Gives the frame the slot of a larger frame, which gets the frame's own and is released. The bytes stay where they are. */
  #takeLargerSlot(frame: FrameHandle, slotSize: number): void {
    const larger = this.allocate(slotSize)
    const start = this.#slotStart[frame]!
    const slotClass = this.#slotClass[frame]!
    this.#slotStart[frame] = this.#slotStart[larger]!
    this.#slotClass[frame] = this.#slotClass[larger]!
    this.#slotStart[larger] = start
    this.#slotClass[larger] = slotClass
    this.release(larger)
  }

  /** One that is large, or new. */
  #otherSlot(length: number): FrameHandle {
    if (length > MAX_FRAME_LENGTH) throw new RangeError(`a frame of ${length} bytes; at most ${MAX_FRAME_LENGTH} fit`)
    const slotClass = slotClassFor(length)
    const free = this.#free[slotClass]!.pop()
    if (free >= 0) return free
    return this.#canGrow || this.#used + SLOT_SIZES[slotClass]! <= this.bytes.length
      ? this.#newSlot(slotClass)
      : this.#largerSlot(slotClass)
  }

  /** There is no memory for another one of its own size. */
  #largerSlot(slotClass: number): FrameHandle {
    const free = this.#free.slice(slotClass + 1).find(({ size }) => size > 0)
    if (free === undefined) throw new RangeError(`no memory for a frame; ${this.bytes.length} bytes are in use`)
    return free.pop()
  }

  #hasReserve(length: number): boolean {
    const own = slotClassFor(length)
    let slots = (this.bytes.length - this.#used) / SLOT_SIZES[own]!
    for (let slotClass = own; slotClass < SLOT_SIZES.length; slotClass++) slots += this.#free[slotClass]!.size
    return slots > RESERVE
  }

  get #canGrow(): boolean {
    return this.#mayGrow && this.bytes.length * 2 <= this.#limit
  }

  #tryToGrow(): boolean {
    try {
      this.#doubleBytes()
      return true
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      this.#mayGrow = false
      return false
    }
  }

  #newSlot(slotClass: number): FrameHandle {
    const size = SLOT_SIZES[slotClass]!
    while (this.#used + size > this.bytes.length) this.#doubleBytes()
    if (this.#handles === this.offset.length) this.#doubleHandles()
    const handle = this.#handles++
    this.#slotStart[handle] = this.#used
    this.#slotClass[handle] = slotClass
    this.#used += size
    return handle
  }

  /** @throws RangeError */
  #doubleBytes(): void {
    if (!this.#canGrow) throw new RangeError(`no memory for more frames than fit into ${this.bytes.length} bytes`)
    const larger = new Uint8Array(this.bytes.length * 2)
    larger.set(this.bytes)
    this.bytes = larger
    this.view = new DataView(larger.buffer)
    this.words = new Int32Array(larger.buffer)
  }

  #doubleHandles(): void {
    const count = this.offset.length * 2
    const grown = <T extends Uint32Array | Uint16Array | Uint8Array | Int32Array | Float64Array>(
      larger: T,
      old: T,
    ): T => {
      larger.set(old)
      return larger
    }
    this.offset = grown(new Uint32Array(count), this.offset)
    this.length = grown(new Uint32Array(count), this.length)
    this.id = grown(new Float64Array(count), this.id)
    this.trail = grown(new Int32Array(count), this.trail)
    this.instant = grown(new Float64Array(count), this.instant)
    this.packetType = grown(new Uint16Array(count), this.packetType)
    this.#slotStart = grown(new Uint32Array(count), this.#slotStart)
    this.#slotClass = grown(new Uint8Array(count), this.#slotClass)
  }
}

const slotClassFor = (length: number): number =>
  length <= LONGEST_SMALL ? 0 : length + HEADROOM <= SLOT_SIZES[1] ? 1 : 2

/** Copies so many bytes, and up to three that follow. Both places are 2 modulo 4. */
function copyWords(source: Int32Array, start: number, length: number, target: Int32Array, at: number): void {
  // Of an unsigned place (`>>> 0`) the compiler knows that what is added to it overflows nothing: 8 ns for a short frame instead of 17.
  const from = start >>> 2
  const to = at >>> 2
  const words = ((start + length + 3) >>> 2) - from
  let copied = 0
  if (words >= 16) {
    copyEight(source, from, target, to)
    copyEight(source, from + 8, target, to + 8)
    copied = 16
  }
  for (; copied + 8 <= words; copied += 8) copyEight(source, (from + copied) >>> 0, target, (to + copied) >>> 0)
  for (; copied < words; copied++) target[to + copied] = source[from + copied]!
}

function copyEight(source: Int32Array, from: number, target: Int32Array, to: number): void {
  target[to] = source[from]!
  target[to + 1] = source[from + 1]!
  target[to + 2] = source[from + 2]!
  target[to + 3] = source[from + 3]!
  target[to + 4] = source[from + 4]!
  target[to + 5] = source[from + 5]!
  target[to + 6] = source[from + 6]!
  target[to + 7] = source[from + 7]!
}
