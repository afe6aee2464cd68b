// Datagrams that guests send at given instants, while guests move: when each entered, was let out, and was heard.

import type { MigrationStatus } from '../../controller/model.ts'
import { Lab } from '../../lab/lab.ts'
import { parseIpv4, parseMac } from '../../protocols/address.ts'
import { IpProtocol } from '../../protocols/match.ts'
import { udpFrame } from '../../protocols/packet/compose.ts'
import { MILLISECOND, type Nanoseconds } from '../../runtime/clock.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import type { Topology } from '../../topologies/topology.ts'
import { carryOut, type Moves } from './random-moves.ts'

/** Guests are those of `blueGuest`, by their serial numbers. */
export interface Datagram {
  at: Nanoseconds
  from: number
  to: number
  /** Octets: two at least. */
  payload: number
  dscp?: number
}

export interface Passage {
  datagram: Datagram
  /** When it entered: its guest may have stood still before. */
  at: Nanoseconds
  bits: number
  /** When the port of its hearer let it out: that may stand still, and hear it later. -1 where none has. */
  letOutAt: Nanoseconds
  /** -1 where it has not been heard; how many had been before. */
  heardAt: Nanoseconds
  heardAs: number
}

export interface Outcome {
  /** By the datagram's number, those that have entered in the order in which they did. */
  passages: ReadonlyMap<number, Passage>
  /** The instant from which theirs are counted. */
  begun: Nanoseconds
  moved: number
  migrations: readonly MigrationStatus[]
  lab: Lab
}

/** The datagrams are in the order of their instants. In the end all has come to rest, and the judge has settled what it saw. */
export async function playDatagrams(
  topology: Topology,
  datagrams: readonly Datagram[],
  moves: readonly Moves[],
): Promise<Outcome> {
  const clock = new VirtualClock()
  const passages = new Map<number, Passage>()
  let heard = 0
  const observer = {
    sent: (at: Nanoseconds, _nic: string, _id: number, bytes: Uint8Array) => {
      const number = numberIn(bytes)
      const datagram = datagrams[number]
      if (datagram !== undefined)
        passages.set(number, { datagram, at, bits: 8 * bytes.length, letOutAt: -1, heardAt: -1, heardAs: -1 })
    },
    letOut: (at: Nanoseconds, _nic: string, _id: number, bytes: Uint8Array) => {
      const passage = passages.get(numberIn(bytes))
      if (passage !== undefined) passage.letOutAt = at
    },
    heard: (at: Nanoseconds, _nic: string, _id: number, bytes: Uint8Array) => {
      const passage = passages.get(numberIn(bytes))
      if (passage !== undefined) Object.assign(passage, { heardAt: at, heardAs: heard++ })
    },
  }
  const lab = await Lab.start(topology, { clock, seed: 1, observer })
  const begun = clock.now()
  for (const [number, one] of datagrams.entries())
    clock.schedule(begun + one.at, () => lab.inject(`vm${one.from}:eth0`, frameOf(one, number), 'test'))
  const moved = await clock.runUntil(Promise.all(moves.map((one) => carryOut(lab, one))))
  await clock.run(Math.max(clock.now(), begun + datagrams.at(-1)!.at) + 600 * MILLISECOND)
  lab.judge.finish(new Set(lab.network.heldFrames()))
  return {
    passages,
    begun,
    moved: moved.reduce((sum, one) => sum + one, 0),
    migrations: lab.controller.migrations(),
    lab,
  }
}

/** Those that have been heard, in that order, by number. */
export const inOrder = ({ passages }: Outcome): [number, Passage][] =>
  [...passages].filter(([, { heardAs }]) => heardAs >= 0).sort(([, one], [, other]) => one.heardAs - other.heardAs)

/** The numbers of what has been heard, in that order, by who said it to whom and its DSCP: frames of two DSCPs may overtake each other. */
export function heardOfEach(outcome: Outcome): Record<string, number[]> {
  const heard: Record<string, number[]> = {}
  for (const [number, { datagram: one }] of inOrder(outcome))
    (heard[`vm${one.from} to vm${one.to}, dscp ${one.dscp ?? 0}`] ??= []).push(number)
  return heard
}

const UDP_PAYLOAD = 14 + 20 + 8

export function frameOf({ from, to, payload, dscp = 0 }: Datagram, number: number): Uint8Array {
  const octets = new Uint8Array(payload)
  octets.set([number >> 8, number & 0xff])
  return udpFrame({
    ethSrc: parseMac(`02:00:00:00:00:0${from}`),
    ethDst: parseMac(`02:00:00:00:00:0${to}`),
    ipSrc: parseIpv4(`10.0.0.${from}`),
    ipDst: parseIpv4(`10.0.0.${to}`),
    // Of one flow, frames of two DSCPs would be out of order for the judge.
    srcPort: 1 + dscp,
    dstPort: 2,
    dscp,
    payload: octets,
  })
}

/** -1 where it is none of these: an announcement, say. */
const numberIn = (bytes: Uint8Array): number =>
  bytes[23] === IpProtocol.Udp ? (bytes[UDP_PAYLOAD]! << 8) | bytes[UDP_PAYLOAD + 1]! : -1
