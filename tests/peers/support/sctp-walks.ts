// What two SCTP endpoints say to each other, as one in the middle sees it: random walks through one association after the other
// (RFC 9260 §4), in which the ends keep to the rules while the network loses and repeats.

import { parseIpv4 } from '../../../protocols/address.ts'
import { sctpFrame } from '../../../protocols/packet/compose.ts'
import { SCTP_HEADER_SIZE, sctpChecksum } from '../../../protocols/packet/sctp.ts'
import type { Random } from '../../../runtime/random.ts'
import { oneOf } from '../../support/frames.ts'

/** RFC 9260 §3.2. */
export const Chunk = {
  Data: 0,
  Init: 1,
  InitAck: 2,
  Sack: 3,
  Heartbeat: 4,
  HeartbeatAck: 5,
  Abort: 6,
  Shutdown: 7,
  ShutdownAck: 8,
  CookieEcho: 10,
  CookieAck: 11,
  ShutdownComplete: 14,
} as const

export interface SaidChunk {
  from: 0 | 1
  chunk: number
  /** That the receiver has chosen for itself; 0 of an INIT. */
  tag: number
  /** Of an INIT, or its answer: that which the sender has chosen. */
  chosen: number
}

const SETUP = [
  [0, Chunk.Init],
  [1, Chunk.InitAck],
  [0, Chunk.CookieEcho],
  [1, Chunk.CookieAck],
] as const
const TALK = [Chunk.Data, Chunk.Sack, Chunk.Heartbeat] as const

/** One association from its beginning to some point, its end included. `from` 0 begins it. */
export function sctpWalk(random: Random, length: number): SaidChunk[] {
  const tags = [1 + random.below(0xffff_fff0), 1 + random.below(0xffff_fff0)] as const
  const said: SaidChunk[] = []
  const say = (from: 0 | 1, chunk: number) => {
    const opens = chunk === Chunk.Init || chunk === Chunk.InitAck
    const one = { from, chunk, tag: chunk === Chunk.Init ? 0 : tags[1 - from]!, chosen: opens ? tags[from] : 0 }
    // What is lost behind the tracker is said again.
    for (let times = random.below(6) === 0 ? 2 : 1; times > 0; times--) said.push(one)
  }
  for (const [from, chunk] of SETUP) say(from, chunk)
  while (said.length < length && random.below(12) > 0) {
    const from = random.below(2) as 0 | 1
    const chunk = oneOf(random, TALK)
    say(from, chunk)
    if (chunk === Chunk.Heartbeat) say(from === 0 ? 1 : 0, Chunk.HeartbeatAck)
  }
  const [closer, other] = random.below(2) === 0 ? ([0, 1] as const) : ([1, 0] as const)
  if (random.below(4) === 0) say(closer, Chunk.Abort)
  else {
    say(closer, Chunk.Shutdown)
    say(other, Chunk.ShutdownAck)
    say(closer, Chunk.ShutdownComplete)
  }
  return said.slice(0, length)
}

const ENDS = [
  { ip: parseIpv4('10.0.0.1'), port: 40_000 },
  { ip: parseIpv4('10.0.1.1'), port: 5000 },
] as const

/** `port` is that of whoever begins. */
export function sctpChunkFrame({ from, chunk, tag, chosen }: SaidChunk, port: number = ENDS[0].port): Uint8Array {
  const ends = [{ ...ENDS[0], port }, ENDS[1]]
  const [source, destination] = [ends[from]!, ends[1 - from]!]
  const body = new DataView(new ArrayBuffer(chosen === 0 ? 4 : 20))
  body.setUint8(0, chunk)
  body.setUint16(2, body.byteLength)
  if (chosen !== 0) {
    body.setUint32(4, chosen)
    body.setUint32(8, 0xffff)
    body.setUint16(12, 1)
    body.setUint16(14, 1)
    body.setUint32(16, chosen)
  }
  const frame = sctpFrame({
    ethSrc: 0x020000000002n,
    ethDst: 0x020000000001n,
    ipSrc: source.ip,
    ipDst: destination.ip,
    srcPort: source.port,
    dstPort: destination.port,
    verificationTag: tag,
    payload: new Uint8Array(body.buffer),
  })
  const at = 34
  new DataView(frame.buffer, frame.byteOffset).setUint32(
    at + 8,
    sctpChecksum(frame, at, SCTP_HEADER_SIZE + body.byteLength),
    true,
  )
  return frame
}
