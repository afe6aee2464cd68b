// Whatever goes wrong ends here as a sentence and an exit code.

import { existsSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { CommanderError } from 'commander'
import { formatProblems, InvalidInput } from '../topologies/problems.ts'

export const EXIT_WRONG_INPUT = 2

const EXIT_SUPERSEDED = 4

/** Another controller is in charge, and a further start would only quarrel with it. */
export class Superseded extends Error {}

export const EXIT_LEGEND = `
Exit codes:
  0  everything held
  1  an expectation failed: something leaked, was lost, doubled or out of order
  2  the input is wrong; the message says which file, where, and what was expected
  3  nothing was checked`

const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EPERM: 'the system does not permit that',
  EISDIR: 'is a folder; a file was expected',
  ENOTDIR: 'is not in a folder',
  EROFS: 'nothing can be written there: the file system is read-only',
  EEXIST: 'is there already',
  EADDRINUSE: 'the address is in use',
  EADDRNOTAVAIL: 'no interface has this address',
  ECONNREFUSED: 'nobody listens there; is it running?',
  ENOTFOUND: 'there is no host of this name',
  ENOSPC: 'no space left on the device',
}

/** Prints what went wrong for people. @returns the exit code */
export function reportFailure(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_WRONG_INPUT
  process.stderr.write(`signalbox: ${sentence(error)}\n`)
  return error instanceof Superseded ? EXIT_SUPERSEDED : EXIT_WRONG_INPUT
}

/** What the system says is wrong, in words of ours where there are some. */
export const systemReason = ({ code, message }: NodeJS.ErrnoException): string =>
  (code === undefined ? undefined : SYSTEM_ERRORS[code]) ?? message

function sentence(error: unknown): string {
  if (error instanceof InvalidInput) return formatProblems(error.problems)
  if (!(error instanceof Error)) return String(error)
  const { code, path = placeOf(error) } = error as NodeJS.ErrnoException
  const known = code === undefined ? undefined : SYSTEM_ERRORS[code]
  if (path !== undefined && isMissing(code, path)) return `${path}: ${missingPart(path) ?? known}`
  if (known !== undefined) return path === undefined ? known : `${path}: ${known}`
  const isOurs = error.name !== 'TypeError' && error.name !== 'ReferenceError' && error.name !== 'RangeError'
  return isOurs || process.env['SIGNALBOX_DEBUG'] === undefined ? error.message : (error.stack ?? error.message)
}

/** The address that the system complains about. */
function placeOf(error: object): string | undefined {
  if (!('address' in error && 'port' in error)) return undefined
  const address = String(error.address)
  return `${address.includes(':') ? `[${address}]` : address}:${String(error.port)}`
}

/** Where a socket can not be made for want of a folder, the system says that it is not permitted. */
const isMissing = (code: string | undefined, path: string): boolean =>
  code === 'ENOENT' || code === 'ENOTDIR' || (code === 'EACCES' && /^(stream:)?punix:/.test(path))

/** What is not there, or is no folder, on the way to a file or socket; undefined where all the folders are there. */
function missingPart(path: string): string | undefined {
  const folder = dirname(resolve(path.replace(/^(stream:)?p?unix:/, '')))
  if (!existsSync(folder)) return `no such folder: ${folder}`
  return statSync(folder).isDirectory() ? undefined : `${folder} is a file; a folder was expected`
}
