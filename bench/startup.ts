// From a shape's name to every switch confirmed by its barrier: leaf-spine, 100 hosts, 1,000 vNICs in 10 networks.

import { Lab } from '../lab/lab.ts'
import { VirtualClock } from '../runtime/virtual-clock.ts'
import { shapeTopology } from '../topologies/shapes.ts'
import type { Bench } from './bench.ts'
import { heapInUse, measure, rowOf, secondsOf, type Row } from './measure.ts'

const SHAPE = 'leaf-spine,2,10'
const OPTIONS = { hostsPerLeaf: 10, vmsPerHost: 10, networks: 10 } as const

export const startupBenches: readonly Bench[] = (['vlan', 'vxlan'] as const).map((type) => {
  const name = `start-up: leaf-spine, 100 hosts, 1,000 vNICs, 10 networks of type ${type}`
  return { name, rows: () => startupRows(name, type) }
})

async function startupRows(name: string, type: 'vlan' | 'vxlan'): Promise<Row[]> {
  let memory = 0
  const time = await measure(name, 's', 3, async () => {
    const before = heapInUse()
    let lab: Lab | undefined
    const seconds = await secondsOf(async () => {
      const topology = shapeTopology(SHAPE, { ...OPTIONS, type })
      lab = await Lab.start(topology, { clock: new VirtualClock(), seed: 1 })
    })
    memory = heapInUse() - before
    return lab === undefined ? NaN : seconds
  })
  return [time, rowOf(`${name}, memory`, 'MB', [memory / 1e6])]
}
