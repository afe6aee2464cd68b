// What has changed of late. A megaflow's answer holds as of one change; before it is given again, the changes since are held
// against what it was made from. One that touches nothing of it costs some comparisons, once; one that does, the answer. So
// nobody searches the cache when a flow comes or goes, and an answer is never given once it is out of date.

import { Word } from '../../protocols/fields.ts'
import type { Flow } from '../flow.ts'
import type { FlowKey } from '../flow-key.ts'
import { addressName } from './dependencies.ts'
import type { Megaflow } from './megaflow.ts'

export type Change =
  /** It has come or gone, or has other actions. */
  | { type: 'flow'; flow: Flow }
  | { type: 'port'; port: number }
  | { type: 'group'; group: number }
  /** The address is seen elsewhere, or nowhere. */
  | { type: 'address'; vlan: number; mac: number }
  | { type: 'everything' }

type Answered = Pick<Megaflow, 'dependencies' | 'key' | 'mask'>

/** Changes that are remembered. An answer that is older is not worth the comparisons. */
const REMEMBERED = 512

export class Changes {
  /** How many there were. */
  count = 0
  readonly #last: Change[] = []

  note(change: Change): void {
    this.#last[this.count++ % REMEMBERED] = change
  }

  /** Whether the megaflow's answer, which held as of that change, may be another now, for any of its frames. */
  touch(megaflow: Answered, asOf: number): boolean {
    if (this.count - asOf > REMEMBERED) return true
    for (let index = asOf; index < this.count; index++)
      if (touches(this.#last[index % REMEMBERED], megaflow)) return true
    return false
  }
}

function touches(change: Change, megaflow: Answered): boolean {
  const { lookups, ports, onAllPorts, groups, addresses } = megaflow.dependencies
  switch (change.type) {
    case 'flow':
      return lookups.some(
        ({ number, key }) => number === change.flow.spec.table && couldMeet(change.flow, key, megaflow),
      )
    case 'port':
      return onAllPorts || ports.includes(change.port)
    case 'group':
      return groups.includes(change.group)
    case 'address':
      return addresses.includes(addressName(change.vlan, change.mac))
    case 'everything':
      return true
  }
}

/**
 * Whether the flow could match what was looked up, for some frame of the megaflow: `seen` is what it was for the first of them. All
 * have the bits of the mask in common, and what was written to the key since; of a conjunction's number nothing is known.
 */
function couldMeet({ mask: { words, bits }, values }: Flow, seen: FlowKey, { key, mask }: Answered): boolean {
  for (let index = 0; index < words.length; index++) {
    const word = words[index]
    const common = mask.bits[word] | (seen[word] ^ key[word])
    if (((seen[word] ^ values[index]) & bits[index] & common) !== 0 && word !== Word.conjunctionId) return false
  }
  return true
}
