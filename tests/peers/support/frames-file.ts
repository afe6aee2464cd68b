import { writeFileSync } from 'node:fs'
import { PcapWriter } from '../../../protocols/capture/pcap-writer.ts'
import { concatenated } from '../../support/capture-files.ts'

/** A capture of the frames, each a microsecond after the other, for a peer to read. Returns its path. */
export function writeFrames(path: string, frames: readonly Uint8Array[]): string {
  const parts: Uint8Array[] = []
  const writer = new PcapWriter((bytes) => parts.push(bytes))
  for (const [at, bytes] of frames.entries()) writer.write(BigInt(at) * 1000n, bytes)
  writeFileSync(path, concatenated(parts))
  return path
}
