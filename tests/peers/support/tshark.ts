// Wireshark's dissector as a witness: what it makes of a capture, field by field.

import { execFileSync } from 'node:child_process'

const LARGEST_OUTPUT = 256 * 1024 * 1024

/** Checksums are verified; nothing is put together across frames, since a capture of many interfaces holds a frame many times. */
const PREFERENCES = [
  'ip.check_checksum:TRUE',
  'udp.check_checksum:TRUE',
  'tcp.check_checksum:TRUE',
  'tcp.desegment_tcp_streams:FALSE',
  'tcp.analyze_sequence_numbers:FALSE',
  'ip.defragment:FALSE',
  'ipv6.defragment:FALSE',
].flatMap((preference) => ['-o', preference])

/** One row per frame that passes `filter`, one column per field; several values of a field are joined with commas. */
export function tsharkFields(path: string, filter: string, fields: readonly string[]): string[][] {
  const columns = fields.flatMap((field) => ['-e', field])
  return tshark('-r', path, '-Y', filter, ...PREFERENCES, '-T', 'fields', ...columns)
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
