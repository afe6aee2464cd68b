// The tokens of the API in a file: names, roles and hashes, and no token.

import { chmodSync, chownSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type { Token } from '../controller/api/tokens.ts'
import { parseTokens } from '../controller/api/tokens.ts'
import type { Log } from '../runtime/log.ts'

const OWNER_ONLY = 0o600
const GROUP_WRITES_OR_OTHERS = 0o027

/** @throws Error that names the file */
export function readTokens(file: string): Token[] {
  const text = readFileSync(file, 'utf8')
  try {
    return parseTokens(text)
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`, { cause: error })
  }
}

/** Changes the file, whole or not at all; of two who want to at the same time, one is refused. A file that is not there is empty. */
export function changeTokens(file: string, change: (tokens: Token[]) => Token[]): void {
  const draft = `${file}.new`
  try {
    writeFileSync(draft, '', { flag: 'wx', mode: OWNER_ONLY })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    throw new Error(`${draft} is there: somebody else changes ${file} now, or was interrupted; then remove it`, {
      cause: error,
    })
  }
  try {
    keepReaders(file, draft)
    writeFileSync(draft, `${JSON.stringify(change(tokensIn(file)), null, 2)}\n`)
    renameSync(draft, file)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
}

/** A service of another user must be able to read the new file as it could the old one. @throws Error where that can not be had */
function keepReaders(file: string, draft: string): void {
  const before = statSync(file, { throwIfNoEntry: false })
  if (before === undefined) return
  const { uid, gid } = statSync(draft)
  try {
    if (uid !== before.uid || gid !== before.gid) chownSync(draft, before.uid, before.gid)
  } catch (error) {
    throw new Error(`${file} belongs to another user or group; ask its owner, or root, to change it`, { cause: error })
  }
  chmodSync(draft, before.mode & 0o777)
}

function tokensIn(file: string): Token[] {
  return statSync(file, { throwIfNoEntry: false }) === undefined ? [] : readTokens(file)
}

/** The tokens as they are in the file now. It is looked at for each request, and read when it has changed. */
export class TokenFile {
  readonly #file: string
  readonly #log: Log
  #tokens: readonly Token[]
  #version: string

  /** @throws Error where the file can not be read */
  constructor(file: string, log: Log) {
    this.#file = file
    this.#log = log
    this.#version = this.#look()
    this.#tokens = readTokens(file)
    this.#warnOfReaders()
  }

  /** Where the file has become unreadable, nobody is let in: whoever was taken out of it must not come back for a slip in it. */
  current(): readonly Token[] {
    const version = this.#look()
    if (version === this.#version) return this.#tokens
    this.#version = version
    try {
      this.#tokens = readTokens(this.#file)
      this.#log.info({}, `${this.#file} has changed: ${this.#tokens.length} tokens`)
      this.#warnOfReaders()
    } catch (error) {
      this.#tokens = []
      this.#log.error({}, `${(error as Error).message}; no token is valid until that is mended`)
    }
    return this.#tokens
  }

  #look(): string {
    const seen = statSync(this.#file, { bigint: true, throwIfNoEntry: false })
    return seen === undefined ? 'none' : [seen.ino, seen.size, seen.mtimeNs, seen.ctimeNs].join(' ')
  }

  /** The group may read it: that is how a service of another user is let. */
  #warnOfReaders(): void {
    const { mode } = statSync(this.#file)
    if ((mode & GROUP_WRITES_OR_OTHERS) === 0) return
    const shown = (mode & 0o777).toString(8)
    this.#log.warn({}, `${this.#file} is open to others (mode ${shown}); chmod g-w,o-rwx ${this.#file}`)
  }
}
