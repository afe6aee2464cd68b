// A move is at its end, its guest goes on elsewhere, and the control connection of one of its places is lost for a while. Limits and
// counters are those of the place where the guest is: what they do there goes on as if nothing had been.

import { describe, expect, test } from 'vitest'
import { Lab } from '../../../lab/lab.ts'
import { MILLISECOND, type Nanoseconds, SECOND } from '../../../runtime/clock.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import { parseTopology } from '../../../topologies/load.ts'
import { blueGuest } from '../../support/blue-guests.ts'
import { frameOf } from '../../support/timed-traffic.ts'

const PAYLOAD = 400
const LENGTH = PAYLOAD + 42
const FRAME_BITS = 8 * LENGTH
const RATE = 1_000_000
const BURST = 20_000
const LASTS = 2 * SECOND

interface Stream {
  from: 1 | 2
  pace: Nanoseconds
}

/** The connection of a host's switch is gone for so long; with it all that the switch has where the host starts `anew`. */
interface Blip {
  host: string
  span: Nanoseconds
  anew?: boolean
}

const SOURCE: Blip = { host: 'h1', span: MILLISECOND }
const DESTINATION: Blip = { host: 'h3', span: MILLISECOND }

/** `vm1` comes from h1, `vm2` is on h2; who sends sends for as long as it lasts. */
async function streaming(type: 'vlan' | 'vxlan', policy: object, { from, pace }: Stream) {
  const topology = parseTopology(
    JSON.stringify({
      version: 1,
      name: 'streaming',
      hosts: [1, 2, 3, 4].map((number) => ({ name: `h${number}`, vtep: `192.0.2.${number}` })),
      networks: [{ name: 'blue', type, segment: 10 }],
      vms: [
        blueGuest('vm1', 'h1', 1, ['10.0.0.1'], policy),
        blueGuest('vm2', 'h2', 2, ['10.0.0.2'], {}),
        blueGuest('vm3', 'h4', 3, ['10.0.0.3'], {}),
      ],
    }),
    'streaming',
  )
  const clock = new VirtualClock()
  const to = from === 1 ? 2 : 1
  const heard: Nanoseconds[] = []
  const observer = {
    heard(at: Nanoseconds, nic: string, _id: number, bytes: Uint8Array) {
      if (nic === `vm${to}:eth0` && bytes.length === LENGTH) heard.push(at)
    },
  }
  const lab = await Lab.start(topology, { clock, seed: 1, observer })
  const start = clock.now()
  const count = LASTS / pace
  for (let number = 0; number < count; number++)
    clock.schedule(start + number * pace, () =>
      lab.inject(`vm${from}:eth0`, frameOf({ at: 0, from, to, payload: PAYLOAD }, number), 'test'),
    )
  const blip = ({ host, span, anew = false }: Blip) => {
    if (anew) lab.restartHost(host)
    else lab.hangUp(`${host}/br-int`)
    clock.schedule(clock.now() + span, () => lab.dial(`${host}/br-int`))
  }
  return { lab, clock, start, heard, count, blip }
}

/** Below the limit. */
const MODEST: Stream = { from: 1, pace: 5 * MILLISECOND }
const POLICED = { ingressRate: '1Mbps', ingressBurst: '20kb' }

test('a destination whose connection is lost as the move ends goes on with its limit, and the move ends no later', async () => {
  const { lab, clock, start, heard, count, blip } = await streaming('vlan', POLICED, MODEST)
  let lost = false
  lab.controller.subscribe((event) => {
    if (lost || event.type !== 'migration' || event.migration.state !== 'commit') return
    lost = true
    blip({ ...DESTINATION, span: 900 * MILLISECOND })
  })
  await clock.run(start + 300 * MILLISECOND)
  const { id } = lab.controller.migrate({ vm: 'vm1', to: 'h3' })
  const moved = lab.controller.migrationDone(id)
  await clock.runUntil(moved)
  const { state, endedAt, resumedAt } = await moved
  expect({ state, lost }).toEqual({ state: 'done', lost: true })
  expect(endedAt! - resumedAt!).toBeLessThan(10 * MILLISECOND)
  await clock.run(start + LASTS + SECOND)
  expect(heard).toHaveLength(count)
})

/** A move that has let its guest go on waits for h4, which is away: what it sends to the old place is brought after the guest. */
describe('while the old place is kept for those who have not heard', () => {
  async function blipped(policy: object, stream: Stream, blips: readonly Blip[]) {
    const { lab, clock, start, heard, count, blip } = await streaming('vxlan', policy, stream)
    await clock.run(start + 300 * MILLISECOND)
    lab.hangUp('h4/br-int')
    await clock.run(start + 310 * MILLISECOND)
    const { id } = lab.controller.migrate({ vm: 'vm1', to: 'h3' })
    await clock.run(start + SECOND)
    for (const one of blips) {
      blip(one)
      await clock.run(clock.now() + 100 * MILLISECOND)
    }
    const { state } = lab.controller.migrations().find((one) => one.id === id)!
    expect(state).toBe('commit')
    await clock.run(start + LASTS + SECOND)
    const ports = lab.controller.portStatistics('h3/br-int')
    await clock.runUntil(ports)
    return { heard, count, port: (await ports).find(({ name }) => name === 'vm1:eth0')! }
  }

  test.each<[string, Blip[]]>([
    ['the source', [SOURCE]],
    ['the source, which has started anew', [{ ...SOURCE, anew: true }]],
    ['the destination', [DESTINATION]],
    ['one after the other', [SOURCE, SOURCE, SOURCE, DESTINATION]],
  ])('no frame is lost to a blip of %s, and all are counted', async (_who, blips) => {
    const { heard, count, port } = await blipped(POLICED, MODEST, blips)
    expect(heard).toHaveLength(count)
    expect(Number(port.receivedPackets)).toBe(count)
  })

  test('no blip of the source has a fresh burst let out', async () => {
    const greedy: Stream = { from: 2, pace: 2 * MILLISECOND }
    const policy = { egressRate: '1Mbps', egressBurst: '20kb' }
    const { heard } = await blipped(policy, greedy, [SOURCE, SOURCE, SOURCE, SOURCE])
    const span = heard.at(-1)! - heard[0]!
    const bits = heard.length * FRAME_BITS
    expect(bits).toBeGreaterThan((0.9 * RATE * span) / SECOND)
    expect(bits).toBeLessThanOrEqual((RATE * span) / SECOND + BURST + FRAME_BITS)
  })
})
