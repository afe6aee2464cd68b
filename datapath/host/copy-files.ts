// What a live host copies into files for mirrors: pcapng in one folder, of bounded size. The disk never keeps a frame from where it goes:
// copies that it does not take are counted and said.

import { join } from 'node:path'
import { viewOf } from '../../protocols/bytes.ts'
import type { CopySource } from '../../protocols/capture/copies-writer.ts'
import { CopiesWriter } from '../../protocols/capture/copies-writer.ts'
import { ENHANCED_PACKET } from '../../protocols/capture/pcapng-format.ts'
import type { Clock, Nanoseconds, Timer } from '../../runtime/clock.ts'
import { SECOND } from '../../runtime/clock.ts'
import { textOf } from '../../runtime/error-text.ts'
import { RotatingFile } from '../../runtime/rotating-file.ts'
import { wallMicroseconds } from '../../runtime/wall-clock.ts'

export interface CopyFilesOptions {
  clock: Clock
  folder: string
  /** Bytes of a file, beyond which the next begins. */
  size: number
  /** Of each mirror: the older ones end in `.1` and so on. */
  files: number
  warn: (line: string) => void
}

/** How long copies wait in memory, where the disk is there. */
const FLUSHED_AFTER = SECOND / 2
/** While the disk takes nothing, that is said so often. */
const SAID_EVERY: Nanoseconds = 60 * SECOND
/** As topologies have them; another is no place to write to, whoever names it. */
const SOUND = /^[A-Za-z0-9][A-Za-z0-9._-]*[.]pcapng$/

interface CopyFile {
  readonly file: RotatingFile
  writer: CopiesWriter | undefined
  size: number
}

export class CopyFiles {
  readonly #options: CopyFilesOptions
  readonly #files = new Map<string, CopyFile>()
  #timer: Timer | undefined
  #lost = 0
  #saidAt = -Infinity
  #said = 0

  constructor(options: CopyFilesOptions) {
    this.#options = options
  }

  /** False where the copy is not kept. */
  write(name: string, source: CopySource, bytes: Uint8Array): boolean {
    const one = this.#fileOf(name)
    if (one === undefined) return false
    const before = this.#lost
    if (one.size >= this.#options.size) {
      one.file.rotate()
      one.writer = undefined
    }
    one.writer ??= this.#begin(one)
    one.writer.write(source, BigInt(wallMicroseconds()) * 1000n, bytes)
    this.#flushSoon()
    return this.#lost === before
  }

  async close(): Promise<void> {
    this.#timer?.cancel()
    await Promise.all([...this.#files.values()].map(({ file }) => file.close()))
    if (this.#lost > this.#said) this.#say('the disk took no more')
  }

  #fileOf(name: string): CopyFile | undefined {
    const known = this.#files.get(name)
    if (known !== undefined || !SOUND.test(name)) return known
    const { folder, files } = this.#options
    const gaveUp = (why: unknown, blocks: number) => this.#lose(blocks, textOf(why))
    const made = { file: new RotatingFile({ path: join(folder, name), files, gaveUp }), writer: undefined, size: 0 }
    this.#files.set(name, made)
    return made
  }

  #begin(one: CopyFile): CopiesWriter {
    one.size = 0
    return new CopiesWriter((block) => {
      one.size += block.length
      // Without the others nothing after them can be read.
      const isFrame = viewOf(block).getUint32(0, true) === ENHANCED_PACKET
      if (!one.file.write(block, !isFrame)) this.#lose(1, 'too many wait for the disk')
    })
  }

  #flushSoon(): void {
    const { clock } = this.#options
    this.#timer ??= clock.schedule(clock.now() + FLUSHED_AFTER, () => {
      this.#timer = undefined
      for (const { file } of this.#files.values()) void file.flush()
    })
  }

  #lose(copies: number, why: string): void {
    this.#lost += copies
    if (this.#options.clock.now() >= this.#saidAt + SAID_EVERY) this.#say(why)
  }

  #say(why: string): void {
    this.#saidAt = this.#options.clock.now()
    this.#said = this.#lost
    this.#options.warn(`${this.#options.folder}: ${this.#lost} copies of mirrors not written; ${why}`)
  }
}
