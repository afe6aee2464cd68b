// What a host process and the controller say to each other, at random.

import type { HostConfig, HostHello, HostStatus, VnicWire } from '../../protocols/control/messages.ts'
import type { Random } from '../../runtime/random.ts'
import { chance, pick, randomBits } from './random-matches.ts'

const few = <T>(random: Random, make: () => T): T[] => Array.from({ length: random.below(4) }, make)

const randomWire = (random: Random): VnicWire => ({
  vnic: pick(random, ['web1:eth0', 'db1:eth0', 'größe:eth1']),
  wire: pick(random, ['tap:web1', 'dgram:127.0.0.1:7001,127.0.0.1:7002']),
})

export const HOST_MAKERS = {
  hostHello: (random: Random): HostHello => ({ type: 'hostHello', version: random.uint32(), name: 'h1' }),
  hostConfig: (random: Random): HostConfig => ({
    type: 'hostConfig',
    generationId: randomBits(random, 64),
    bridges: few(random, () => ({ name: 'br-int', datapathId: randomBits(random, 64) })),
    ...(chance(random, 0.5) && { vtep: random.uint32() }),
    wires: few(random, () => randomWire(random)),
  }),
  hostStatus: (random: Random): HostStatus => ({
    type: 'hostStatus',
    wires: few(random, () => ({
      ...randomWire(random),
      made: chance(random, 0.5),
      connected: chance(random, 0.5),
      problem: pick(random, ['', 'no such device']),
    })),
    problem: pick(random, ['', 'it runs nothing']),
  }),
}
