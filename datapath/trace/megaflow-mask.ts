// Which bits of a key a cached answer goes by: those that were consulted, without what can not be otherwise.

import { FIELDS, KEY_WORDS, Word } from '../../protocols/fields.ts'
import { EtherType } from '../../protocols/match.ts'
import type { FlowKey } from '../flow-key.ts'

/** A frame comes with nothing in these; read anew, it has what was frozen with it. */
const OURS = FIELDS.filter(({ name }) => /^(pkt_mark|conj_id|actset_output|reg\d+|metadata)$/.test(name))
const ALL_ONES = 0xffffffff

/** What a megaflow says it matches. As in Open vSwitch, the ethertype is among it, and whether IP is a fragment. */
export function maskOf(key: FlowKey, consulted: Uint32Array, isReadAnew: boolean): FlowKey {
  const mask = new Uint32Array(KEY_WORDS)
  mask.set(consulted)
  for (const { word, bits } of OURS) mask.fill(0, word, word + Math.ceil(bits / 32))
  if (!isReadAnew) mask.fill(0, Word.ctState, Word.ctTransportDestination + 1)
  for (let word: number = Word.tunnelId; word <= Word.ctTransportDestination; word++)
    if (key[word] === 0 && mask[word] === ALL_ONES) mask[word] = 0
  mask[Word.inPort] = mask[Word.etherType] = ALL_ONES
  const type = key[Word.etherType]
  if (type === EtherType.Ipv4 || type === EtherType.Ipv6) mask[Word.fragment] = 3
  return mask
}
