import { expect, test } from 'vitest'
import { changedTopology, keptTopology } from '../../../controller/state/kept-topology.ts'
import type { Random } from '../../../runtime/random.ts'
import { seeded } from '../../../runtime/random.ts'
import type { Change, StoredValue } from '../../../runtime/store.ts'
import { shapeTopology } from '../../../topologies/shapes.ts'
import type { Topology, Vm } from '../../../topologies/topology.ts'
import { seeds } from '../../support/seeds.ts'

/** What is kept, as the state file has it. */
class Kept {
  readonly #entries = new Map<string, Map<string, StoredValue>>()

  write(changes: readonly Change[]): void {
    for (const { kind, key, value } of changes) {
      const ofKind = this.#entries.get(kind) ?? new Map<string, StoredValue>()
      this.#entries.set(kind, ofKind)
      if (value === undefined) ofKind.delete(key)
      else ofKind.set(key, value)
    }
  }

  get topology(): Topology | undefined {
    return keptTopology(this.#entries.get('topology'), this.#entries.get('order'), this.#entries.get('asked'))
  }

  get size(): number {
    return [...this.#entries.values()].reduce((sum, { size }) => sum + size, 0)
  }
}

const BASE = shapeTopology('single,3', { vmsPerHost: 2, networks: 2, type: 'vxlan' })

/** VMs come, go, change and change places, one or several at once; now and then all of them. */
function edited(vms: readonly Vm[], random: Random, serial: number): Vm[] {
  const place = random.below(vms.length + 1)
  const [one] = BASE.vms
  switch (random.below(6)) {
    case 0:
      return vms.toSpliced(place, 0, { ...one!, name: `more${serial}` })
    case 1:
      return vms.toSpliced(place, 1 + random.below(3))
    case 2:
      return vms.map((vm, index) => (index === place ? { ...vm, host: `h${1 + random.below(3)}` } : vm))
    case 3:
      return vms.toSpliced(place, 1).toSpliced(random.below(vms.length + 1), 0, ...vms.slice(place, place + 1))
    case 4:
      return vms.toReversed()
    default:
      return random.below(10) === 0 ? [] : [...vms, { ...one!, name: `last${serial}` }]
  }
}

test.each(seeds(10))('what is kept is the topology in its order, whatever changes (seed %i)', (seed) => {
  const random = seeded(seed)
  const kept = new Kept()
  let last: Topology | undefined
  for (let serial = 0; serial < 60; serial++) {
    const now = random.below(15) === 0 ? undefined : { ...BASE, vms: edited(last?.vms ?? BASE.vms, random, serial) }
    kept.write(changedTopology(last, now))
    expect(kept.topology).toEqual(now)
    expect(kept.size === 0).toBe(now === undefined)
    last = now
  }
})

test.each([
  ['more, at the end', (vms: Vm[], vm: Vm) => [...vms, vm]],
  ['more, in the middle', (vms: Vm[], vm: Vm) => vms.toSpliced(50, 0, vm)],
  ['less', (vms: Vm[]) => vms.toSpliced(50, 1)],
])('one VM %s is as long as that VM, however many others there are', (_how, change) => {
  const topology = shapeTopology('single,100', { vmsPerHost: 10, networks: 1, type: 'vxlan' })
  const vm = { ...topology.vms[7]!, name: 'another' }
  const changes = changedTopology(topology, { ...topology, vms: change(topology.vms, vm) })
  const written = changes.reduce((sum, { value = '' }) => sum + value.length, 0)
  expect(written).toBeLessThan(JSON.stringify(vm).length + 40)
})
