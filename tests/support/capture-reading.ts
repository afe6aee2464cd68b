import { CaptureDamaged, readCapture } from '../../protocols/capture/capture.ts'
import type { CapturedFrame } from '../../protocols/capture/capture.ts'

export interface Reading {
  frames: CapturedFrame[]
  damage: CaptureDamaged | undefined
}

/** Everything that can be read of a file that arrives in `chunks`. Anything thrown but CaptureDamaged is thrown on. */
export async function readAll(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Reading> {
  const frames: CapturedFrame[] = []
  try {
    for await (const batch of readCapture(asynchronous(chunks)))
      for (const frame of batch) frames.push({ ...frame, bytes: frame.bytes.slice() })
  } catch (error) {
    if (error instanceof CaptureDamaged) return { frames, damage: error }
    throw error
  }
  return { frames, damage: undefined }
}

async function* asynchronous(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* chunks
}

/** `file` in pieces, each of the next `pieceSize` and in memory that is scribbled over once the next is asked for. */
export function* inPieces(file: Uint8Array, pieceSize: () => number): Generator<Uint8Array> {
  for (let at = 0; at < file.length;) {
    const piece = file.slice(at, at + pieceSize())
    at += piece.length
    yield piece
    piece.fill(0xdd)
  }
}
