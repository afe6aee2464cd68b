// What waits in a shaped port goes along when its VM moves: none of it is lost, doubled or overtaken, and it comes no sooner.

import { expect, test } from 'vitest'
import { Lab } from '../../../lab/lab.ts'
import { udpFrame } from '../../../protocols/packet/compose.ts'
import { MILLISECOND, SECOND } from '../../../runtime/clock.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import { parseTopology } from '../../../topologies/load.ts'
import { IP_1, IP_2, MAC_1, MAC_2 } from '../../support/frames.ts'

const RATE = 1_000_000
const BURST = 20_000
const LENGTH = 200
const COUNT = 300

const vm = (name: string, host: string, serial: number, policy: object) => ({
  name,
  host,
  nics: [{ name: 'eth0', network: 'blue', mac: `02:00:00:00:00:0${serial}`, addresses: [`10.0.0.${serial}`], policy }],
})

const topologyWith = (policy: object, qos: object) =>
  parseTopology(
    JSON.stringify({
      version: 1,
      name: 'shaped',
      hosts: ['h1', 'h2', 'h3'].map((name) => ({ name })),
      networks: [{ name: 'blue', type: 'vlan', segment: 10, qos }],
      vms: [vm('mover', 'h1', 1, policy), vm('other', 'h2', 2, {})],
    }),
    'shaped',
  )

const LIMIT = { egressRate: '1Mbps', egressBurst: '20kb' }

/** A network's limit is one of each host's own, which has its own burst. */
test.each<[string, object, object, number]>([
  ['its own rate', LIMIT, {}, 1],
  ["its network's", {}, LIMIT, 2],
])('over %s', async (_name, policy, qos, bursts) => {
  const clock = new VirtualClock()
  const heard: { at: number; mark: number }[] = []
  const observer = {
    heard(at: number, nic: string, _id: number, bytes: Uint8Array) {
      if (nic === 'mover:eth0') heard.push({ at, mark: (bytes[42]! << 8) | bytes[43]! })
    },
  }
  const lab = await Lab.start(topologyWith(policy, qos), { clock, seed: 1, observer })
  const start = clock.now()
  for (let mark = 0; mark < COUNT; mark++) {
    const payload = new Uint8Array(LENGTH - 42)
    payload.set([mark >> 8, mark & 0xff])
    const frame = udpFrame({
      ethSrc: MAC_2,
      ethDst: MAC_1,
      ipSrc: IP_2,
      ipDst: IP_1,
      srcPort: 9,
      dstPort: 9,
      payload,
    })
    clock.schedule(start + (mark * MILLISECOND) / 2, () => lab.inject('other:eth0', frame, 'test'))
  }
  await clock.run(start + 100 * MILLISECOND)
  await clock.runUntil(lab.migrate('mover', 'h3', 5 * MILLISECOND))
  await clock.run(start + 2 * SECOND)
  expect(heard.map(({ mark }) => mark)).toEqual(Array.from({ length: COUNT }, (_, mark) => mark))
  const span = heard.at(-1)!.at - heard[0]!.at
  expect(COUNT * LENGTH * 8).toBeLessThanOrEqual((RATE * span) / SECOND + bursts * (BURST + LENGTH * 8))
})
