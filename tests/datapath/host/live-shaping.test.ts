// Queues on the clock of the wall: what is beyond a rate waits in a live host, too, whatever way it leaves.

import { expect, test } from 'vitest'
import { parseIpv4, parseMac } from '../../../protocols/address.ts'
import { udpFrame } from '../../../protocols/packet/compose.ts'
import { SECOND } from '../../../runtime/clock.ts'
import type { Topology } from '../../../topologies/topology.ts'
import { LiveNetwork, twoHosts, until } from '../../support/live-network.ts'

const RATE = 400_000
const BURST = 12_144
const COUNT = 12
const SIZE = 1000

test.each<[string, string, string, (topology: Topology) => void]>([
  ['what a VM receives', 'd', 'c', ({ vms }) => Object.assign(vms[2]!.nics[0]!.policy, limit('egress'))],
  ['what a network receives on a host', 'a', 'b', ({ networks }) => (networks[0]!.qos = limit('egress'))],
  ['what a network sends by the uplink', 'c', 'd', ({ networks }) => (networks[1]!.qos = limit('ingress'))],
  ['what a network sends in tunnels', 'a', 'b', ({ networks }) => (networks[0]!.qos = limit('ingress'))],
])('%s waits for its turn, and none of it is lost', async (_name, from, to, shape) => {
  const topology = twoHosts()
  shape(topology)
  const network = await LiveNetwork.start(topology)
  try {
    const frames = Array.from({ length: COUNT }, (_, mark) => datagram(topology, from, to, mark))
    const start = network.clock.now()
    for (const frame of frames) network.guests.get(`${from}:eth0`)!.send(frame)
    const { heard } = network.guests.get(`${to}:eth0`)!
    await until(() => heard.length === COUNT)
    // Never sooner than the limit allows, however late the machine.
    const bits = COUNT * SIZE * 8
    expect(network.clock.now() - start).toBeGreaterThanOrEqual(((bits - BURST - (SIZE + 50) * 8) * SECOND) / RATE)
    expect(heard.map((frame) => frame.at(-1))).toEqual(frames.map((frame) => frame.at(-1)))
  } finally {
    await network.stop()
  }
})

const limit = (way: 'ingress' | 'egress') => ({ [`${way}Rate`]: RATE, [`${way}Burst`]: BURST })

function datagram({ vms }: Topology, from: string, to: string, mark: number): Uint8Array {
  const [source, destination] = [from, to].map((name) => vms.find((vm) => vm.name === name)!.nics[0]!)
  return udpFrame({
    ethSrc: parseMac(source!.mac),
    ethDst: parseMac(destination!.mac),
    ipSrc: parseIpv4(source!.addresses[0]!),
    ipDst: parseIpv4(destination!.addresses[0]!),
    srcPort: 1000,
    dstPort: 2000,
    payload: new Uint8Array(SIZE - 42).fill(mark),
  })
}
