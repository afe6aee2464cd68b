// What the mirrors of a run write: each file once, whatever host has made the copies, on the clock of the run.

import { CopiesWriter } from '../../protocols/capture/copies-writer.ts'
import type { LabObserver } from '../lab.ts'

/** `open` makes a file of this name, when its first copy comes. */
export function copiesObserver(open: (file: string) => (bytes: Uint8Array) => void): LabObserver {
  const writers = new Map<string, CopiesWriter>()
  return {
    captured: (at, file, source, bytes) => {
      let writer = writers.get(file)
      if (writer === undefined) writers.set(file, (writer = new CopiesWriter(open(file))))
      writer.write(source, BigInt(at), bytes)
    },
  }
}
