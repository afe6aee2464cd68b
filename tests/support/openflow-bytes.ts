// Parts of OpenFlow messages as bytes: written, read, and damaged.

import type { Action, Instructions } from '../../protocols/control/messages.ts'
import { Refused } from '../../protocols/control/refused.ts'
import { ByteReader } from '../../protocols/openflow/byte-reader.ts'
import { ByteWriter } from '../../protocols/openflow/byte-writer.ts'
import type { Random } from '../../runtime/random.ts'

/** The bytes of `80000a02 0800`; blanks are for the reader. */
export const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))

export function written(write: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter()
  write(writer)
  return writer.take()
}

/** What `read` makes of all the bytes. */
export const readAll = <T>(bytes: Uint8Array, read: (reader: ByteReader) => T): T => read(new ByteReader(bytes))

/** The code of the refusal; 'taken' where there is none. Any other error goes on. */
export function codeOf(work: () => unknown): string {
  try {
    work()
    return 'taken'
  } catch (error) {
    if (error instanceof Refused) return error.code
    throw error
  }
}

/** Cut short, or with up to three bytes or bits changed. */
export function damaged(random: Random, bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0) return bytes
  if (random.below(4) === 0) return bytes.subarray(0, random.below(bytes.length))
  const copy = bytes.slice()
  for (let change = 0; change <= random.below(3); change++) {
    const at = random.below(copy.length)
    copy[at] = random.below(2) === 0 ? random.below(256) : copy[at]! ^ (1 << random.below(8))
  }
  return copy
}

const isOfOpenFlow10 = ({ type }: Action) => type === 'set_vlan_vid' || type === 'set_vlan_pcp' || type === 'set_tunnel'

/** Without what OpenFlow 1.3 says in other words, in clones too. */
export const spokenAsTheyAre = (actions: readonly Action[]): Action[] =>
  actions
    .filter((action) => !isOfOpenFlow10(action))
    .map((action) => (action.type === 'clone' ? { ...action, actions: spokenAsTheyAre(action.actions) } : action))

export const spokenInstructions = (instructions: Instructions): Instructions => ({
  ...instructions,
  apply: spokenAsTheyAre(instructions.apply),
  write: spokenAsTheyAre(instructions.write),
})
