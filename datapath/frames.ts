// Where frames live: one arena of bytes, slots with head-room, a handle (a small integer) for each. No frame is an object.
//
//   slot:  | head-room 130 | frame … | spare |
//
// A slot begins at a multiple of four, so a frame's first byte stands at 2 modulo 4 and its IP header on a whole word.
// Slots come in three sizes; a freed slot goes to the free list of its size. The smallest is an odd number of cache lines: were it
// a power of two, the headers of a vector of frames would all compete for the same few places of the processor's cache. The
// arena doubles when it is full, so `bytes`, `view` and `words` must be read anew after any `allocate`.

/** Bytes before a fresh frame: the outer headers of VXLAN over tagged Ethernet with room to spare. */
const HEADROOM = 130
const SLOT_SIZES = [2112, 16384, 131072] as const
/** Little, as there may be many arenas: one that needs 4 MiB has doubled six times, and is as fast from then on. */
const INITIAL_BYTES = 1 << 16

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
  #handles = new Int32Array(256)
  #size = 0

  get size(): number {
    return this.#size
  }

  push(handle: FrameHandle): void {
    if (this.#size === this.#handles.length) this.#double()
    this.#handles[this.#size++] = handle
  }

  /** -1 where there is none. */
  pop(): FrameHandle {
    return this.#size === 0 ? -1 : this.#handles[--this.#size]!
  }

  #double(): void {
    const larger = new Int32Array(this.#handles.length * 2)
    larger.set(this.#handles)
    this.#handles = larger
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

  /** Frames allocated and not yet released. */
  get live(): number {
    return this.#free.reduce((live, { size }) => live - size, this.#handles)
  }

  /**
   * A frame of `length` bytes whose contents are whatever lay there before.
   * @throws RangeError for more than MAX_FRAME_LENGTH.
   */
  allocate(length: number): FrameHandle {
    let handle = length + HEADROOM <= SLOT_SIZES[0] ? this.#small.pop() : -1
    if (handle < 0) handle = this.#otherSlot(length)
    this.offset[handle] = this.#slotStart[handle]! + HEADROOM
    this.length[handle] = length
    this.id[handle] = 0
    this.trail[handle] = -1
    this.instant[handle] = 0
    this.packetType[handle] = 0
    return handle
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
    for (let index = 0; index < count; index++) frames[index] = this.allocate(lengths[index]!)
    const { words, offset } = this
    for (let index = 0; index < count; index++) {
      const at = starts[index]!
      const end = (at + lengths[index]! + 3) >> 2
      let from = at >> 2
      let to = offset[frames[index]!]! >> 2
      for (; from + 8 <= end; from += 8, to += 8) {
        words[to] = source[from]!
        words[to + 1] = source[from + 1]!
        words[to + 2] = source[from + 2]!
        words[to + 3] = source[from + 3]!
        words[to + 4] = source[from + 4]!
        words[to + 5] = source[from + 5]!
        words[to + 6] = source[from + 6]!
        words[to + 7] = source[from + 7]!
      }
      while (from < end) words[to++] = source[from++]!
    }
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
    for (let index = start; index < end; index++) this.release(frames[index]!)
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
    const slotClass = length + HEADROOM <= SLOT_SIZES[0] ? 0 : length + HEADROOM <= SLOT_SIZES[1] ? 1 : 2
    const free = this.#free[slotClass]!.pop()
    return free < 0 ? this.#newSlot(slotClass) : free
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

  #doubleBytes(): void {
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
