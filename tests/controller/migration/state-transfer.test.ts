// What a vNIC has gathered goes with it, and comes back where its move is undone.

import { describe, expect, test } from 'vitest'
import { Lab } from '../../../lab/lab.ts'
import { udpFrame } from '../../../protocols/packet/compose.ts'
import { MILLISECOND, SECOND, sleep } from '../../../runtime/clock.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import { parseTopology } from '../../../topologies/load.ts'
import { IP_1, IP_2, MAC_1, MAC_2 } from '../../support/frames.ts'

const RATE = 1_000_000
const BURST = 20_000
const LENGTH = 100

const vm = (name: string, host: string, serial: number, policy = {}) => ({
  name,
  host,
  nics: [{ name: 'eth0', network: 'blue', mac: `02:00:00:00:00:0${serial}`, addresses: [`10.0.0.${serial}`], policy }],
})

async function limited(policy: object) {
  const topology = parseTopology(
    JSON.stringify({
      version: 1,
      name: 'limited',
      hosts: ['h1', 'h2', 'h3'].map((name) => ({ name })),
      networks: [{ name: 'blue', type: 'vlan', segment: 10, subnets: [{ cidr: '10.0.0.0/24' }] }],
      vms: [vm('mover', 'h1', 1, policy), vm('other', 'h2', 2)],
    }),
    'limited',
  )
  const clock = new VirtualClock()
  const heard: { at: number; nic: string }[] = []
  const observer = { heard: (at: number, nic: string) => void heard.push({ at, nic }) }
  const lab = await Lab.start(topology, { clock, seed: 1, observer })
  return { lab, clock, heard }
}

const payload = new Uint8Array(LENGTH - 42)
const TO_MOVER = udpFrame({ ethSrc: MAC_2, ethDst: MAC_1, ipSrc: IP_2, ipDst: IP_1, srcPort: 9, dstPort: 9, payload })
const FROM_MOVER = udpFrame({ ethSrc: MAC_1, ethDst: MAC_2, ipSrc: IP_1, ipDst: IP_2, srcPort: 9, dstPort: 9, payload })

/** No interval of T seconds has more than rate × T + burst bits and one frame. */
function expectWithin(heard: readonly { at: number }[]): void {
  for (let first = 0; first < heard.length; first++)
    for (let last = first; last < heard.length; last += 7) {
      const bits = (last - first) * LENGTH * 8
      const span = heard[last]!.at - heard[first]!.at
      expect(bits).toBeLessThanOrEqual((RATE * span) / SECOND + BURST)
    }
}

describe('a limit that is at its end', () => {
  const PACE = MILLISECOND / 4

  test.each([
    ['ingress', 'mover:eth0', FROM_MOVER, { ingressRate: '1Mbps', ingressBurst: '20kb' }],
    ['egress', 'other:eth0', TO_MOVER, { egressRate: '1Mbps', egressBurst: '20kb' }],
  ] as const)('has no fresh burst where it comes to: %s', async (_way, from, bytes, policy) => {
    const { lab, clock, heard: byAll } = await limited(policy)
    const start = clock.now()
    for (let at = 0; at < 400 * MILLISECOND; at += PACE)
      clock.schedule(start + at, () => lab.inject(from, bytes, 'test'))
    await clock.run(start + 200 * MILLISECOND)
    const moved = lab.migrate('mover', 'h3', 0)
    await clock.runUntil(moved)
    const resumed = (await moved).resumedAt!
    await clock.run(start + 500 * MILLISECOND)
    // The announcement of the move is nobody's to limit.
    const heard = byAll.filter(({ nic }) => nic !== from)
    const after = heard.filter(({ at }) => at > resumed)
    expectWithin(after)
    // All in all the bucket has been filled once.
    const all = heard.length * LENGTH * 8
    const span = heard.at(-1)!.at - heard[0]!.at
    expect(all).toBeLessThanOrEqual((RATE * span) / SECOND + BURST + LENGTH * 8)
    expect(all).toBeGreaterThan(((RATE * span) / SECOND + BURST) * 0.9)
  })
})

describe('counters', () => {
  const portOf = async (lab: Lab) => {
    const { switch: name } = lab.controller.vms().find((one) => one.name === 'mover')!.nics[0]!
    const all = await lab.settle(lab.controller.portStatistics(name))
    return all.find((port) => port.name === 'mover:eth0')!
  }

  async function traffic(move: (lab: Lab, clock: VirtualClock) => Promise<unknown>) {
    const { lab, clock, heard } = await limited({})
    const start = clock.now()
    for (let at = 0; at < 200; at++) {
      clock.schedule(start + at * MILLISECOND, () => lab.inject('other:eth0', TO_MOVER, 'test'))
      if (at < 100 || at > 150)
        clock.schedule(start + at * MILLISECOND, () => lab.inject('mover:eth0', FROM_MOVER, 'test'))
    }
    await clock.run(start + 110 * MILLISECOND)
    const before = await portOf(lab)
    await clock.runUntil(move(lab, clock))
    const between = await portOf(lab)
    await clock.run(start + 400 * MILLISECOND)
    expect(heard.filter(({ nic }) => nic === 'mover:eth0')).toHaveLength(200)
    return [before, between, await portOf(lab)].map(({ receivedPackets, sentPackets, sentBytes }) => [
      Number(receivedPackets),
      Number(sentPackets),
      Number(sentBytes) / LENGTH,
    ])
  }

  test('go on after a move, and after another', async () => {
    const [before, between, after] = await traffic(async (lab) => {
      await lab.migrate('mover', 'h3', 10 * MILLISECOND)
      await lab.migrate('mover', 'h2', 10 * MILLISECOND)
      await lab.migrate('mover', 'h1', 0)
    })
    expect(before!.slice(0, 1)).toEqual([100])
    expect(between![1]).toBeGreaterThanOrEqual(before![1]!)
    expect(after).toEqual([149, 200, 200])
  })

  test('have each frame once where a move is undone', async () => {
    const [, , after] = await traffic(async (lab, clock) => {
      const { id } = lab.controller.migrate({ vm: 'mover', to: 'h3', pause: 20 * MILLISECOND })
      await sleep(clock, 15 * MILLISECOND)
      expect(await lab.controller.abortMigration(id)).toMatchObject({ state: 'aborted' })
    })
    expect(after).toEqual([149, 200, 200])
  })
})
