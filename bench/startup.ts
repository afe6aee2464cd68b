// From a shape's name to every switch confirmed by its barrier: leaf-spine, 100 hosts, 1,000 vNICs in 10 networks.

import { Lab } from '../lab/lab.ts'
import { VirtualClock } from '../runtime/virtual-clock.ts'
import { shapeTopology } from '../topologies/shapes.ts'
import { heapInUse, measure, secondsOf, type Row } from './measure.ts'

const SHAPE = 'leaf-spine,2,10'
const OPTIONS = { hostsPerLeaf: 10, vmsPerHost: 10, networks: 10 } as const

export async function startupRows(): Promise<Row[]> {
  const rows: Row[] = []
  for (const type of ['vlan', 'vxlan'] as const) {
    const name = `start-up: leaf-spine, 100 hosts, 1,000 vNICs, 10 networks of type ${type}`
    let memory = 0
    rows.push(
      await measure(name, 's', 3, async () => {
        const before = heapInUse()
        let lab: Lab | undefined
        const seconds = await secondsOf(async () => {
          const topology = shapeTopology(SHAPE, { ...OPTIONS, type })
          lab = await Lab.start(topology, { clock: new VirtualClock(), seed: 1 })
        })
        memory = heapInUse() - before
        return lab === undefined ? NaN : seconds
      }),
    )
    rows.push({ name: `memory of that`, unit: 'MB', ours: memory / 1e6, min: memory / 1e6, max: memory / 1e6, runs: 1 })
  }
  return rows
}
