// The whole way, verdict accounting on: vNIC, encapsulation, leaf, spine, leaf, decapsulation, vNIC.

import { CaptureFeed } from '../lab/capture-feed.ts'
import { Lab } from '../lab/lab.ts'
import type { CapturedFrame } from '../protocols/capture/capture.ts'
import { parseIpv4, parseMac } from '../protocols/address.ts'
import { udpFrame } from '../protocols/packet/compose.ts'
import { VirtualClock } from '../runtime/virtual-clock.ts'
import { shapeTopology } from '../topologies/shapes.ts'
import type { Bench } from './bench.ts'
import { measure, secondsOf } from './measure.ts'

const FRAMES = 50_000
const BATCH = 1000

export const replayBenches: readonly Bench[] = (['vlan', 'vxlan'] as const).map((type) => {
  const name = `replay: ${type} between two hosts on a leaf-spine`
  return { name, rows: async () => [await measure(name, 'frames/s', 3, () => run(type))] }
})

async function run(type: 'vlan' | 'vxlan'): Promise<number> {
  const topology = shapeTopology('leaf-spine,2,2', { networks: 1, type })
  const clock = new VirtualClock()
  const lab = await Lab.start(topology, { clock, seed: 1 })
  const [from, to] = topology.vms.map((vm) => vm.nics[0]!)
  const bytes = udpFrame({
    ethSrc: parseMac(from!.mac),
    ethDst: parseMac(to!.mac),
    ipSrc: parseIpv4(from!.addresses[0]!),
    ipDst: parseIpv4(to!.addresses[0]!),
    srcPort: 1000,
    dstPort: 9,
    payload: new Uint8Array(18),
  })
  const feed = new CaptureFeed(capture(bytes), {
    clock,
    start: clock.now(),
    speed: 1,
    enter: (frame) => lab.inject(from!.id, frame.bytes, 'bench'),
  })
  const seconds = await secondsOf(async () => {
    await clock.runUntil(feed.play())
    await clock.run(clock.now() + 1e9)
  })
  lab.judge.finish(new Set())
  if (lab.judge.frames.delivered !== FRAMES)
    throw new Error(`only ${lab.judge.frames.delivered} of ${FRAMES} frames arrived`)
  return FRAMES / seconds
}

/** One frame a microsecond. */
async function* capture(bytes: Uint8Array): AsyncGenerator<CapturedFrame[]> {
  for (let first = 0; first < FRAMES; first += BATCH) {
    yield Array.from({ length: BATCH }, (_, index): CapturedFrame => ({
      timestamp: BigInt((first + index) * 1000),
      interfaceId: 0,
      linkType: 1,
      originalLength: bytes.length,
      bytes,
      number: first + index + 1,
      offset: 0,
    }))
  }
}
