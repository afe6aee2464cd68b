// What a limited vNIC is let hear counts as of when its port lets it out: a guest that has stood still hears it later, and at once.

import { expect, test } from 'vitest'
import { Rates } from '../../../lab/explore/rates.ts'
import { MILLISECOND } from '../../../runtime/clock.ts'
import { parseTopology } from '../../../topologies/load.ts'
import { blueGuest } from '../../support/blue-guests.ts'

const FRAME = new Uint8Array(1000)
/** At the rate. */
const ONE_FRAME = 8 * MILLISECOND
const LISTENER = 'listener:eth0'

const topology = parseTopology(
  JSON.stringify({
    version: 1,
    hosts: [{ name: 'h1' }],
    networks: [{ name: 'blue', type: 'vlan', segment: 10 }],
    vms: [
      blueGuest('speaker', 'h1', 1, ['10.0.0.1'], {}),
      blueGuest('listener', 'h1', 2, ['10.0.0.2'], { egressRate: '1Mbps', egressBurst: '8kb' }),
    ],
  }),
  'limited.json',
)

/** Frames are let out at these instants, and heard at the last of them, or later. */
function play(letOut: readonly number[]): Rates {
  const rates = new Rates(topology)
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
