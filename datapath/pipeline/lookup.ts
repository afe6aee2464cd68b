// What a table is shown of a frame.

import type { FragmentHandling } from '../../protocols/control/messages.ts'
import { KEY_WORDS, Word } from '../../protocols/fields.ts'
import { EtherType } from '../../protocols/match.ts'
import type { Flow } from '../flow.ts'
import { Fragment } from '../flow-key.ts'
import type { FlowKey } from '../flow-key.ts'
import type { FlowTable } from '../flow-table.ts'
import type { Translation } from './translation.ts'

export interface View {
  /** The frame is taken to have come in here. */
  port: number
  /** The connection's tuple stands in the place of the frame's. */
  swapped: boolean
  fragments: FragmentHandling
}

/**
 * As Open vSwitch does by default (`ovs-ofctl set-frags normal`), no flow sees the ports of a fragment, be it the first; with
 * nx-match those of the first are seen.
 */
export function findFlow(
  frame: Translation,
  table: Pick<FlowTable, 'lookup'>,
  { port, swapped, fragments }: View,
): Flow | undefined {
  const { key } = frame
  const ownPort = key[Word.inPort]
  const source = key[Word.transportSource]
  const destination = key[Word.transportDestination]
  key[Word.inPort] = port
  if (fragments !== 'nx-match' && (key[Word.fragment] & Fragment.Any) !== 0)
    key[Word.transportSource] = key[Word.transportDestination] = 0
  const flow = swapped ? findSwapped(frame, table) : table.lookup(key, frame.consulted)
  if (areLookedAt(frame.consulted)) frame.consultWord(Word.fragment)
  key[Word.inPort] = ownPort
  key[Word.transportSource] = source
  key[Word.transportDestination] = destination
  return flow
}

/** Whether any flow cares for ports, and so for fragments. */
const areLookedAt = (consulted: Uint32Array) =>
  (consulted[Word.transportSource] | consulted[Word.transportDestination]) !== 0 ||
  (consulted[Word.ctTransportSource] | consulted[Word.ctTransportDestination]) !== 0

/** Whether there is a tuple to look up by: `resubmit(,1,ct)`. */
export function canSwap(frame: Translation): boolean {
  const type = frame.read(Word.etherType)
  return (type === EtherType.Ipv4 || type === EtherType.Ipv6) && frame.read(Word.ctProtocol) !== 0
}

/** What was consulted in the places of the frame's tuple was the connection's, and the other way round. */
function findSwapped(frame: Translation, table: Pick<FlowTable, 'lookup'>): Flow | undefined {
  const { key, consulted } = frame
  const isIpv4 = key[Word.etherType] === EtherType.Ipv4
  SEEN.fill(0)
  swapTuple(key, isIpv4)
  const flow = table.lookup(key, SEEN)
  swapTuple(key, isIpv4)
  swapTuple(SEEN, isIpv4)
  for (let word = 0; word < KEY_WORDS; word++) consulted[word] |= SEEN[word]
  return flow
}

const SEEN = new Uint32Array(KEY_WORDS)

function swapTuple(words: FlowKey, isIpv4: boolean): void {
  swap(words, Word.protocol, Word.ctProtocol, 1)
  if (isIpv4) {
    swap(words, Word.ipv4Source, Word.ctIpv4Source, 1)
    swap(words, Word.ipv4Destination, Word.ctIpv4Destination, 1)
  } else {
    swap(words, Word.ipv6Source, Word.ctIpv6Source, 4)
    swap(words, Word.ipv6Destination, Word.ctIpv6Destination, 4)
  }
  swap(words, Word.transportSource, Word.ctTransportSource, 1)
  swap(words, Word.transportDestination, Word.ctTransportDestination, 1)
}

function swap(words: FlowKey, a: number, b: number, count: number): void {
  for (let index = 0; index < count; index++) {
    const kept = words[a + index]
    words[a + index] = words[b + index]
    words[b + index] = kept
  }
}
