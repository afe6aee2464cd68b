// The whole way, verdict accounting on: a capture's frames between two vNICs, by encapsulation, leaf, spine, leaf and
// decapsulation. The capture is a file, and the time is what the processor spends from before the network is set up to the verdict.

import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { replay } from '../lab/replay.ts'
import { parseIpv4, parseMac } from '../protocols/address.ts'
import { PcapWriter } from '../protocols/capture/pcap-writer.ts'
import { udpFrame } from '../protocols/packet/compose.ts'
import { MICROSECOND } from '../runtime/clock.ts'
import type { Scenario } from '../topologies/scenario.ts'
import { shapeTopology } from '../topologies/shapes.ts'
import type { Topology } from '../topologies/topology.ts'
import type { Bench } from './bench.ts'
import { measure, processorSecondsOf, rowOf } from './measure.ts'

const FRAMES = 500_000
const FLOWS = 1000
const REPETITIONS = 3
const UNIT = 'frames/s of CPU'

interface Kind {
  name: string
  type: 'vlan' | 'vxlan'
  /** Links take time, more or less of it, and so much at once. */
  realLinks?: true
  frameByFrame?: true
  /** Once this many, in the place of several times FRAMES. */
  frames?: number
}

const KINDS: readonly Kind[] = [
  { name: 'vlan between two hosts on a leaf-spine', type: 'vlan' },
  { name: 'vxlan between two hosts on a leaf-spine', type: 'vxlan' },
  { name: 'vxlan between two hosts, 10 million frames', type: 'vxlan', frames: 10_000_000 },
  { name: 'vxlan between two hosts, frame by frame', type: 'vxlan', frameByFrame: true },
  { name: 'vxlan between two hosts, links of 10 Gbit/s, 5 us, 1 us of jitter', type: 'vxlan', realLinks: true },
]

export const replayBenches: readonly Bench[] = KINDS.map((kind) => {
  const name = `replay: ${kind.name}`
  const once = () => run(kind)
  return {
    name,
    rows: async () => [
      kind.frames === undefined ? await measure(name, UNIT, REPETITIONS, once) : rowOf(name, UNIT, [await once()]),
    ],
  }
})

async function run({ type, realLinks, frameByFrame, frames = FRAMES }: Kind): Promise<number> {
  const topology = shapeTopology('leaf-spine,2,2', { networks: 1, type })
  if (realLinks)
    for (const link of topology.fabric.links)
      Object.assign(link, { bandwidth: 1e10, delay: 5 * MICROSECOND, jitter: MICROSECOND })
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-bench-'))
  try {
    writeCapture(join(folder, 'frames.pcap'), topology, frames)
    let delivered = 0
    const seconds = await processorSecondsOf(async () => {
      const { verdict } = await replay(scenario(topology, folder), frameByFrame ? { frameByFrame } : {})
      delivered = verdict.frames.delivered
    })
    if (delivered !== frames) throw new Error(`only ${delivered} of ${frames} frames arrived`)
    return frames / seconds
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const scenario = (topology: Topology, folder: string): Scenario => ({
  name: 'bench',
  topology,
  folder,
  seed: 1,
  timeline: [{ at: 0, step: { type: 'replay', capture: 'frames.pcap', map: 'source-mac', speed: 1 } }],
  expect: [],
})

/** One frame a microsecond, half of the flows each way. */
function writeCapture(path: string, topology: Topology, count: number): void {
  const nics = topology.vms.map((vm) => vm.nics[0]!)
  const kinds = Array.from({ length: FLOWS }, (_, flow) => {
    const [from, to] = flow % 2 === 0 ? nics : nics.toReversed()
    return udpFrame({
      ethSrc: parseMac(from!.mac),
      ethDst: parseMac(to!.mac),
      ipSrc: parseIpv4(from!.addresses[0]!),
      ipDst: parseIpv4(to!.addresses[0]!),
      srcPort: 1000 + flow,
      dstPort: 9,
      payload: new Uint8Array(18),
    })
  })
  const file = openSync(path, 'w')
  const block = Buffer.alloc(1 << 20)
  let size = 0
  const flush = () => {
    writeSync(file, block, 0, size)
    size = 0
  }
  const writer = new PcapWriter((record) => {
    if (size + record.length > block.length) flush()
    block.set(record, size)
    size += record.length
  })
  for (let frame = 0; frame < count; frame++) writer.write(BigInt(frame * 1000), kinds[frame % FLOWS]!)
  flush()
  closeSync(file)
}
