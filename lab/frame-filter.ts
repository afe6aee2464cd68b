// A match in flow syntax, asked of a frame's bytes: `ip,nw_src=10.0.0.1`.

import { extractKey } from '../datapath/flow-key.ts'
import { packMatch } from '../datapath/packed-match.ts'
import { FrameArena } from '../datapath/frames.ts'
import { KEY_WORDS } from '../protocols/fields.ts'
import { parseMatch } from '../protocols/flow-text/parse.ts'

export type FrameTest = (bytes: Uint8Array) => boolean

/** @throws FlowSyntaxError where `text` is not a match. */
export function frameFilter(text: string): FrameTest {
  const { value, mask } = packMatch(parseMatch(text))
  const arena = new FrameArena()
  const key = new Uint32Array(KEY_WORDS)
  return (bytes) => {
    const frame = arena.allocateFrom(bytes)
    extractKey(arena, frame, 0, key)
    arena.release(frame)
    return key.every((word, index) => (word & mask[index]!) >>> 0 === value[index])
  }
}
