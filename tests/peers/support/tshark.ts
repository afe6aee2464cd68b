// Wireshark's dissector as a witness: what it makes of a capture, field by field.

import { execFileSync } from 'node:child_process'

const LARGEST_OUTPUT = 256 * 1024 * 1024
const CHECKSUMS = ['ip', 'udp', 'tcp'].flatMap((protocol) => ['-o', `${protocol}.check_checksum:TRUE`])

/** One row per frame that passes `filter`, one column per field; several values of a field are joined with commas. */
export function tsharkFields(path: string, filter: string, fields: readonly string[]): string[][] {
  const columns = fields.flatMap((field) => ['-e', field])
  return tshark('-r', path, '-Y', filter, ...CHECKSUMS, '-T', 'fields', ...columns)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t'))
}

/** How many frames pass `filter`. */
export const tsharkCount = (path: string, filter: string): number => tsharkFields(path, filter, ['frame.number']).length

const tshark = (...words: string[]) =>
  execFileSync('tshark', ['-n', ...words], {
    encoding: 'utf8',
    maxBuffer: LARGEST_OUTPUT,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
