// A file of bounded size, written by code that can not wait: blocks gather in memory and are written when the disk has time. The file before
// it is kept as `NAME.1`, the one before that as `NAME.2`, and so on. What the disk does not take is given up, never waited for.

import type { FileHandle } from 'node:fs/promises'
import { lstat, open, rename, unlink } from 'node:fs/promises'

/** What is gathered before it is written, but for `flush`; and what may wait for the disk at most. */
const CHUNK = 1 << 18
const MOST_WAITING = 1 << 23

export interface RotatingFileOptions {
  path: string
  /** How many there are at most, the one that is written among them. */
  files: number
  /** Told why blocks have been given up, and how many, each time that the disk takes none. */
  gaveUp: (why: unknown, blocks: number) => void
}

interface Block {
  bytes: Uint8Array
  /** What comes later can not be read without it: it is never given up. */
  isNeeded: boolean
  /** It is the first of a new file. */
  begins: boolean
}

export class RotatingFile {
  readonly #options: RotatingFileOptions
  #handle: FileHandle | undefined
  /** Of the file that is open, up to the last whole block. */
  #size = 0
  #waiting: Block[] = []
  #waitingSize = 0
  #work: Promise<void> | undefined
  #begins = true

  constructor(options: RotatingFileOptions) {
    this.#options = options
  }

  /** What is written from now on is another file's. */
  rotate(): void {
    this.#begins = true
  }

  /** False where too much waits for the disk: the block is given up. */
  write(bytes: Uint8Array, isNeeded = false): boolean {
    if (!isNeeded && this.#waitingSize > MOST_WAITING) return false
    this.#waiting.push({ bytes, isNeeded, begins: this.#begins })
    this.#begins = false
    this.#waitingSize += bytes.length
    if (this.#waitingSize >= CHUNK) void this.flush()
    return true
  }

  /** Resolves when what has been written is with the system, or given up. */
  flush(): Promise<void> {
    this.#work ??= this.#writeAll().finally(() => (this.#work = undefined))
    return this.#work
  }

  async close(): Promise<void> {
    await this.flush()
    await this.#handle?.close().catch(() => {})
    this.#handle = undefined
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const next = this.#waiting.findIndex(({ begins }, index) => index > 0 && begins)
      const blocks = this.#waiting.splice(0, next < 0 ? Infinity : next)
      try {
        await this.#writeChunk(blocks)
        this.#waitingSize -= sizeOf(blocks)
      } catch (error) {
        const needed = blocks.filter(({ isNeeded }) => isNeeded)
        this.#waiting.unshift(...needed)
        this.#waitingSize -= sizeOf(blocks) - sizeOf(needed)
        return this.#options.gaveUp(error, blocks.length - needed.length)
      }
    }
  }

  async #writeChunk(blocks: Block[]): Promise<void> {
    if (blocks[0]!.begins) await this.#begin()
    blocks[0]!.begins = false
    const chunk = Buffer.concat(blocks.map(({ bytes }) => bytes))
    try {
      for (let at = 0; at < chunk.length;) {
        const { bytesWritten } = await this.#handle!.write(chunk, at, chunk.length - at, this.#size + at)
        at += bytesWritten
      }
      this.#size += chunk.length
    } catch (error) {
      // Half a block would be read as damage. What follows takes its place.
      await this.#handle!.truncate(this.#size).catch(() => {})
      throw error
    }
  }

  /** The name may be a link to somewhere else by now: an older file is moved away, and a new one made. */
  async #begin(): Promise<void> {
    const { path, files } = this.#options
    if (this.#handle !== undefined) await this.#handle.close()
    this.#handle = undefined
    const nameOf = (age: number) => (age === 0 ? path : `${path}.${age}`)
    if (await isThere(path))
      for (let age = files - 1; age >= 0; age--)
        await ifThere(age === files - 1 ? unlink(nameOf(age)) : rename(nameOf(age), nameOf(age + 1)))
    this.#handle = await open(path, 'wx', 0o600)
    this.#size = 0
  }
}

const sizeOf = (blocks: readonly Block[]): number => blocks.reduce((size, { bytes }) => size + bytes.length, 0)

const isThere = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  )

async function ifThere(change: Promise<void>): Promise<void> {
  try {
    await change
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
