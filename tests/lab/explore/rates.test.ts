// What a limited vNIC is let hear counts as of when its port lets it out: a guest that has stood still hears it later, and at once.

import { expect, test } from 'vitest'
import { Rates } from '../../../lab/explore/rates.ts'
import { Lab } from '../../../lab/lab.ts'
import { MILLISECOND, type Nanoseconds } from '../../../runtime/clock.ts'
import { seeded } from '../../../runtime/random.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import type { Topology } from '../../../topologies/topology.ts'
import { parseTopology } from '../../../topologies/load.ts'
import { blueGuest } from '../../support/blue-guests.ts'
import { frameOf } from '../../support/timed-traffic.ts'

const FRAME = new Uint8Array(1000)
/** At the rate. */
const ONE_FRAME = 8 * MILLISECOND
const LISTENER = 'listener:eth0'

const limited = (egressRate: string, egressBurst: string): Topology =>
  parseTopology(
    JSON.stringify({
      version: 1,
      hosts: [{ name: 'h1' }],
      networks: [{ name: 'blue', type: 'vlan', segment: 10 }],
      vms: [
        blueGuest('speaker', 'h1', 1, ['10.0.0.1'], {}),
        blueGuest('listener', 'h1', 2, ['10.0.0.2'], { egressRate, egressBurst }),
      ],
    }),
    'limited.json',
  )

/** Frames are let out at these instants, and heard at the last of them, or later. */
function play(letOut: readonly number[]): Rates {
  const rates = new Rates(limited('1Mbps', '8kb'))
  for (const id of letOut.keys()) rates.sent(0, 'speaker:eth0', id)
  for (const [id, at] of letOut.entries()) rates.letOut(at, LISTENER, id, FRAME)
  for (const id of letOut.keys()) rates.heard(letOut.at(-1)! + MILLISECOND, LISTENER, id, FRAME)
  return rates
}

test('what ports let out in its time may be heard at once', () => {
  expect(play([0, 0, ONE_FRAME, 2 * ONE_FRAME, 3 * ONE_FRAME]).excess()).toBeUndefined()
})

test('a frame a microsecond before its time is a bit too many', () => {
  expect(play([0, 0, ONE_FRAME - 1000]).excess()).toBe(
    `${LISTENER} has been let hear 1 bits more than 1000000 bits a second and a burst of 8000 allow`,
  )
})

test('a stream may be longer than what one call takes', () => {
  const stream = Array.from({ length: 200_000 }, (_, number) => number * ONE_FRAME)
  expect(play(stream).excess()).toBeUndefined()
})

/** 0.9 ms apart on average, where each takes 1.14 of them at the rate. */
const DATAGRAMS = 60
const LONGEST_GAP = 1.8 * MILLISECOND
const PAYLOAD = 1000 - 42

test.each([1, 2, 3, 4, 5])('a port that lets out at once what it may keeps to its rate (seed %i)', async (seed) => {
  const topology = limited('7Mbps', '24kb')
  const [clock, rates, random] = [new VirtualClock(), new Rates(topology), seeded(seed)]
  const letOut: Nanoseconds[] = []
  const observer = {
    sent: (at: Nanoseconds, nic: string, id: number) => rates.sent(at, nic, id),
    letOut: (at: Nanoseconds, nic: string, id: number, bytes: Uint8Array) => {
      rates.letOut(at, nic, id, bytes)
      letOut.push(at)
    },
  }
  const lab = await Lab.start(topology, { clock, seed, observer })
  let last = clock.now()
  const said = Array.from({ length: DATAGRAMS }, () => (last += random.below(LONGEST_GAP)))
  for (const [number, at] of said.entries()) {
    const frame = frameOf({ at, from: 1, to: 2, payload: PAYLOAD }, number)
    clock.schedule(at, () => lab.inject('speaker:eth0', frame, 'test'))
  }
  await clock.run(last + DATAGRAMS * LONGEST_GAP)
  expect(letOut).toHaveLength(DATAGRAMS)
  expect(letOut.filter((at, number) => at > said[number]!).length).toBeGreaterThan(DATAGRAMS / 10)
  expect(rates.excess()).toBeUndefined()
})
