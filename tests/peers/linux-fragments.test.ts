// The same fragments through the connection tracker of the Linux kernel and through ours: both wait until a datagram is whole, and say
// the same of it then. Every case is drawn from its own seed; to repeat one,
//
//   npx vitest run --project peers tests/peers/linux-fragments.test.ts -t '(seed 17)'
//
// To try others, set FIRST_SEED and CASES. Needs what linux-conntrack.test.ts needs.

import { afterAll, expect, test } from 'vitest'
import { parseIpv4 } from '../../protocols/address.ts'
import { IpProtocol } from '../../protocols/match.ts'
import { ipFrame, udpFrame } from '../../protocols/packet/compose.ts'
import { seeded } from '../../runtime/random.ts'
import { fragments4, Traffic } from '../support/connection-traffic.ts'
import { isChosen, seeds } from '../support/seeds.ts'
import { besideLinux } from './support/beside-linux.ts'
import type { Forwarded } from './support/linux-tracker.ts'
import { OwnTracker } from './support/own-tracker.ts'
import { isV4, textOf, wholeText } from './support/packet-text.ts'

const COUNT = 60
const PACKETS = 60

besideLinux('fragments', (rig) => {
  const count = { whole: 0, waiting: 0, repeated: 0 }
  afterAll(() => console.log(JSON.stringify(count)))

  test.each(seeds(COUNT))('in any order, some lost and some twice (seed %i)', async (seed) => {
    const random = seeded(seed)
    const own = ownTracker()
    const traffic = new Traffic(random, random.below(2) === 0 ? 4 : 6, { quotes: 'none', steady: true })
    const frames: Uint8Array[] = []
    const ours: Forwarded[][] = []
    while (frames.length < PACKETS) {
      const sayings = traffic.next().filter(({ bytes }) => protocolOf(bytes) !== IpProtocol.Tcp)
      for (const saying of sayings) {
        if (sayings.length > 1 && random.below(20) === 0) continue
        const said = own.forward(saying.bytes)
        frames.push(saying.bytes)
        ours.push(said)
        for (const { bytes } of said) traffic.heard(saying, bytes)
      }
    }
    await rig.linux.forget()
    const theirs = await rig.linux.forward(frames)
    for (const [index, frame] of frames.entries()) {
      const sent = `${index}: ${textOf(frame)}`
      // A second copy of a fragment is invalid here, and gone there.
      const isCopy = isInvalid(ours[index]!) && frames.slice(0, index).some((other) => textOf(other) === textOf(frame))
      const here = isCopy ? outcomeOf([]) : outcomeOf(ours[index]!)
      expect({ sent, ...here }).toEqual({ sent, ...outcomeOf(theirs[index]!) })
      if (isCopy) count.repeated++
      else if (theirs[index]!.length === 0) count.waiting++
      else if (theirs[index]!.length > 1) count.whole++
    }
  })

  /** What each makes of what is sent, one after the other. */
  async function bothMakeOf(frames: readonly Uint8Array[], own = ownTracker()) {
    await rig.linux.forget()
    const theirs = await rig.linux.forward(frames)
    const states = (said: Forwarded[]) => said.map(({ state }) => state)
    return { here: frames.map((frame) => states(own.forward(frame))), there: theirs.map(states) }
  }

  test('small ones are invalid here, where nobody says otherwise', async () => {
    const { here, there } = await bothMakeOf(fragments4(datagram(1000), 404), new OwnTracker())
    expect(here).toEqual([['invalid'], ['invalid'], []])
    expect(there).toEqual([[], [], ['new', 'new', 'new']])
  })

  test('of those that overlap, here the later one is invalid; Linux drops the datagram', async () => {
    const [first, second, third] = fragments4(datagram(1000), 404)
    const [, overlapping] = fragments4(datagram(1000), 380)
    const { here, there } = await bothMakeOf([first!, overlapping!, second!, third!])
    expect(here).toEqual([[], ['invalid'], [], ['new', 'new', 'new']])
    expect(there).toEqual([[], [], [], []])
  })

  test('an error that quotes the first of a datagram is about no connection here', async () => {
    const whole = datagram(1000)
    const [first] = fragments4(whole, 404)
    const error = Uint8Array.of(3, 4, 0, 0, 0, 0, 0x02, 0, ...first!.subarray(14, 14 + 28))
    const about = ipFrame({ ...BACK, protocol: IpProtocol.Icmp, segment: error })
    const { here, there } = await bothMakeOf([whole, about])
    expect([here, there]).toEqual([
      [['new'], ['invalid']],
      [['new'], ['related reply']],
    ])
  })

  test.skipIf(isChosen)('was enough', () => {
    expect(Math.min(count.whole, count.waiting, count.repeated * 10)).toBeGreaterThan(COUNT)
  })
})

/** One that takes in fragments as small as Linux does. */
function ownTracker(): OwnTracker {
  const own = new OwnTracker()
  own.tracker.fragments.smallest = { 4: 0, 6: 0 }
  return own
}

const isInvalid = (said: readonly Forwarded[]) => said.some(({ state }) => state === 'invalid')

interface Outcome {
  states: string[]
  packet: string
}

/** Fragments may be cut anew. */
const outcomeOf = (said: readonly Forwarded[]): Outcome => ({
  states: [...new Set(said.map(({ state }) => state))],
  packet: said.length === 1 ? textOf(said[0]!.bytes) : wholeText(said.map(({ bytes }) => bytes)),
})

const [NEAR, FAR] = [parseIpv4('10.0.0.1'), parseIpv4('10.0.1.1')]
const ETHERNET = { ethSrc: 0x020000000002n, ethDst: 0x020000000001n }
const BACK = { ...ETHERNET, ipSrc: FAR, ipDst: NEAR }

const datagram = (length: number) =>
  udpFrame({
    ...ETHERNET,
    ipSrc: NEAR,
    ipDst: FAR,
    srcPort: 40_000,
    dstPort: 80,
    identification: 7,
    payload: new Uint8Array(length),
  })

const FRAGMENT_HEADER = 44
const protocolOf = (frame: Uint8Array) =>
  isV4(frame) ? frame[23] : frame[20] === FRAGMENT_HEADER ? frame[54] : frame[20]
