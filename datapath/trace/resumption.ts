// Where a trace is told what the connection tracker says, as with Open vSwitch's `--ct-next`.

import { formatIpv4, formatIpv6 } from '../../protocols/address.ts'
import { CtState, KEY_WORDS, Word, fieldOf } from '../../protocols/fields.ts'
import { formatFlags } from '../../protocols/flow-text/flags.ts'
import { IpProtocol } from '../../protocols/match.ts'
import { TcpFlag } from '../../protocols/packet/tcp.ts'
import type { Tracker, TrackRequest } from '../conntrack/tracker.ts'
import type { FlowKey } from '../flow-key.ts'
import { extractKey, readField, wordOfField } from '../flow-key.ts'
import type { FrameArena, FrameHandle } from '../frames.ts'
import type { Frozen } from '../pipeline/freeze.ts'
import { applySet } from '../rewrite.ts'
import { locate } from '../rewrite/layout.ts'

/** Leaves every frame as it is, and only remembers what was asked. */
export const assumed: Tracker = {
  track: (_arena, frame, request) => [
    { frame, words: new Uint32Array(Word.ctTransportDestination - Word.ctState + 1), seen: request },
  ],
}

interface Assumption {
  isAssumed: boolean
  state: number | undefined
  known: number
}

/**
 * A tracker that takes TCP segments for acknowledgements: those may begin a connection as well as belong to one. The frames
 * keep the flags that they have.
 */
export const acknowledging = (tracker: Tracker): Tracker => ({
  track: (arena, frame, request, before) => {
    const flags = writeFlags(arena, frame, TcpFlag.Ack)
    const tracked = tracker.track(arena, frame, request, before)
    if (flags !== undefined) for (const one of tracked) writeFlags(arena, one.frame, flags)
    return tracked
  },
})

/** With the checksum repaired (RFC 1624). Gives the flags that were there; undefined in what is no TCP segment. */
function writeFlags(arena: FrameArena, frame: FrameHandle, flags: number): number | undefined {
  const { view, transport, protocol } = locate(arena, frame)
  if (transport === 0 || protocol !== IpProtocol.Tcp) return undefined
  const before = view.getUint16(transport + 12)
  const after = (before & 0xf000) | flags
  view.setUint16(transport + 12, after)
  const sum = (~view.getUint16(transport + 16) & 0xffff) + (~before & 0xffff) + after
  view.setUint16(transport + 16, ~((sum + Math.floor(sum / 0x10000)) & 0xffff) & 0xffff)
  return before & 0x0fff
}

export function headingOf(title: string, { tracked }: Frozen, { isAssumed, state, known }: Assumption): string[] {
  if (!tracked) return [title]
  if (isAssumed && state === undefined)
    return [`${title} - resume conntrack with default ct_state=trk|new (use --ct-next to customize)`]
  return [`${title} - resume conntrack with ct_state=${formatState(state ?? known)}`]
}

const CT_STATE = fieldOf('ct_state')
const formatState = (state: number) => formatFlags(CT_STATE, { value: BigInt(state) })

/** As `--ct-next` takes them: `trk,est`, `trk|new`. */
export function parseConnectionState(text: string): number {
  const bits = text.split(/[|, ]+/).reduce((state, name) => state | bitOf(name), 0)
  if ((bits & CtState.Tracked) === 0 && bits !== 0) throw new Error(`ct_state ${text}: the others need "trk"`)
  if ((bits & CtState.New) !== 0 && (bits & CtState.Established) !== 0)
    throw new Error(`ct_state ${text}: "new" and "est" exclude each other`)
  return bits
}

const BITS: Readonly<Record<string, number>> = {
  new: CtState.New,
  est: CtState.Established,
  rel: CtState.Related,
  rpl: CtState.Reply,
  inv: CtState.Invalid,
  trk: CtState.Tracked,
  snat: CtState.SourceNat,
  dnat: CtState.DestinationNat,
}

function bitOf(name: string): number {
  const bit = BITS[name]
  if (bit === undefined) throw new Error(`'${name}' is no ct_state; expected ${Object.keys(BITS).join(', ')}`)
  return bit
}

/** Writes the first address and port that NAT may choose into the frame; gives the lines that tell of it. */
export function pretendNat(arena: FrameArena, frame: FrameHandle, { nat }: TrackRequest): string[] {
  if (nat === undefined) return []
  const family = nat === 'restore' ? undefined : nat.addresses?.family
  const before = describeEnds(arena, frame, family)
  if (nat !== 'restore' && nat.addresses !== undefined) {
    const isSource = nat.direction === 'src'
    const name = family === 4 ? (isSource ? 'nw_src' : 'nw_dst') : isSource ? 'ipv6_src' : 'ipv6_dst'
    const field = fieldOf(name)
    for (let index = 0; index < field.bits / 32; index++)
      applySet(arena, frame, field.word + index, wordOfField(field, nat.addresses.first, index), 0xffffffff)
    const port = nat.ports?.first ?? 0
    if (port !== 0) applySet(arena, frame, isSource ? Word.transportSource : Word.transportDestination, port, 0xffff)
  }
  return [
    'Replacing src/dst IP/ports to simulate NAT:',
    ` Initial flow: ${before}`,
    ` Modified flow: ${describeEnds(arena, frame, family)}`,
  ]
}

function describeEnds(arena: FrameArena, frame: FrameHandle, family: 4 | 6 | undefined): string {
  if (family === undefined) return ''
  const key: FlowKey = new Uint32Array(KEY_WORDS)
  extractKey(arena, frame, 0, key)
  const [source, destination] = [key[Word.transportSource], key[Word.transportDestination]]
  if (family === 4)
    return `nw_src=${formatIpv4(key[Word.ipv4Source])},tp_src=${source},nw_dst=${formatIpv4(key[Word.ipv4Destination])},tp_dst=${destination}`
  const address = (name: 'ipv6_src' | 'ipv6_dst') => `[${formatIpv6(readField(key, fieldOf(name)))}]`
  return `ipv6_src=${address('ipv6_src')},tp_src=${source},ipv6_dst=${address('ipv6_dst')},tp_dst=${destination}`
}
