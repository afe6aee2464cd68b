// What the classifier is measured beside: tuple space search (Srinivasan, Suri and Varghese, SIGCOMM 1999) as it was here before. One
// hash table for each mask, asked in the order of their highest priorities until none left could do better.

import type { Flow } from '../datapath/flow.ts'
import type { FlowKey } from '../datapath/flow-key.ts'
import { KEY_WORDS } from '../protocols/fields.ts'
import { meets, type CompactMask } from '../datapath/packed-match.ts'

interface Group {
  mask: CompactMask
  highestPriority: number
  /** By hash; of one hash, highest priority first. */
  buckets: Map<number, Flow[]>
}

export class TupleSpace {
  readonly #groups: Group[]

  constructor(flows: readonly Flow[]) {
    const groups = new Map<CompactMask, Group>()
    for (const flow of flows.toSorted((a, b) => b.spec.priority - a.spec.priority)) {
      const { mask, spec } = flow
      let group = groups.get(mask)
      if (group === undefined) groups.set(mask, (group = { mask, highestPriority: spec.priority, buckets: new Map() }))
      const hash = hashOf(mask.bits, flow.values, IDENTITY)
      const bucket = group.buckets.get(hash)
      if (bucket === undefined) group.buckets.set(hash, [flow])
      else bucket.push(flow)
    }
    this.#groups = [...groups.values()]
  }

  lookup(key: FlowKey, consulted: Uint32Array): Flow | undefined {
    let best: Flow | undefined
    for (const { mask, highestPriority, buckets } of this.#groups) {
      if (best !== undefined && highestPriority <= best.spec.priority) break
      for (let index = 0; index < mask.words.length; index++) consulted[mask.words[index]!]! |= mask.bits[index]!
      const found = buckets.get(hashOf(mask.bits, key, mask.words))?.find((flow) => meets(key, flow))
      if (found !== undefined && found.spec.priority > (best?.spec.priority ?? -1)) best = found
    }
    return best
  }
}

const IDENTITY = Uint8Array.from({ length: KEY_WORDS }, (_, index) => index)

/** MurmurHash3 without its end. */
function hashOf(bits: Int32Array, words: ArrayLike<number>, places: Uint8Array): number {
  let hash = 0
  for (let index = 0; index < bits.length; index++) {
    let mixed = Math.imul(words[places[index]!]! & bits[index]!, 0xcc9e2d51)
    mixed = Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593) ^ hash
    hash = (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0
  }
  return hash
}
