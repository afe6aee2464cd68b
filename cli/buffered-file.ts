import { closeSync, openSync, writeSync } from 'node:fs'

const BLOCK = 1 << 20

/** A file written from code that can't wait: bytes gather in memory and go out in blocks. */
export class BufferedFile {
  readonly #descriptor: number
  #pending: Uint8Array[] = []
  #size = 0

  /** @throws the system's error where the file can't be made */
  constructor(path: string) {
    this.#descriptor = openSync(path, 'w')
  }

  write(bytes: Uint8Array): void {
    this.#pending.push(bytes)
    this.#size += bytes.length
    if (this.#size >= BLOCK) this.#flush()
  }

  close(): void {
    this.#flush()
    closeSync(this.#descriptor)
  }

  #flush(): void {
    const block = Buffer.concat(this.#pending)
    this.#pending = []
    this.#size = 0
    for (let at = 0; at < block.length;) at += writeSync(this.#descriptor, block, at)
  }
}
