import { expect, test } from 'vitest'
import { deliverFrames, heldFrames } from '../../datapath/control/handlers/held-frames.ts'
import { installVnicState, vnicState } from '../../datapath/control/handlers/vnic-state.ts'
import { SECOND } from '../../runtime/clock.ts'
import { seeded } from '../../runtime/random.ts'
import type { TestSwitch } from '../support/test-switch.ts'
import { flowMod, testSwitch } from '../support/test-switch.ts'

const NIC = 'web1:eth0'
const RATE = 1_000_000
const BURST = 40_000
const LENGTH = 1000
const BITS = 8 * LENGTH

/** What comes in at port 1 leaves by port 2, which is shaped; what comes in at port 2 passes meter `meter`. */
function place(meter: number): TestSwitch {
  const made = testSwitch([{}, { type: 'vnic', name: NIC, maxRate: RATE, burst: BURST }])
  made.sw.meters.set({ meter, bands: [{ type: 'drop', rate: BigInt(RATE), burst: BigInt(BURST) }] }, 0)
  const wayOf = (port: number, output: number) =>
    flowMod({
      match: [{ field: 'in_port', value: BigInt(port) }],
      instructions: {
        apply: [{ type: 'output', port: output }],
        clear: false,
        write: [],
        ...(port === 2 && { meter }),
      },
    })
  made.sw.tables.applyBundle([wayOf(1, 2), wayOf(2, 1)])
  return made
}

/** As a migration does: the old port holds, its levels and what it keeps go to the new one. */
function move(source: TestSwitch, target: TestSwitch): void {
  source.sw.ports.setState(NIC, 'hold')
  const [state] = [...vnicState(source.sw, { type: 'vnicStateRequest', port: NIC, meters: [204] })]
  const meters = state!.meters.map((one) => ({ ...one, meter: 300 }))
  installVnicState(target.sw, { ...state!, type: 'installVnicState', meters })
  const held = [...heldFrames(source.sw, { type: 'heldFramesRequest', port: NIC, after: 0 })]
  const frames = held.flatMap((part) => part.frames).map((frame) => ({ ...frame, origin: 'source' }))
  deliverFrames(target.sw, { type: 'deliverFrames', port: NIC, frames, upTo: 0 })
}

/** The most bits that any interval saw beyond the rate; what was heard was noted up to `late` nanoseconds after it left. */
function largestExcess(instants: readonly number[], late: number): number {
  let worst = 0
  for (let first = 0; first < instants.length; first++)
    for (let last = first; last < instants.length; last++) {
      const span = instants[last]! - instants[first]! + late
      worst = Math.max(worst, (last - first + 1) * BITS - (RATE * span) / SECOND)
    }
  return worst
}

const STEP = 2_000_000

test.each([1, 2, 3])('across a move no interval sees more than its limit (seed %i)', async (seed) => {
  const random = seeded(seed)
  const [source, target] = [place(204), place(300)]
  const heard: number[][] = [[], [], []]
  const moveAt = 30_000_000 + random.below(100_000_000)
  const resumeAt = moveAt + random.below(5_000_000)
  let at = source
  for (let now = 0; now < 200_000_000; now += 1 + random.below(STEP)) {
    await source.clock.run(now)
    await target.clock.run(now)
    if (at === source && now >= moveAt) {
      move(source, target)
      at = target
    }
    if (now >= moveAt && now < resumeAt) continue
    for (const port of [1, 2]) at.sw.receive(Int32Array.of(at.arena.allocateFrom(Buffer.alloc(LENGTH, port))), 1, port)
    for (const line of [...source.heard(), ...target.heard()])
      if (!line.startsWith('drop')) heard[Number(line[0])]!.push(now)
  }
  const [, up, down] = heard
  expect([up!.length, down!.length].every((count) => count > 20)).toBe(true)
  expect(largestExcess(up!, STEP)).toBeLessThanOrEqual(BURST)
  expect(largestExcess(down!, STEP)).toBeLessThanOrEqual(BURST + BITS)
})

test('what is not there is left out, or refused with nothing changed', () => {
  const { sw } = testSwitch([{}])
  const ask = (port: string) => [...vnicState(sw, { type: 'vnicStateRequest', port, meters: [7] })]
  expect(() => ask('nobody')).toThrow("there is no port 'nobody'")
  expect(ask('p1')).toMatchObject([{ meters: [], shaping: { queues: [] }, connections: [], more: false }])
  const [state] = ask('p1')
  const counters = { ...state!.counters!, sentPackets: 9n }
  const meters = [{ meter: 7, packets: 0n, bytes: 0n, bands: [] }]
  expect(() => installVnicState(sw, { ...state!, type: 'installVnicState', counters, meters })).toThrow('no meter 7')
  expect(sw.ports.statistics()[0]!.sentPackets).toBe(0n)
})
